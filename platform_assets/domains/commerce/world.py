"""The shop of which all tables of the domain are: customers, products, orders, lines, payments, events, two years."""

from platform_core.contracts import Generated

SHOP = Generated(seed=1, world="commerce", scale=0.04)
