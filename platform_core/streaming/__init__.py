"""Streams as pure functions: windows, joins and patterns over event time, from (state, batch) to (state, rows)."""

from platform_core.streaming.joins import IntervalJoin, JoinState, fold_interval_join, look_up, look_up_as_of
from platform_core.streaming.patterns import Pattern, PatternState, fold_pattern
from platform_core.streaming.watermarks import Clock, Progress
from platform_core.streaming.windows import (
    Window,
    WindowState,
    close_windows,
    count_windows,
    fold_windows,
    hopping,
    session,
    sliding,
    sum_in_order,
    tumbling,
)

__all__ = [
    "Clock",
    "IntervalJoin",
    "JoinState",
    "Pattern",
    "PatternState",
    "Progress",
    "Window",
    "WindowState",
    "close_windows",
    "count_windows",
    "fold_interval_join",
    "fold_pattern",
    "fold_windows",
    "hopping",
    "look_up",
    "look_up_as_of",
    "session",
    "sliding",
    "sum_in_order",
    "tumbling",
]
