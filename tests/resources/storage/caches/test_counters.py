"""What a process counted is added up in the folder when it ends, if not before."""

import subprocess
import sys
from pathlib import Path

import pytest

from platform_resources.storage.caches.counters import Counters

PROGRAM = """
import sys
from pathlib import Path
from platform_resources.storage.caches.counters import Counters

counters = Counters(Path(sys.argv[1]))
counters.add(misses=2)
counters.record_soon()
"""


@pytest.mark.parametrize(("is_there", "misses"), [(True, 4), (False, 0)])
def test_a_process_records_at_its_end_and_makes_no_folder_for_it(tmp_path: Path, is_there: bool, misses: int) -> None:
    folder = tmp_path / "cache"
    if is_there:
        folder.mkdir()
    for _ in range(2):
        subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], check=True)
    assert Counters(folder).recorded().misses == misses
    assert folder.exists() == is_there
