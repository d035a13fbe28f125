"""Packages of N modules for `load`: our declarations, and the Dagster assets one would write by hand instead.

Both say the same of a dataset: six columns with types, units, constraints and PII tags, four columns of provenance,
owner, tags, kinds, version, group, storage, partitions, freshness, pool, backfill policy, a config and two resources.
Every fifth one is derived from the one before it. Both have the same five rules of the user's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DOMAINS = 10

_DECLARED = '''"""Rows {number}."""
from platform_core.contracts import (
    DataFrameModel, Dataset, Delta, Field, Files, Quarantine, UtcTimestamp, monthly, within,
)


class Rows(DataFrameModel):
    """One row per event {number}."""

    id: int = Field(ge=1, description="Identity of the row")
    at: UtcTimestamp = Field(description="When it happened")
    amount: float = Field(nullable=True, ge=0, le=1000, unit="euro", description="What it cost")
    kind: str = Field(isin=["a", "b", "c"], description="What it was")
    email: str = Field(nullable=True, str_matches="^[^@]+@[^@]+$", pii="email", description="Whom to ask")
    note: str = Field(nullable=True, description="Free words")


rows_{number} = Dataset(
    "{domain}/rows_{number}",
    Rows,
    owner="team:bench",
    version="1.0.0",
    tags=("core",),
    key=("id", "at"),
    partitions=monthly("2013-01", on="at"),
    freshness=within(hours=24),
    quarantine=Quarantine(),
    {maker}
)
'''

_TRANSFORM = '''
import polars as pl


@rows_{number}.transform
def build(rows_{source}: pl.LazyFrame) -> pl.LazyFrame:
    """The rows again."""
    return rows_{source}
'''

_LEAN = '''"""Rows {number}."""
from platform_core.contracts import DataFrameModel, Dataset, Field, Generated, UtcTimestamp, monthly, within


class Rows(DataFrameModel):
    """One row per event {number}."""

    id: int = Field(nullable=True, ge=1, description="Identity of the row")
    at: UtcTimestamp = Field(nullable=True, description="When it happened")
    amount: float = Field(nullable=True, unit="euro", description="What it cost")
    kind: str = Field(nullable=True, isin=["a", "b", "c"], description="What it was")
    email: str = Field(nullable=True, pii="email", description="Whom to ask")
    note: str = Field(nullable=True, description="Free words")


rows_{number} = Dataset(
    "{domain}/rows_{number}",
    Rows,
    owner="team:bench",
    version="1.0.0",
    tags=("core",),
    partitions=monthly("2013-01", on="at"),
    freshness=within(hours=24),
    source=Generated(rows=10),
)
'''

_SHARED = '''"""What the assets share."""
import dagster as dg
from pydantic import Field


class IngestConfig(dg.Config):
    files: list[str] = Field(default_factory=list)


class Lake:
    """Stands for a resource."""


class Landing:
    """Stands for a resource."""
'''

_HAND = '''"""Rows {number}."""
import datetime
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from {package} import IngestConfig, Lake, Landing

handled = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()

@dg.asset(
    key=["{domain}", "rows_{number}"],
    description="One row per event {number}.",
    group_name="{domain}",
    owners=["team:bench"],
    tags={{"domain": "{domain}", "core": ""}},
    kinds={{"delta", "polars"}},
    code_version="1.0.0",
    metadata={{
        "platform/path": "{domain}/rows_{number}/v1",
        "platform/format": "delta",
        "platform/mode": "merge",
        "platform/key": ["id", "at"],
        "platform/partition_column": "_partition",
        "platform/partition_from_key": True,
        "platform/replaces": "_source",
        "platform/schema_evolution": "refuse",
        "version": "1.0.0",
        "key": "id, at",
        "quarantine": "kept for 90 days",
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    "id", type="Int64", description="Identity of the row",
                    constraints=dg.TableColumnConstraints(nullable=False, unique=False, other=["≥ 1"]),
                ),
                dg.TableColumn(
                    "at", type="Timestamp (UTC, µs)", description="When it happened",
                    constraints=dg.TableColumnConstraints(nullable=False, unique=False),
                ),
                dg.TableColumn(
                    "amount", type="Float64", description="What it cost [euro]", tags={{"unit": "euro"}},
                    constraints=dg.TableColumnConstraints(nullable=True, unique=False, other=["≥ 0", "≤ 1000"]),
                ),
                dg.TableColumn(
                    "kind", type="String", description="What it was",
                    constraints=dg.TableColumnConstraints(nullable=False, unique=False, other=["is one of a, b, c"]),
                ),
                dg.TableColumn(
                    "email", type="String", description="Whom to ask", tags={{"pii": "email"}},
                    constraints=dg.TableColumnConstraints(
                        nullable=True, unique=False, other=["matches ^[^@]+@[^@]+$"]
                    ),
                ),
                dg.TableColumn(
                    "note", type="String", description="Free words",
                    constraints=dg.TableColumnConstraints(nullable=True, unique=False),
                ),
                dg.TableColumn("_source", "String", "where the row came from"),
                dg.TableColumn("_ingest_id", "String", "where the row came from"),
                dg.TableColumn("_row_hash", "String", "where the row came from"),
                dg.TableColumn("_ingested_at", "String", "where the row came from"),
            ]
        ),
    }},
    partitions_def=dg.MonthlyPartitionsDefinition(start_date="2013-01", fmt="%Y-%m", end_offset=1),
    backfill_policy=dg.BackfillPolicy.single_run(),
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=datetime.timedelta(hours=24)),
    pool="table_{domain}_rows_{number}",
    {inputs}
    check_specs=[{specs}],
)
def rows_{number}({parameters}) -> Iterator[dg.Output[Any] | dg.AssetCheckResult]:
    yield dg.Output(None)
{separate}
'''

_INGEST = (
    "output_required=False,",
    """context: dg.AssetExecutionContext, config: IngestConfig, lake: dg.ResourceParam[Lake],
    landing: dg.ResourceParam[Landing]""",
)
_DERIVED = (
    """ins={{"source": dg.AssetIn(dg.AssetKey(["{upstream}", "rows_{source}"]), dagster_type=pl.LazyFrame)}},
    automation_condition=(
        dg.AutomationCondition.any_deps_updated().since(handled)
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
    ).with_label("follow_inputs"),""",
    "context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], source: pl.LazyFrame",
)

_SPEC = """
        dg.AssetCheckSpec(
            "{name}", asset=dg.AssetKey(["{domain}", "rows_{number}"]), description="{label}",
            metadata={{"severity": "error", "dimension": "conformity"}},
        ),"""

_SEPARATE = """

