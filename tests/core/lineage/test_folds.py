"""Columns of folds lead to the columns of the streams that they are made of."""

from datetime import timedelta

import polars as pl
import pytest

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Quarantine, Topic, UtcTimestamp, catalog_of
from platform_core.contracts.folds import Featured, Fold, Near, Pattern, Scored, Sessions, Tumbling
from platform_core.features import count, feature, last
from platform_core.lineage.declared import lineage_of

MINUTE = timedelta(minutes=1)
BY_N = {"most": pl.col("n").max(), "clicks": pl.len()}


class Click(DataFrameModel):
    """One row a click."""

    user: str = Field()
    n: int = Field()
    at: UtcTimestamp = Field()


class Windows(DataFrameModel):
    """One row a user and window."""

    user: str = Field()
    window_start: UtcTimestamp = Field()
    window_end: UtcTimestamp = Field()
    most: int = Field()
    clicks: int = Field()


class More(Click):
    """The columns of clicks and those that some fold adds."""

    outcome: str = Field()
    ended_at: UtcTimestamp = Field()
    n_right: int = Field()
    before: int = Field()
    last_n: int = Field()
    anomaly_score: float = Field()


FOLDS: list[tuple[Fold, dict[str, set[str]]]] = [
    (Tumbling("t/clicks", size=MINUTE, by="user", measures=BY_N),
     {"user": {"user"}, "window_start": {"at"}, "window_end": {"at"}, "most": {"n"}, "*": {"user", "at"}}),
    (Sessions("t/clicks", gap=MINUTE, by="user", measures=BY_N),
     {"user": {"user"}, "window_start": {"at"}, "window_end": {"at"}, "most": {"n"}, "*": {"user", "at"}}),
    (Pattern("t/clicks", by="user", first=pl.col("n") < 3, then=pl.col("n") > 7, within=MINUTE),
     {"user": {"user"}, "n": {"n"}, "at": {"at"}, "outcome": {"user", "n", "at"}, "ended_at": {"user", "n", "at"},
      "*": {"n"}}),
    (Near("t/clicks", "t/views", by="user"),
     {"user": {"user"}, "n": {"n"}, "at": {"at"}, "n_right": {"n"}, "*": {"user", "at"}}),
    (Featured("t/clicks", features=[feature("before", count(), over=MINUTE, by="user"),
                                    feature("last_n", last("n"), over=MINUTE, by="user")]),
     {"user": {"user"}, "n": {"n"}, "at": {"at"}, "before": {"user", "at"}, "last_n": {"user", "n", "at"}}),
    (Scored("t/clicks", reads_columns=["n"], train_on=20),
     {"user": {"user"}, "n": {"n"}, "at": {"at"}, "anomaly_score": {"n"}}),
]  # fmt: skip


def stream(name: str) -> Dataset:
    return Dataset(
        f"t/{name}", Click, owner="team:t", version="1.0.0", source=Topic(name, event_time="at"),
        store=Delta(mode="append"), key=("user",),
    )  # fmt: skip


@pytest.mark.parametrize(("fold", "columns"), FOLDS, ids=lambda value: type(value).__name__)
def test_each_column_of_a_fold_is_made_of_the_columns_that_it_reads(fold: Fold, columns: dict[str, set[str]]) -> None:
    model = Windows if "window_start" in columns else More
    made = Dataset(
        "t/made", model, owner="team:t", version="1.0.0", source=fold, store=Delta(mode="append"),
        key=("user",), quarantine=Quarantine(),
    )  # fmt: skip
    lineage = lineage_of(catalog_of([stream("clicks"), stream("views"), made]))
    found: dict[str, set[str]] = {}
    for edge in lineage.columns:
        if edge.target == "t/made":
            found.setdefault(edge.target_column, set()).add(edge.source_column)
    assert (found, lineage.unknown) == (columns, frozenset())


def test_a_column_reaches_the_score_through_the_detector_too() -> None:
    made = Dataset(
        "t/made", More, owner="team:t", version="1.0.0", source=Scored("t/clicks", reads_columns=["n"]),
        store=Delta(mode="append"), key=("user",), quarantine=Quarantine(),
    )  # fmt: skip
    above = lineage_of(catalog_of([stream("clicks"), made])).column_upstream("t/made", "anomaly_score")
    assert above == {("t/clicks", "n"): 1, ("t/made_detector", "n"): 1, ("topic:t/clicks", "n"): 2}
