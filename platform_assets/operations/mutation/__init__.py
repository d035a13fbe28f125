"""Small changes to transforms and to dbt's SQL: who notices them. See `mutants`."""
