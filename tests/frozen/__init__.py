"""The shop again, its tables in Iceberg."""
