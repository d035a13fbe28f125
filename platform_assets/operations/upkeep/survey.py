"""All tables looked at, planned, and where asked worked on; the record that reports and commands show."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from platform_assets.operations.upkeep.facts import facts_of
from platform_assets.operations.upkeep.readings import Readings
from platform_assets.operations.upkeep.tables import KeptTable
from platform_assets.operations.upkeep.work import Done, carry_out, packing_of
from platform_core.upkeep import US_EAST_1, PriceList, TablePlan, plan
from platform_resources.settings import Settings
from platform_resources.storage import Lake

Alone = Callable[[KeptTable], AbstractContextManager[bool]]


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """One table: what was planned, what was done, and how it stands then.

    Attributes:
        plan: By the facts before.
        done: Nothing in a dry run.
        files: Of the latest version, afterwards.
        size_bytes: Of these.
        left: Why it was left alone though there was something to do; None otherwise.
    """

    plan: TablePlan
    done: tuple[Done, ...] = ()
    files: int
    size_bytes: int
    left: str | None = None


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All tables that were ever written.

    Attributes:
        applied: Whether the plans were carried out.
        prices: The region whose prices hold.
        tables: By path.
        failed: By the name of each table that could not be looked at or worked on, what went wrong.
    """

    applied: bool
    prices: str
    tables: tuple[Surveyed, ...]
    failed: Mapping[str, str]


def prices_of(settings: Settings) -> PriceList:
    """Return the prices that the settings tell, else those of us-east-1.

    Raises:
        SettingsError: The file cannot be read.
        PriceError: It says what no price list can.
    """
    return US_EAST_1.with_overrides(settings.price_overrides())


def survey(
    lake: Lake, tables: Sequence[KeptTable], readings: Readings, now: datetime, *, alone: Alone | None = None
) -> Survey:
    """Return the plan of every table; with `alone`, which holds a table's pool, each is carried out.

    The plan is made while the pool is held, so that no writer comes between. A table that fails does not keep the
    others from their upkeep.
    """
    prices = prices_of(lake.settings)
    surveyed_tables: list[Surveyed] = []
    failed: dict[str, str] = {}
    for table in tables:
        try:
            surveyed_tables += _surveyed(lake, table, readings, now, prices, alone)
        except Exception as error:  # noqa: BLE001 - the edge: one broken table is told, and the others are looked after
            failed[table.name] = f"{type(error).__name__}: {error}"
    return Survey(applied=alone is not None, prices=prices.region, tables=tuple(surveyed_tables), failed=failed)


def _surveyed(
    lake: Lake, table: KeptTable, readings: Readings, now: datetime, prices: PriceList, alone: Alone | None
) -> list[Surveyed]:
    """Return the table, or nothing where it was never written."""
    with alone(table) if alone else nullcontext(enter_result=False) as is_held:
        known = facts_of(lake, table, readings)
        if known is None:
            return []
        table_plan = plan(known, prices, now, pack=packing_of(lake.operations(table.spec)))
        if alone is None or table_plan.is_empty or not is_held:
            reason_left = "it is being written" if alone and not table_plan.is_empty else None
            return [
                Surveyed(plan=table_plan, files=table_plan.files, size_bytes=table_plan.size_bytes, left=reason_left)
            ]
        done = tuple(carry_out(lake, table, table_plan))
        after = [file.size_bytes for file in lake.operations(table.spec).files()]
        return [Surveyed(plan=table_plan, done=done, files=len(after), size_bytes=sum(after))]
