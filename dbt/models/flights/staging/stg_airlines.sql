select carrier, name
from {{ source("flights", "airlines") }}
qualify row_number() over (partition by carrier order by _ingested_at desc, _row_hash) = 1
