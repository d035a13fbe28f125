with conditions as (
    unpivot {{ ref("departures") }}
    on wind, precipitation, visibility
    into name factor value condition
)

select
    factor,
    condition,
    {{ delay_measures() }}
from conditions
group by factor, condition
order by factor, mean_dep_delay
