"""Upkeep of tables: facts from the lake and Dagster's history, a plan made of them by the core, and the work itself."""
