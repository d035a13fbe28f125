{{ config(
    materialized="incremental",
    incremental_strategy="delete+insert",
    unique_key="_partition",
    on_schema_change="sync_all_columns",
    post_hook="{{ forget_partitions(source('flights', 'weather')) }}",
) }}
{%- set landed = source("flights", "weather") %}

with fingerprints as (
    select _partition, {{ fingerprint() }} as _fingerprint
    from {{ landed }}
    where {{ changed_partitions(landed) }}
    group by _partition
)

select
    origin,
    time_hour,
    temp,
    wind_speed,
    wind_gust,
    precip,
    visib,
    case
        when wind_speed is null then 'unknown'
        when wind_speed < 5 then 'calm'
        when wind_speed < 15 then 'breeze'
        when wind_speed < 25 then 'fresh'
        else 'strong'
    end as wind,
    case
        when precip is null then 'unknown'
        when precip = 0 then 'none'
        when precip < 0.1 then 'light'
        when precip < 0.3 then 'moderate'
        else 'heavy'
    end as precipitation,
    case
        when visib is null then 'unknown'
        when visib < 1 then 'below 1 mile'
        when visib < 3 then '1 to 3 miles'
        when visib < 10 then '3 to 10 miles'
        else '10 miles'
    end as visibility,
    _partition,
    _fingerprint
from {{ landed }}
inner join fingerprints using (_partition)
where {{ changed_partitions(landed) }}
qualify row_number() over (partition by origin, time_hour order by _ingested_at desc, _row_hash) = 1
