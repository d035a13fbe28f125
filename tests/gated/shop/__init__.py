"""Ledger lines, dbt models over them, and an asset by hand over those."""
