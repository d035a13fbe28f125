"""From a database to a mart and back, as docs/sources.md tells it."""
