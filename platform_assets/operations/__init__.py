"""What runs around assets: sensors, schedules, conditions, alerts."""
