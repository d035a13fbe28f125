"""A run that dies by SIGKILL at a named point; started by `test_killed_runs` in a process of its own."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platform_assets.ingest import ingests_spec, quarantine_spec, table_spec
from platform_resources.sources import Landing
from platform_resources.storage import Lake
from tests.world import World, world

DATASET = "shop/sales"


def die() -> None:
    """Kills this process as the kernel's out-of-memory killer would."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: type, name: str, when: Callable[..., bool] = lambda *_: True) -> None:
    """Makes a method die before it does anything."""
    method = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if when(*args):
            die()
        return method(*args, **kwargs)

    setattr(owner, name, dying)


def after(owner: type, name: str, when: Callable[..., bool]) -> None:
    """Makes a method die after it has done its work."""
    method = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        if when(*args):
            die()
        return result

    setattr(owner, name, dying)


def once_a_file_appears(made: World) -> None:
    """Dies as soon as the table's folder has a data file that was not there, before its commit can be."""
    folder = Path(made.location.lake.location(table_spec(made.dataset(DATASET))))
    known = set(folder.rglob("*.parquet"))

    def watch() -> None:
        while not set(folder.rglob("*.parquet")) - known:
            time.sleep(0)  # yields the processor; the file is there for a few milliseconds before the commit
        die()

    threading.Thread(target=watch, daemon=True).start()


def arm(point: str, made: World) -> None:
    """Prepares the death at the named point."""
    table, aside, log = (spec(made.dataset(DATASET)) for spec in (table_spec, quarantine_spec, ingests_spec))
    {
        "while reading": lambda: before(Landing, "content"),
        "after the quarantine's commit": lambda: after(Lake, "write", lambda _, spec, *__: spec == aside),
        "while writing files": lambda: once_a_file_appears(made),
        "before the table's commit": lambda: before(Lake, "write", lambda _, spec, *__: spec == table),
        "after the table's commit": lambda: after(Lake, "write", lambda _, spec, *__: spec == table),
        "while reporting": lambda: before(Lake, "write", lambda _, spec, *__: spec == log),
        "never": lambda: None,
    }[point]()


if __name__ == "__main__":
    with world(Path(sys.argv[1]), sys.argv[3]) as shop:
        arm(sys.argv[2], shop)
        shop.materialise(DATASET, partitions=["2024-01"])
