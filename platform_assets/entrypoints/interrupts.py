"""Signals, where a shell has started us in the background."""

import signal


def heed_interrupts() -> None:
    """Returns when an interrupt is heard again that a shell in the background has let us ignore.

    Dagster gives SIGTERM the handler of SIGINT, after each run again. Where that is to ignore it, so do the processes
    that write a step's log, which Dagster ends by SIGTERM: it waits half a minute for each.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
