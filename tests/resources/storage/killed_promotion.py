"""A promotion that dies by SIGKILL before the so-manieth change of a file; started by `test_branches`."""

import os
import signal
import sys
from itertools import count
from typing import Any

from platform_resources.settings import Settings
from platform_resources.storage import folder
from platform_resources.storage.branches import Branches

_calls = count(1)


def dying(original: Any, number: int) -> Any:
    """Make a method kill this process when its turn has come."""

    def method(*args: Any, **words: Any) -> Any:
        if next(_calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **words)

    return method


if __name__ == "__main__":
    for name in ("write", "create", "lend", "remove"):
        for kind in (folder.DiskFolder, folder.S3Folder):
            setattr(kind, name, dying(getattr(kind, name), int(sys.argv[1])))
    Branches(Settings.from_environment(os.environ)).promote("try")
