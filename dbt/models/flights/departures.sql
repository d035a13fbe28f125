-- Joined on the UTC instant: local hours repeat when the clocks go back.
select
    flights.carrier,
    flights.flight,
    flights.origin,
    flights.dest,
    flights.time_hour,
    flights.local_date,
    flights.local_hour,
    flights.dep_delay,
    flights.arr_delay,
    flights.distance,
    flights.is_cancelled,
    flights.is_late,
    weather.wind_speed,
    weather.precip > 0 as is_wet,
    coalesce(weather.wind, 'unknown') as wind,
    coalesce(weather.precipitation, 'unknown') as precipitation,
    coalesce(weather.visibility, 'unknown') as visibility
from {{ ref("stg_flights") }} as flights
left join {{ ref("stg_weather") }} as weather using (origin, time_hour)
