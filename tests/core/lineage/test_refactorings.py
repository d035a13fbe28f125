"""Edges die with the code that they were observed of, however it is refactored: none is stale, in no process."""

import importlib
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_core.lineage.fingerprint import code_version

COLUMNS = ("price", "quantity", "weight")
FRAME = pl.DataFrame({"price": [1, 5, 9, 3], "quantity": [7, 2, 4, 8], "weight": [6, 1, 8, 2], "n": [1, 2, 3, 4]})

WRITTEN = """
# inline: pl.col({column!r}) > {limit} :
# constant: pl.col({m}COLUMN) > {m}LIMIT : COLUMN, LIMIT
COLUMN, LIMIT = {column!r}, {limit}
# expression: {m}RULE : RULE
RULE = pl.col({column!r}) > {limit}
# list: {m}RULES[0] : RULES
RULES = [pl.col({column!r}) > {limit}]
# mapping: pl.col({m}RULES['x'][0]) > {m}RULES['x'][1] : RULES
RULES = {{'x': ({column!r}, {limit})}}
# set: pl.col(sorted({m}NAMES)[0]) > {limit} : NAMES
NAMES = {{{column!r}}}
# frame: pl.col({m}LIMITS['name'][0]) > {m}LIMITS['limit'][0] : LIMITS
LIMITS = pl.DataFrame({{'name': [{column!r}], 'limit': [{limit}]}})
# array: pl.col(str({m}NAMES[2000])) > {limit} : NAMES
NAMES = np.array(['n'] * 2000 + [{column!r}] + ['n'] * 2000)
# helper: {m}keep() : keep
def keep(column={column!r}):
    return pl.col(column) > {limit}
# keyword: {m}keep() : keep
def keep(*, column={column!r}, limit={limit}):
    return pl.col(column) > limit
# closure: {m}keep() : keep
def maker(names):
    return lambda: pl.col(names[0]) > {limit}
keep = maker([{column!r}])
# partial: {m}keep() : keep
def over(column, limit):
    return pl.col(column) > limit
keep = functools.partial(over, {column!r}, limit={limit})
# cached: pl.col({m}keep()) > {limit} : keep
@functools.cache
def keep():
    return {column!r}
# decorated: {m}keep() : keep
def tidy(function):
    @functools.wraps(function)
    def wrapper():
        return function() > {limit}
    return wrapper
@tidy
def keep():
    return pl.col({column!r})
# class: {m}Keep.rule() : Keep
class Keep:
    column = {column!r}
    @classmethod
    def rule(cls):
        return pl.col(cls.column) > {limit}
# heir: {m}Keep().rule() : Keep
class Base:
    def rule(self):
        return pl.col({column!r}) > {limit}
class Keep(Base):
    pass
# instance: {m}KEEP.rule() : KEEP
@dataclasses.dataclass(frozen=True)
class Keep:
    column: str
    def rule(self):
        return pl.col(self.column) > {limit}
KEEP = Keep({column!r})
# functions: {m}RULES['x']() : RULES
def rule():
    return pl.col({column!r}) > {limit}
RULES = {{'x': rule}}
"""
"""Where a condition can live: a name, how the transform writes it, the names it needs; then what the module has."""

HOMES: dict[str, tuple[str, str, str]] = {}
for part in WRITTEN.split("\n# ")[1:]:
    first, _, text = part.partition("\n")
    name, _, rest = first.partition(": ")
    HOMES[name] = (text, *(each.strip() for each in rest.rsplit(" :", 1)))  # type: ignore[assignment]  # two

PLACES = {
    "here": ("", ""),
    "from": ("from refactored.rules import {names}", ""),
    "module": ("from refactored import rules", "rules."),
    "deep": ("import refactored.deep.rules", "refactored.deep.rules."),
}
"""In which module: that of the transform or another, by its own name, by the module's, or by the package's."""


