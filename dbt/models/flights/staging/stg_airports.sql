select faa, name, lat, lon, tzone
from {{ source("flights", "airports") }}
qualify row_number() over (partition by faa order by _ingested_at desc, _row_hash) = 1
