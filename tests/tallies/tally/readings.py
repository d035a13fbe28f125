"""Readings come from a tape, by increments that add to what is there."""

from dataclasses import dataclass
from typing import ClassVar

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Quarantine
from platform_core.contracts.sources import Source


@dataclass(frozen=True)
class TapeLines(Source):
    """The lines of a tape."""

    kind: ClassVar[str] = "tests.tallies.tape"

    name: str


class Readings(DataFrameModel):
    """One row per tick."""

    tick: int = Field(ge=0)
    value: float = Field(ge=0)


readings = Dataset(
    "tally/readings",
    Readings,
    owner="team:tally",
    version="1.0.0",
    key=("tick",),
    source=TapeLines("ticks.tape"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
