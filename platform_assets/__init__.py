"""Dagster's graph: the domains we have, the factory that builds their assets, the operations around them."""
