"""A conversion in a process of its own that stops in the midst of its rows, so that a test can kill it there."""

import sys
import threading
from pathlib import Path

from platform_resources.conversion import Options, convert
from platform_resources.settings import Settings


def main(source: str, target: str, marker: str) -> None:
    """Converts until some rows were written, says so by a file, and goes no further."""

    def stop(rows: int) -> None:
        if rows >= 20_000:
            Path(marker).touch()
            threading.Event().wait()

    settings = Settings.from_environment()
    convert(source, target, settings=settings, options=Options(overwrite=True), progress=stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
