"""Run by Great Expectations' own Python: the verdicts of a suite on frames, as JSON; it imports nothing of ours."""

import json
import sys
import time
from pathlib import Path

import great_expectations as gx
import pandas as pd


def main(given: str, found: str) -> None:
    """Judge every frame in the first file by its suite, and write verdicts and seconds to the second."""
    wanted = json.loads(Path(given).read_text())
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    batches = asset.add_batch_definition_whole_dataframe("whole")
    suite = context.suites.add(gx.ExpectationSuite(name="suite", expectations=wanted["expectations"]))
    verdicts, seconds = [], 0.0
    for frame in wanted["frames"]:
        rows = pd.DataFrame(frame["columns"]).astype(frame["types"])
        started = time.perf_counter()
        results = batches.get_batch(batch_parameters={"dataframe": rows}).validate(suite).results
        seconds += time.perf_counter() - started
        verdicts.append([bool(result.success) for result in results])
    order = [result.expectation_config.meta["place"] for result in results]
    Path(found).write_text(json.dumps({"verdicts": verdicts, "seconds": seconds, "order": order}))


if __name__ == "__main__":
    main(*sys.argv[1:])
