"""Sales as in tests.declared, kept in Iceberg."""

from dataclasses import replace

from platform_core.contracts import Iceberg
from tests.declared.shop import sales as in_delta

sales = replace(in_delta.sales, store=Iceberg(mode="merge", sort=("at", "sale")))
