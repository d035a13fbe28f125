"""The documentation holds: its programs run, its commands exist, its links resolve."""
