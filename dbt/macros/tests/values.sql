{#- Tests of single values. Each selects the rows that break the rule; a null breaks none of them. -#}

{% test in_range(model, column_name, min_value=none, max_value=none, include_min=true, include_max=true) %}
    select {{ column_name }} from {{ model }}
    where false
    {% if min_value is not none %}
        or {{ column_name }} {{ '<' if include_min else '<=' }} {{ sql_literal(min_value) }}
    {% endif %}
    {% if max_value is not none %}
        or {{ column_name }} {{ '>' if include_max else '>=' }} {{ sql_literal(max_value) }}
    {% endif %}
{% endtest %}

{% test rejected_values(model, column_name, values, quote=true) %}
    select {{ column_name }} from {{ model }}
    where {{ column_name }} in (
        {%- for value in values %}{{ "'" ~ value ~ "'" if quote else value }}{{ ", " if not loop.last }}{% endfor -%}
    )
{% endtest %}

{% test matches(model, column_name, pattern) %}
    select {{ column_name }} from {{ model }}
    where not regexp_matches({{ column_name }}, {{ sql_literal(pattern) }})
{% endtest %}

{% test characters_between(model, column_name, at_least=none, at_most=none) %}
    select {{ column_name }} from {{ model }}
    where false
    {% if at_least is not none %} or length({{ column_name }}) < {{ at_least }} {% endif %}
    {% if at_most is not none %} or length({{ column_name }}) > {{ at_most }} {% endif %}
{% endtest %}

{% macro sql_literal(value) -%}
    {%- if value is string -%} '{{ value | replace("'", "''") }}' {%- else -%} {{ value }} {%- endif -%}
{%- endmacro %}
