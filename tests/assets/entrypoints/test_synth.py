"""`platform synth`: files that pass their contracts, in every format, of references that hold."""

import json
import struct
import zlib

import numpy as np
import polars as pl
import pytest

from platform_assets.discovery import discover
from platform_assets.entrypoints.cli import main
from platform_core.contracts import rules_of
from platform_core.quality import conform, judge
from platform_core.synthetic import lookups

READ = {
    "parquet": pl.read_parquet, "arrow": pl.read_ipc, "csv": lambda path: pl.read_csv(path, infer_schema=False),
    "jsonl": pl.read_ndjson, "json": pl.read_json,
}  # fmt: skip


@pytest.mark.parametrize("file_format", READ)
def test_generated_files_pass_their_contract_and_refer_to_rows_that_are_there(file_format, tmp_path, capsys):
    assert main(["synth", "commerce/orders", "--rows", "1200", "--seed", "4", "--out", str(tmp_path),
                 "--format", file_format, "--json"]) == 0  # fmt: skip
    names = {file["name"]: file["path"] for file in json.loads(capsys.readouterr().out)}
    assert "commerce/customers" in names
    catalog = discover("platform_assets.domains")
    tables = {name: conform(READ[file_format](path), catalog[name]).frame for name, path in names.items()}
    orders = catalog["commerce/orders"]
    results = judge(tables["commerce/orders"], orders, lookups(orders, tables)).results
    assert {result.rule.id for result in results if result.failed} == set()
    assert len(results) >= len(rules_of(orders)) - 1
    assert not list(tmp_path.rglob(".*"))


def test_a_recipe_makes_a_table_a_series_and_images_that_open(tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "synthetic_data:\n  seed: 1\n  tabular: {name: t, num_rows: 10, schema: [{name: a, type: integer}]}\n"
        "  time_series: {start_date: 2024-01-01, end_date: 2024-01-03, frequency: 12h, metrics: [{name: m}]}\n"
        "  images: {count: 2, width: 8, height: 4}\n"
    )
    out = tmp_path / "made"
    assert main(["synth", "--recipe", str(recipe), "--out", str(out), "--rows", "20"]) == 0
    assert pl.read_parquet(out / "t.parquet").height == 20
    assert pl.read_parquet(out / "series.parquet").height == 4
    arrays = np.load(out / "images" / "images.npz")
    content = (out / "images" / "00001.png").read_bytes()
    size = struct.unpack(">I", content[33:37])[0]
    lines = np.frombuffer(zlib.decompress(content[41 : 41 + size]), np.uint8).reshape(4, 1 + 8 * 3)
    assert (lines[:, 1:].reshape(4, 8, 3) == arrays["images"][1]).all()
    assert "images/labels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope/x"], "there is no dataset 'nope/x'"),
        (["flights/airlines", "--out", "/proc/none"], "cannot be written to"),
        (["--recipe", "no.yaml"], "no.yaml: cannot be read"),
        (["flights/airlines", "--format", "xml"], "none of parquet"),
        ([], "name datasets, or a file"),
    ],
)
def test_what_cannot_be_made_is_refused_by_name(words, message, capsys):
    assert main(["synth", *words]) != 0
    shown = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert message in shown


def test_a_file_is_learnt_drawn_from_and_compared(tmp_path):
    rows = pl.DataFrame({"kind": ["a", "b"] * 500, "size": [*range(1000)]})
    rows.with_columns(size=pl.col("size") // 3).write_csv(tmp_path / "sample.csv")
    model, page, out = tmp_path / "model.json", tmp_path / "report.html", tmp_path / "drawn.csv"
    assert main(["synth", "fit", str(tmp_path / "sample.csv"), "--group-by", "kind", "--out", str(model),
                 "--report", str(page)]) == 0  # fmt: skip
    assert "copies of a learnt row" in page.read_text()
    assert main(["synth", "sample", str(model), "--rows", "50", "--out", str(out)]) == 0
    assert pl.read_csv(out).height == 50
