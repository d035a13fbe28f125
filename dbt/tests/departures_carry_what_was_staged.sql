{#- A departure is what was staged of its flight, beside the weather of its hour and airport, where there is any. -#}
{{ config(meta={"dagster": {"ref": {"name": "departures"}}}) }}

select departures.carrier, departures.flight, departures.time_hour
from {{ ref("departures") }} as departures
left join {{ ref("stg_flights") }} as flights using (carrier, flight, time_hour, origin)
left join {{ ref("stg_weather") }} as weather using (origin, time_hour)
where row(
    departures.dest, departures.local_date, departures.local_hour, departures.dep_delay, departures.arr_delay,
    departures.distance, departures.is_cancelled, departures.is_late, departures.wind_speed
) is distinct from row(
    flights.dest, flights.local_date, flights.local_hour, flights.dep_delay, flights.arr_delay,
    flights.distance, flights.is_cancelled, flights.is_late, weather.wind_speed
)
or departures.is_wet is distinct from case when weather.precipitation <> 'unknown' then weather.precipitation <> 'none' end
or weather.origin is not null
and row(departures.wind, departures.precipitation, departures.visibility)
is distinct from row(weather.wind, weather.precipitation, weather.visibility)
or weather.origin is null
and row(departures.wind, departures.precipitation, departures.visibility) <> row('unknown', 'unknown', 'unknown')
