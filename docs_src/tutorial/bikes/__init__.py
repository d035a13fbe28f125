"""Trips on a city's rental bikes."""
