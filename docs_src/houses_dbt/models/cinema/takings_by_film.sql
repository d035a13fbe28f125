select
    film,
    count(*)::bigint as tickets,
    sum(cents)::bigint as cents
from {{ source("cinema", "tickets") }}
join {{ source("cinema", "screenings") }} using (house, hall, starts_at)
group by film
