"""dbt models as assets beside the datasets they read: declared from a cached outline, built in one step."""
