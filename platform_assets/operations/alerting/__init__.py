"""Alerts: what Dagster's history and the lake show becomes signals, and the router sends what they make due."""
