select
    local_hour,
    {{ delay_measures() }},
    {{ weather_measures() }}
from {{ ref("departures") }}
group by local_hour
order by local_hour
