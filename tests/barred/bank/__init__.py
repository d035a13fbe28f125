"""Takings by month, and their totals."""
