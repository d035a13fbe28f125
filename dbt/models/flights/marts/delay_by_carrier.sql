select
    carrier,
    any_value(airlines.name) as airline,
    {{ delay_measures() }},
    {{ weather_measures() }}
from {{ ref("departures") }}
left join {{ ref("stg_airlines") }} as airlines using (carrier)
group by carrier
order by carrier
