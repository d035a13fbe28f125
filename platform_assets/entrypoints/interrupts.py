"""Signals, where a shell has started us in the background."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event


def heed_interrupts() -> None:
    """Hear interrupts again that a shell in the background has let us ignore.

    Dagster gives SIGTERM the handler of SIGINT, after each run again. Where that is to ignore it, so do the processes
    that write a step's log, which Dagster ends by SIGTERM: it waits half a minute for each.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Yield a question that is answered by yes once the process was asked to end, by an interrupt or SIGTERM."""
    stopped = Event()
    former = {
        signal_number: signal.signal(signal_number, lambda *_: stopped.set())
        for signal_number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stopped.is_set
    finally:
        for signal_number, handler in former.items():
            signal.signal(signal_number, handler)
