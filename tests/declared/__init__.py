"""Datasets that tests declare: one shared small world of sales by day, one dataset for each declared shape."""