@dataclass(frozen=True)
class Program:
    """A transform, put together: what it computes are `column`, `limit` and `made`; the rest is how it is written."""

    column: str = "price"
    limit: int = 4
    made: str = "quantity"
    home: str = "inline"
    place: str = "here"
    local: str = "rows"
    swapped: bool = False
    dead: int = 0
    comment: int = 0

    @property
    def edges(self) -> set[tuple[str, str, str]]:
        """Its lineage."""
        return {(self.column, "*", "filter"), (self.made, "made", "value"), ("n", "n", "value")}

    def write(self, folder: Path) -> None:
        """Write its package."""
        text, use, names = HOMES[self.home]
        reach, prefix = PLACES[self.place if names else "here"]
        text = text.format(column=self.column, limit=self.limit)
        use = use.format(column=self.column, limit=self.limit, m=prefix)
        imports = "import dataclasses, functools\nimport numpy as np\nimport polars as pl\n"
        steps = [f"kept = {use}", f"made = pl.col({self.made!r}) * 2"]
        lines = [f"unused_{number} = {number}" for number in range(self.dead)]
        lines += [f"# comment {number}" for number in range(self.comment)]
        lines += [*(reversed(steps) if self.swapped else steps), f"{self.local} = frame.filter(kept)"]
        body = "\n".join(f"    {line}" for line in lines)
        transform = f"def transform(frame):\n{body}\n    return {self.local}.select('n', made=made)\n"
        for place in ("", "deep"):
            (folder / "refactored" / place).mkdir(parents=True, exist_ok=True)
            (folder / "refactored" / place / "__init__.py").write_text("")
            (folder / "refactored" / place / "rules.py").write_text(f"{imports}{text}\n")
        (folder / "refactored" / "main.py").write_text(
            f"{imports}{reach.format(names=names)}\n{'' if reach else text}\n{transform}"
        )


def refactor(program: Program, rng: np.random.Generator) -> Program:
    """Change one thing: how it is written, or, every third time, what it does."""
    changes: list[dict[str, list[Any]]] = [
        {"home": list(HOMES)}, {"place": list(PLACES)}, {"swapped": [True, False]}, {"local": ["rows", "found"]},
        {"dead": [0, 1, 2]}, {"comment": [0, 1, 2]}, {"column": list(COLUMNS)}, {"made": list(COLUMNS)},
        {"limit": [2, 3, 4, 5, 6]},
    ]  # fmt: skip
    ((name, values),) = changes[rng.integers(len(changes))].items()
    return replace(program, **{name: values[rng.integers(len(values))]})


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Program], Callable[..., pl.DataFrame]]]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(program: Program) -> Callable[..., pl.DataFrame]:
        program.write(tmp_path)
        for name in [name for name in sys.modules if name.split(".")[0] == "refactored"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        function: Callable[..., pl.DataFrame] = importlib.import_module("refactored.main").transform
        return function

    yield load
    for name in [name for name in sys.modules if name.split(".")[0] == "refactored"]:
        del sys.modules[name]


def test_no_edge_is_stale_after_a_thousand_random_refactorings(load: Callable[[Program], Any]) -> None:
    rng = np.random.default_rng(20261129)
    program, kept, found = Program(), dict[str, tuple[Any, list[Any]]](), 0
    for _ in range(1_000):
        program = refactor(program, rng)
        function = load(program)
        truth = program.edges, function(FRAME).rows()
        version = code_version(function)
        found += version in kept
        assert kept.setdefault(version, truth) == truth, program
    assert found > 100  # else every version would be another, and none could be stale


@pytest.mark.parametrize(("home", "place"), list(zip(HOMES, itertools.cycle(PLACES))))
def test_a_condition_may_live_anywhere_and_comments_nowhere(
    load: Callable[[Program], Any], home: str, place: str
) -> None:
    program = Program(home=home, place=place)
    first = code_version(load(program))
    assert code_version(load(replace(program, comment=2))) == first
    assert code_version(load(replace(program, column="weight"))) != first
    assert code_version(load(replace(program, limit=5))) != first


def test_a_version_is_the_same_in_every_process(tmp_path: Path) -> None:
    homes = ("set", "functions", "frame", "array", "instance")
    for home in homes:
        Program(home=home).write(tmp_path / home)
    code = (
        "import sys\nfrom platform_core.lineage.fingerprint import code_version\n"
        "for folder in sys.argv[1:]:\n"
        "    sys.path.insert(0, folder)\n"
        "    import refactored.main\n"
        "    print(code_version(refactored.main.transform))\n"
        "    del sys.modules['refactored.main'], sys.modules['refactored']"
    )
    folders = [str(tmp_path / home) for home in homes]
    versions = [
        subprocess.run(
            [sys.executable, "-c", code, *folders], env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert versions[0] == versions[1]
    assert len(set(versions[0])) == len(homes)
