"""What we have: one folder a domain, one module a dataset. Nothing here imports Dagster."""
