{#- However departures are grouped, none is lost, and what holds of all of them lies between the groups' extremes. -#}
{{ config(meta={"dagster": {"ref": {"name": "delay_by_route"}}}) }}
{%- set delays = ["cancelled_share", "mean_dep_delay", "median_dep_delay", "late_share", "mean_arr_delay"] %}
{%- set weather = ["mean_wind_speed", "wet_share", "mean_dep_delay_wet", "mean_dep_delay_dry"] %}
{%- set marts = {
    "delay_by_carrier": delays + weather, "delay_by_route": delays + weather, "delay_by_hour": delays + weather,
    "delay_by_weather": delays,
} %}

with all_departures as (
    select {{ delay_measures() }}, {{ weather_measures() }}
    from {{ ref("departures") }}
)

{% for mart, measures in marts.items() -%}
select '{{ mart }}: cancelled' as disagrees
from {{ ref(mart) }}
{%- if mart == "delay_by_weather" %}
group by factor
{%- endif %}
having sum(cancelled) <> (select cancelled from all_departures)
{% for measure in measures %}
union all
select '{{ mart }}: {{ measure }}'
from {{ ref(mart) }}
having (select {{ measure }} from all_departures) not between min({{ measure }}) - 0.01 and max({{ measure }}) + 0.01
{% endfor %}
{{ "union all" if not loop.last }}
{% endfor %}
