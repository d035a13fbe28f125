"""`datacontract breaking` calls breaking what `platform diff` calls incompatible; where not, the reason stands here."""

import contextlib
import json
import random
import subprocess
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_core.contracts import DataFrameModel, Dataset, Day, Field, Sla, UtcTimestamp, volume
from platform_core.interchange.compatibility import compare
from platform_core.interchange.odcs import to_odcs
from tests.oracles.test_oracles import environment

pytestmark = pytest.mark.lane

PAIRS = 500  # each kind of change eleven times or more, five of them with another
Draft = dict[str, Any]

EXPLAINED = {
    "type_widened": "there any other type breaks; here values are cast on read, and none is lost",
    "rule_changed": "there another pattern is a warning; here nobody may rely on the old one any more",
    "unit_changed": "the standard has no units, so that there it is a custom property; here 5 miles are not 5 km",
    "promise_removed": "there the end of a promise is information; here readers relied on it",
}
"""Kinds of changes that are judged otherwise, and why both are right by their own terms."""


def draft(chance: random.Random) -> Draft:
    """A contract as plain values, so that it can be changed: columns, a key, promises, a rule on the whole."""
    low = chance.randint(-5, 5)
    columns: dict[str, tuple[Any, dict[str, Any]]] = {
        "id": (pl.Int64, {}),
        "n": (pl.Int32, {"ge": low, "le": low + 9, "nullable": chance.random() < 0.5}),
        "real": (pl.Float32, {"ge": float(low)}),
        "kind": (str, {"isin": chance.sample(["a", "b", "c", "d"], 3), "nullable": True}),
        "code": (str, {"str_matches": r"[A-Z]{2}", "nullable": chance.random() < 0.5}),
        "at": (UtcTimestamp, {}),
        "day": (Day, {"nullable": chance.random() < 0.5}),
        "tag": (str, {"str_length": {"min_value": 1, "max_value": chance.randint(4, 9)}}),
    }
    return {
        "columns": dict(chance.sample(sorted(columns.items(), key=lambda item: item[0]), len(columns))),
        "key": ("id",), "rows": 5, "hours": chance.randint(2, 48), "available": 0.9, "owner": "team:a",
    }  # fmt: skip


def dataset_of(made: Draft) -> Dataset:
    body = {name: Field(description=f"The {name}.", **words) if "description" not in words else Field(**words)
            for name, (_, words) in made["columns"].items()}  # fmt: skip
    kinds = {name: kind for name, (kind, _) in made["columns"].items()}
    model = type("Rows", (DataFrameModel,), {**body, "__annotations__": kinds, "__doc__": "Rows of a kind."})
    return Dataset(
        "a/rows", model, owner=made["owner"], version="1.0.0", key=made["key"],
        freshness=timedelta(hours=made["hours"]) if made["hours"] else None,
        sla=Sla(availability=made["available"]) if made["available"] else None,
        rules=[volume(at_least=made["rows"], severity="error")] if made["rows"] else [],
    )  # fmt: skip


def changed(made: Draft, column: str, kind: Any = None, **words: Any) -> None:
    """Give a column another type or other words; None takes a word away."""
    before, said = made["columns"][column]
    kept = {name: value for name, value in {**said, **words}.items() if value is not None}
    made["columns"][column] = (kind or before, kept)


def bound(made: Draft, by: int) -> None:
    changed(made, "n", le=made["columns"]["n"][1]["le"] + by)


