{#- Tests of several columns or of all rows together. -#}

{% test unique_together(model, columns) %}
    select {{ columns | join(", ") }}, count(*) as times from {{ model }}
    where {% for column in columns %}{{ column }} is not null{{ " and " if not loop.last }}{% endfor %}
    group by {{ columns | join(", ") }}
    having count(*) > 1
{% endtest %}

{#- At least this share of the rows, those with a null among the columns left out, is found in the other table. -#}
{% test found_in(model, columns, to, fields, at_least=1, column_name=none) %}
    select count(*) as judged, count(*) filter (known) as found from (
        select exists (
            select 1 from {{ to }} as target
            where {% for column in columns -%}
                target.{{ fields[loop.index0] }} = row.{{ column }}{{ " and " if not loop.last }}
            {%- endfor %}
        ) as known
        from {{ model }} as row
        where {% for column in columns %}row.{{ column }} is not null{{ " and " if not loop.last }}{% endfor %}
    )
    having found < {{ at_least }} * judged
{% endtest %}

{#- At least this share of the column is filled in, in each group of `per`. -#}
{% test complete(model, column_name, at_least, per=none) %}
    select {{ per or "'all rows'" }} as rows_of, count({{ column_name }}) / count(*) as share from {{ model }}
    group by all
    having share < {{ at_least }}
{% endtest %}

{% test volume(model, at_least=none, at_most=none, per=none) %}
    select {{ per or "'all rows'" }} as rows_of, count(*) as found from {{ model }}
    {{ "group by " ~ per if per }}
    having false
    {% if at_least is not none %} or found < {{ at_least }} {% endif %}
    {% if at_most is not none %} or found > {{ at_most }} {% endif %}
{% endtest %}
