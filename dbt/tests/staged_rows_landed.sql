{#- Staging types and names; every row of it landed so, and every key that landed is staged once. -#}
{{ config(meta={"dagster": {"ref": {"name": "stg_flights"}}}) }}

select 'flights' as staged, cast(time_hour as varchar) as row_of
from {{ ref("stg_flights") }} as staged
where not exists (
    select 1
    from {{ source("flights", "flights") }} as landed
    where row(landed.carrier, landed.flight, landed.origin, landed.time_hour)
        = row(staged.carrier, staged.flight, staged.origin, staged.time_hour)
        and row(landed.tailnum, landed.dest, landed.dep_delay, landed.arr_delay, landed.air_time, landed.distance)
        is not distinct from
        row(staged.tailnum, staged.dest, staged.dep_delay, staged.arr_delay, staged.air_time, staged.distance)
        and landed.hour % 24 = staged.local_hour
        and (landed.dep_time is null) = staged.is_cancelled
        and (
            (staged.dep_minute is null and (landed.dep_time is null or landed.dep_time % 100 >= 60))
            or (staged.dep_minute % 60 = landed.dep_time % 100 and staged.dep_minute // 60 = landed.dep_time // 100 % 24)
        )
)
union all
select 'weather', cast(time_hour as varchar)
from {{ ref("stg_weather") }} as staged
where not exists (
    select 1
    from {{ source("flights", "weather") }} as landed
    where row(landed.origin, landed.time_hour) = row(staged.origin, staged.time_hour)
        and row(landed.temp, landed.wind_speed, landed.wind_gust, landed.precip, landed.visib)
        is not distinct from row(staged.temp, staged.wind_speed, staged.wind_gust, staged.precip, staged.visib)
)
union all
select 'airlines', carrier
from {{ ref("stg_airlines") }} as staged
where not exists (
    select 1
    from {{ source("flights", "airlines") }} as landed
    where row(landed.carrier, landed.name) is not distinct from row(staged.carrier, staged.name)
)
union all
select 'airports', faa
from {{ ref("stg_airports") }} as staged
where not exists (
    select 1
    from {{ source("flights", "airports") }} as landed
    where row(landed.faa, landed.name, landed.lat, landed.lon, landed.tzone)
        is not distinct from row(staged.faa, staged.name, staged.lat, staged.lon, staged.tzone)
)
union all
select 'keys of ' || staged, cast(landed - rows_staged as varchar)
from (
    select 'flights' as staged, (select count(*) from {{ ref("stg_flights") }}) as rows_staged,
        (select count(*) from (select distinct carrier, flight, time_hour, origin from {{ source("flights", "flights") }})) as landed
    union all
    select 'weather', (select count(*) from {{ ref("stg_weather") }}),
        (select count(*) from (select distinct origin, time_hour from {{ source("flights", "weather") }}))
    union all
    select 'airlines', (select count(*) from {{ ref("stg_airlines") }}),
        (select count(distinct carrier) from {{ source("flights", "airlines") }})
    union all
    select 'airports', (select count(*) from {{ ref("stg_airports") }}),
        (select count(distinct faa) from {{ source("flights", "airports") }})
)
where landed <> rows_staged