@dg.asset_check(
    name="{name}", asset=dg.AssetKey(["{domain}", "rows_{number}"]), description="{label}",
    metadata={{"severity": "error", "dimension": "conformity"}},
)
def rows_{number}_{name}(context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)
"""

_BARE = '''"""Rows {number}."""
import dagster as dg


@dg.asset(key=["{domain}", "rows_{number}"], check_specs=[{specs}])
def rows_{number}():
    ...
'''

_BARE_SPEC = 'dg.AssetCheckSpec("{name}", asset=dg.AssetKey(["{domain}", "rows_{number}"])), '

OWN_RULES = ("id_ge", "amount_ge", "amount_le", "kind_isin", "email_matches")
IMPLIED_RULES = ("schema", "types", "id_not_null", "at_not_null", "kind_not_null", "key_unique", "partition")


@dataclass(frozen=True)
class Place:
    """One module: its number, its domain, and the number of the dataset it is derived from, or None."""

    number: int
    domain: str
    source: int | None


def places(size: int) -> list[Place]:
    """The modules of a package of that size."""
    groups = max(5, size // DOMAINS)  # a dataset and the one derived from it share a domain
    return [
        Place(number, f"domain_{number // groups}", number - 1 if number % 5 == 4 else None) for number in range(size)
    ]


def write_declared(folder: Path, size: int) -> None:
    """Writes a package of our declarations: five rules of their own, seven implied."""
    _write(folder, size, _declared)


def write_lean(folder: Path, size: int) -> None:
    """Writes a package of our declarations with five checks in all: `schema`, `types` and three rules."""
    _write(folder, size, lambda place: _LEAN.format(number=place.number, domain=place.domain))


def write_by_hand(folder: Path, size: int, *, rules: tuple[str, ...], separate: bool = False) -> None:
    """Writes a package of Dagster assets as rich as our datasets, with one check for each rule."""
    _write(folder, size, lambda place: _by_hand(place, folder.name, rules, separate=separate), shared=_SHARED)


def write_bare(folder: Path, size: int) -> None:
    """Writes a package of Dagster assets with five check specs and nothing else."""
    _write(folder, size, lambda place: _BARE.format(**vars(place), specs=_each(_BARE_SPEC, place, OWN_RULES)))


def _write(folder: Path, size: int, module: Callable[[Place], str], shared: str = "") -> None:
    folder.mkdir()
    (folder / "__init__.py").write_text(shared)
    for place in places(size):
        (folder / f"rows_{place.number}.py").write_text(module(place))


def _declared(place: Place) -> str:
    if place.source is None:
        maker = f'source=Files("rows_{place.number}-*.parquet"), store=Delta(mode="merge"),'
        return _DECLARED.format(number=place.number, domain=place.domain, maker=maker)
    made = _DECLARED.format(number=place.number, domain=place.domain, maker='store=Delta(mode="overwrite"),')
    return made + _TRANSFORM.format(number=place.number, source=place.source)


def _by_hand(place: Place, package: str, rules: tuple[str, ...], *, separate: bool) -> str:
    inputs, parameters = _INGEST if place.source is None else _DERIVED
    return _HAND.format(
        number=place.number,
        domain=place.domain,
        package=package,
        inputs=inputs.format(upstream=place.domain, source=place.source) if place.source is not None else inputs,
        parameters=parameters,
        specs="" if separate else _each(_SPEC, place, rules),
        separate=_each(_SEPARATE, place, rules) if separate else "",
    )


def _each(template: str, place: Place, rules: tuple[str, ...]) -> str:
    return "".join(
        template.format(name=rule, label=rule.replace("_", " "), number=place.number, domain=place.domain)
        for rule in rules
    )
