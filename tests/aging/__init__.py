"""Measurements that grow old: what retention, lifecycle and dropping are tested with."""
