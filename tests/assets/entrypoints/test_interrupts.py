"""In the background of a shell an interrupt is ignored, and Dagster would have all its children ignore their end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_RUNS = """
import signal
from dagster._utils.interrupts import capture_interrupts
{heed}
with capture_interrupts():
    pass
print(signal.getsignal(signal.SIGTERM) is signal.SIG_IGN)
"""
_HEED = "from platform_assets.entrypoints.interrupts import heed_interrupts; heed_interrupts()"


@pytest.mark.parametrize(("heed", "ignored"), [("", "True"), (_HEED, "False")], ids=["Dagster alone", "heeded"])
def test_children_can_be_ended_after_a_run_in_the_background(heed: str, ignored: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RUNS.format(heed=heed)],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        env=dict(os.environ),
    )
    assert done.stdout.strip() == ignored
