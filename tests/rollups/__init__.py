"""Hours that become days that become months, each from another start."""
