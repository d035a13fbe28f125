{#- Tests of several columns or of all rows together. SQL in the arguments comes with its names and values quoted. -#}

{% test no_two_alike(model, filled, group_by) %}
    select count(*) as times from {{ model }} where {{ filled }} {{ group_by }} having count(*) > 1
{% endtest %}

{#- For models written by hand: no two rows share the values of the columns; a null among them is no value. -#}
{% test unique_together(model, columns) %}
    select {{ columns | join(", ") }}, count(*) as times from {{ model }}
    where {% for column in columns %}{{ column }} is not null{{ " and " if not loop.last }}{% endfor %}
    group by {{ columns | join(", ") }}
    having count(*) > 1
{% endtest %}

{#- At least this share of the rows, those with a null among the columns left out, is found in the other table. -#}
{% test found_in(model, to, filled, match, at_least=1, column_name=none) %}
    select count(*) as judged, count(*) filter (known) as found from (
        select exists (select 1 from {{ to }} as target where {{ match }}) as known
        from {{ model }} as row
        where {{ filled }}
    )
    having found < {{ at_least }} * judged
{% endtest %}

{#- For at least this share of the rows the condition is true or null, in each group of `per`. -#}
{% test share_holds(model, condition, at_least, per=none, column_name=none) %}
    select {{ per or "'all rows'" }} as rows_of, count(*) filter (coalesce({{ condition }}, true)) / count(*) as share
    from {{ model }}
    group by all
    having share < {{ at_least }}
{% endtest %}

{#- An aggregate lies between the bounds, both closed, in each group of `per`; a null is no verdict. -#}
{% test measure_holds(model, aggregate, at_least=none, at_most=none, per=none, column_name=none) %}
    select {{ per or "'all rows'" }} as rows_of, {{ aggregate }} as measured from {{ model }}
    {{ "group by " ~ per if per }}
    having false
    {% if at_least is not none %} or measured < {{ at_least }} {% endif %}
    {% if at_most is not none %} or measured > {{ at_most }} {% endif %}
{% endtest %}
