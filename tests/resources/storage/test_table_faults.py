"""Tables through the IO manager in a world that spoils one request in five.

Right rows or a clear error, never wrong rows, never half a write, and no secret in anything that is told.
"""

import logging
import traceback
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import dagster as dg
import polars as pl
import pytest

from platform_resources.errors import ResourceError, TableForbidden, TableNotFound, TableUnavailable
from platform_resources.s3 import S3Settings
from platform_resources.settings import CacheSettings, Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.io_manager import LakeIOManager
from platform_resources.storage.table import Format
from platform_resources.transience import is_transient
from tests.fault_proxy import EVERY, Fault, fault_proxy
from tests.resources.storage.objects.conftest import server  # noqa: F401 - the two lanes, as a fixture
from tests.servers import S3Server

Result = TypeVar("Result")
FORMATS: tuple[Format, ...] = ("delta", "iceberg", "parquet")
FAULTS = [each for each in EVERY if each != "corrupted"]  # no library looks for a wrong bit; TLS does
SECRETS = ("testing-secret", "token-of-a-session")
KEY = dg.AssetKey(["shop", "sales"])


@pytest.fixture
def place(server: S3Server, tmp_path: Path) -> Settings:  # noqa: F811
    """A lake with a cache, as the server is without a proxy."""
    folder = str(tmp_path / "cache")
    root = f"s3://{server.bucket}/{uuid.uuid4().hex}"
    state = str(tmp_path / "state")
    return Settings(state=state, lake=root, landing=state, s3=server.settings, cache=CacheSettings(folder=folder))


def through(place: Settings, endpoint: str, **more: object) -> Settings:
    known = {"attempts": 6, "timeout_seconds": 0.3, **more}
    s3: S3Settings = replace(place.s3, endpoint_url=endpoint, **known)  # type: ignore[arg-type]
    return replace(place, s3=s3)


def uncached(place: Settings) -> Settings:
    return replace(place, cache=CacheSettings())


class Step:
    """A step of a run, as often as it takes: what it stores, what it loads, and what it was told on the way."""

    def __init__(self, place: Settings, spec: TableSpec) -> None:
        self.place, self.spec, self.told = place, spec, list[str]()

    def store(self, rows: pl.DataFrame, number: int) -> None:
        context = dg.build_output_context(
            step_key="sales", name="result", run_id=f"run-{number}", asset_key=KEY,
            definition_metadata=self.spec.to_metadata(),
        )  # fmt: skip
        LakeIOManager(self.place).handle_output(context, rows)
        self.told.append(repr(dict(context.get_logged_metadata())))

    def load(self) -> pl.DataFrame:
        upstream = dg.build_output_context(asset_key=KEY, definition_metadata=self.spec.to_metadata())
        context = dg.build_input_context(asset_key=KEY, upstream_output=upstream)
        found: pl.DataFrame = LakeIOManager(self.place).load_input(context)
        return found

    def until_it_works(self, work: Callable[[], Result], after: Callable[[], None] = lambda: None) -> Result:
        """What Dagster does with what passes by itself; any other error fails the test."""
        for _ in range(60):
            try:
                return work()
            except dg.RetryRequested as asked:
                self._hear(asked.__cause__)
            except TableForbidden as error:  # the answer to a HEAD does not say that it was the clock
                self._hear(error)
            after()
        raise AssertionError(f"it never worked: {self.told[-1]}")

    def _hear(self, error: BaseException | None) -> None:
        assert isinstance(error, ResourceError), repr(error)
        assert str(error).startswith(f"{self.spec.path}: ")
        assert "Fix: " in str(error)
        self.told += [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]


def numbers(place: Settings, spec: TableSpec) -> list[int]:
    """The rows as they lie there, by a client that nobody disturbs."""
    try:
        return sorted(Lake(uncached(place)).scan(spec).collect()["n"])
    except TableNotFound:
        return []


@pytest.mark.parametrize(
    ("format_", "mode"),
    [
        ("delta", "append"),
        ("delta", "overwrite"),
        ("parquet", "append"),
        ("parquet", "overwrite"),
        ("iceberg", "append"),
    ],
)
def test_rows_are_right_or_there_is_a_clear_error_and_no_write_is_half_done(
    place: Settings, format_: Format, mode: str, request: pytest.FixtureRequest, caplog, capfd
) -> None:
    caplog.set_level(logging.INFO)
    spec = TableSpec(path="shop/sales/v1", format=format_, mode=mode)  # type: ignore[arg-type]
    before: list[int] = []
    token = {"session_token": SECRETS[1]} if "lane-moto" in request.node.name else {}  # a real server knows none
    with fault_proxy(str(place.s3.endpoint_url), FAULTS, seed=len(format_)) as proxy:
        step = Step(through(place, proxy.endpoint, **token), spec)
        for number in range(2):
            rows = list(range(number * 100, number * 100 + 100))
            after = [*before, *rows] if mode == "append" else rows

            def whole(allowed: tuple[list[int], ...] = (before, after)) -> None:
                assert numbers(place, spec) in allowed

            step.until_it_works(lambda rows=rows, number=number: step.store(pl.DataFrame({"n": rows}), number), whole)
            before = after
            for at in (step.place, uncached(step.place)):
                reader = Step(at, spec)
                assert sorted(step.until_it_works(reader.load)["n"]) == after
        assert proxy.spoilt > 0
    told = "\n".join([*step.told, caplog.text, *capfd.readouterr(), repr(step.place), repr(Lake(step.place))])
    assert [secret for secret in SECRETS if secret in told] == []


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("slow_down", "S3 did not answer as it should at s3://"),
        ("reset", "S3 did not answer as it should at s3://"),
        ("expired", "have expired"),
        ("skewed", "clock"),
    ],
)
def test_a_world_that_does_not_get_better_is_told_in_our_words_and_nothing_is_written(
    place: Settings, format_: Format, fault: Fault, words: str
) -> None:
    spec = TableSpec(path="shop/sales/v1", format=format_, mode="append")
    rows = pl.DataFrame({"n": [1, 2, 3]})
    Lake(place).write(spec, rows)
    Lake(place).scan(spec).collect()
    with fault_proxy(str(place.s3.endpoint_url), [fault], rate=1.0) as proxy:
        for settings in (broken := through(place, proxy.endpoint, attempts=2), uncached(broken)):
            lake = Lake(settings)
            for action in (lambda lake=lake: lake.scan(spec), lambda lake=lake: lake.write(spec, rows)):
                with pytest.raises((TableUnavailable, TableForbidden), match=words) as caught:
                    action()
                assert str(caught.value).startswith("shop/sales/v1: ")
                assert is_transient(caught.value) or isinstance(caught.value, TableForbidden)
    assert numbers(place, spec) == [1, 2, 3]
