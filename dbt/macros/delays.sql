{#- The measures of every mart, so that a share of late flights means the same by carrier, route, hour and weather. -#}
{% macro delay_measures() -%}
    count(*) as flights,
    count(*) filter (is_cancelled) as cancelled,
    round(count(*) filter (is_cancelled) / count(*), 4) as cancelled_share,
    round(avg(dep_delay), 2) as mean_dep_delay,
    median(dep_delay) as median_dep_delay,
    round(count(*) filter (is_late) / nullif(count(dep_delay), 0), 4) as late_share,
    round(avg(arr_delay), 2) as mean_arr_delay
{%- endmacro %}

{#- What the weather had to do with it; null where no weather was reported. -#}
{% macro weather_measures() -%}
    round(avg(wind_speed), 2) as mean_wind_speed,
    round(count(*) filter (is_wet) / nullif(count(is_wet), 0), 4) as wet_share,
    round(avg(dep_delay) filter (is_wet), 2) as mean_dep_delay_wet,
    round(avg(dep_delay) filter (not is_wet), 2) as mean_dep_delay_dry
{%- endmacro %}
