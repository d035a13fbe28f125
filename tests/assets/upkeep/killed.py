"""An upkeep that dies by SIGKILL while it writes files; started by `test_upkeep` in a process of its own."""

import sys
from pathlib import Path

from tests.assets.killed import once_a_file_appears
from tests.assets.upkeep.wear import SALES, upkeep
from tests.world import world

if __name__ == "__main__":
    with world(Path(sys.argv[1])) as shop:
        once_a_file_appears(shop)
        upkeep(shop, apply=True, tables=(SALES,))