MUTATIONS: list[Callable[[Draft], Any]] = [
    lambda made: made["columns"].update(new=(str, {"nullable": True})),
    lambda made: made["columns"].update(new=(int, {})),
    lambda made: made["columns"].pop("kind"),
    lambda made: made["columns"].pop("real"),
    lambda made: changed(made, "n", pl.Int64),
    lambda made: changed(made, "n", pl.Int16),
    lambda made: changed(made, "n", pl.Float64),
    lambda made: changed(made, "real", pl.Float64),
    lambda made: changed(made, "code", nullable=not made["columns"]["code"][1]["nullable"]),
    lambda made: changed(made, "n", nullable=not made["columns"]["n"][1]["nullable"]),
    lambda made: changed(made, "kind", isin=[*made["columns"]["kind"][1]["isin"], "z"]),
    lambda made: changed(made, "kind", isin=made["columns"]["kind"][1]["isin"][:2]),
    lambda made: changed(made, "kind", isin=None),
    lambda made: bound(made, 3),
    lambda made: bound(made, -3),
    lambda made: changed(made, "n", le=None),
    lambda made: changed(made, "real", le=99.0),
    lambda made: changed(made, "n", severity="warn"),
    lambda made: changed(made, "code", str_matches=None),
    lambda made: changed(made, "code", str_matches=r"[A-Z]{3}"),
    lambda made: changed(made, "real", unit="miles"),
    lambda made: changed(made, "code", pii="person"),
    lambda made: changed(made, "code", description="Another text."),
    lambda made: made.update(key=("id", "at")),
    lambda made: made.update(rows=made["rows"] + 1),
    lambda made: made.update(rows=made["rows"] - 1),
    lambda made: made.update(hours=made["hours"] * 2),
    lambda made: made.update(hours=made["hours"] / 2),
    lambda made: made.update(available=0.99),
    lambda made: made.update(available=0.8),
    lambda made: made.update(owner="team:b"),
    lambda made: made.update(columns=dict(reversed(made["columns"].items()))),
    lambda made: changed(made, "n", str, ge=None, le=None),
    lambda made: changed(made, "day", UtcTimestamp),
    lambda made: changed(made, "at", Day),
    lambda made: changed(made, "tag", str_length={"min_value": 1, "max_value": 3}),
    lambda made: changed(made, "tag", str_length={"min_value": 0, "max_value": 12}),
    lambda made: changed(made, "tag", str_length=None, format="email"),
    lambda made: made["columns"].update(label=made["columns"].pop("tag")),
    lambda made: made.update(key=()),
    lambda made: made.update(rows=None),
    lambda made: made.update(hours=None),
    lambda made: made.update(available=None),
    lambda made: changed(made, "day", nullable=not made["columns"]["day"][1]["nullable"]),
]


def pairs_of(count: int) -> list[tuple[Dataset, Dataset]]:
    """Pairs of a contract and the same with one thing changed, each kind in turn, then with two, and so on."""
    chance = random.Random(11)  # noqa: S311 - for tests
    made = []
    for number in range(count):
        old = draft(chance)
        new = deepcopy(old)
        MUTATIONS[number % len(MUTATIONS)](new)
        if number // len(MUTATIONS) % 2:
            with contextlib.suppress(KeyError, TypeError):  # the first took away what this one changes
                chance.choice(MUTATIONS)(new)
        made.append((dataset_of(old), dataset_of(new)))
    return made


def disagreements(python: Path, folder: Path, count: int) -> list[tuple[frozenset[str], str, list[Any]]]:
    pairs = pairs_of(count)
    given, said = folder / "pairs.json", folder / "said.json"
    given.write_text(json.dumps([[to_odcs(each) for each in pair] for pair in pairs]))
    script = Path(__file__).with_name("breaking.py")
    subprocess.run([str(python), str(script), str(given), str(said)], check=True)
    different = []
    for pair, theirs in zip(pairs, json.loads(said.read_text()), strict=True):
        ours = compare(*pair)
        if (ours.level == "incompatible") != theirs["breaks"]:
            kinds = frozenset(change.kind for change in ours.changes)
            different.append((kinds, ours.level, theirs["entries"]))
    return different


def test_datacontract_calls_breaking_what_we_call_incompatible(tmp_path: Path) -> None:
    python = environment(tmp_path / "env", "datacontract-cli==1.2.8") / "python"
    found = disagreements(python, tmp_path, PAIRS)
    assert [each for each in found if not each[0] & EXPLAINED.keys()] == []
    assert {kind for kinds, *_ in found for kind in kinds if len(kinds) == 1} == EXPLAINED.keys(), "an idle reason"
