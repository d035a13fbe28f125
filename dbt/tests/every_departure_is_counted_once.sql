{#- Every mart counts each staged departure exactly once: no join multiplies or loses rows. -#}
{{ config(meta={"dagster": {"ref": {"name": "delay_by_hour"}}}) }}

with counted as (
    select 'delay_by_carrier' as mart, sum(flights) as flights from {{ ref("delay_by_carrier") }}
    union all
    select 'delay_by_route', sum(flights) from {{ ref("delay_by_route") }}
    union all
    select 'delay_by_hour', sum(flights) from {{ ref("delay_by_hour") }}
    union all
    select 'delay_by_weather ' || factor, sum(flights) from {{ ref("delay_by_weather") }} group by factor
)

select * from counted
where flights is distinct from (select count(*) from {{ ref("stg_flights") }})
