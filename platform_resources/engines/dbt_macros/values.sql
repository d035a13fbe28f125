{#- The rows for which a condition is false; a null breaks none. The condition comes with its names and values quoted. -#}

{% test rows_hold(model, condition, column_name=none) %}
    select * from {{ model }} where not coalesce({{ condition }}, true)
{% endtest %}

{#- For models written by hand: values outside of the bounds; a null breaks none. -#}
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

{% macro sql_literal(value) -%}
    {%- if value is string -%} '{{ value | replace("'", "''") }}' {%- else -%} {{ value }} {%- endif -%}
{%- endmacro %}
