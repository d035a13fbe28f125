{{ config(
    materialized="incremental",
    incremental_strategy="delete+insert",
    unique_key="_partition",
    on_schema_change="sync_all_columns",
    post_hook="{{ forget_partitions(source('flights', 'flights')) }}",
) }}
{%- set landed = source("flights", "flights") %}

with fingerprints as (
    select _partition, {{ fingerprint() }} as _fingerprint
    from {{ landed }}
    where {{ changed_partitions(landed) }}
    group by _partition
)

select
    carrier,
    flight,
    tailnum,
    origin,
    dest,
    time_hour,
    -- The local calendar day; the stored partition is the UTC month, which differs for late evenings. Not made of year,
    -- month and day: the contract bounds each of them, so that it lets February 30 pass.
    cast(time_hour at time zone 'America/New_York' as date) as local_date,
    hour % 24 as local_hour,
    -- Minutes after midnight, 0 to 1439: 2400 is how the source writes midnight. The contract lets 1275 pass; no time is it.
    case when dep_time % 100 < 60 then (dep_time // 100 % 24) * 60 + dep_time % 100 end as dep_minute,
    dep_delay,
    arr_delay,
    air_time,
    distance,
    dep_time is null as is_cancelled,
    dep_delay >= 15 as is_late,
    _partition,
    _fingerprint
from {{ landed }}
inner join fingerprints using (_partition)
where {{ changed_partitions(landed) }}
qualify row_number() over (
    partition by carrier, flight, time_hour, origin
    order by _ingested_at desc, _row_hash
) = 1
