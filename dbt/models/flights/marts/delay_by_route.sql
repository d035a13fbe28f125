-- The airlines report two distances for two of the routes; the shorter one is shown.
select
    origin,
    dest,
    any_value(airports.name) as destination,
    min(distance) as distance,
    {{ delay_measures() }},
    {{ weather_measures() }}
from {{ ref("departures") }}
left join {{ ref("stg_airports") }} as airports on airports.faa = dest
group by origin, dest
order by origin, dest
