"""What a person asks of upkeep: a plan, its application, the bucket's rules compared, advice."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from platform_assets.location import CodeLocation
from platform_assets.operations.catch_up import CatchUpRun, run_catch_up, why
from platform_assets.operations.errors import RequestError, UnknownName
from platform_assets.operations.instance import open_instance
from platform_assets.operations.upkeep.asset import KEY, RECORD, config
from platform_assets.operations.upkeep.facts import facts_of
from platform_assets.operations.upkeep.readings import Readings
from platform_assets.operations.upkeep.survey import Survey, prices_of, survey
from platform_assets.operations.upkeep.tables import KeptTable, chosen, kept_tables
from platform_core.upkeep import Advice, Machine, Rule, TableFacts, compute_advice, lake_rule, lifecycle
from platform_core.upkeep.partitioning import partition_advice
from platform_resources.machine import memory_bytes, usable_cores
from platform_resources.s3 import bucket_and_key
from platform_resources.storage.bucket_rules import BucketRule, BucketRules, RuleChange, RulesDiff

_RUNS_AT_ONCE = 10
"""What Dagster takes where its settings say nothing."""


def select_tables(location: CodeLocation, names: list[str]) -> list[KeptTable]:
    """Return the tables of the code location, or those of the names.

    Raises:
        UnknownName: There is no such table.
    """
    assets = [asset for asset in location.defs.assets or () if isinstance(asset, dg.AssetsDefinition)]
    try:
        return chosen(kept_tables(location.catalog, assets), names)
    except KeyError as error:
        raise UnknownName("table", error.args[0], error.args[1]) from error


def plan_upkeep(location: CodeLocation, names: list[str]) -> Survey:
    """Return the plan of every table, or of those of the names."""
    with open_instance(location.settings) as instance:
        now = datetime.now(UTC)
        return survey(location.lake, select_tables(location, names), Readings(instance, now), now)


def apply_upkeep(location: CodeLocation, names: list[str]) -> dict[str, Any]:
    """Return what a run of the upkeep asset did, as its record tells.

    Raises:
        RequestError: The run failed.
    """
    select_tables(location, names)  # so that a wrong name is told before a run begins
    with open_instance(location.settings) as instance:
        run = CatchUpRun((KEY,), run_config=config(apply=True, tables=names))
        for event in run_catch_up(run, location.defs, instance):
            if event.is_step_failure:
                raise RequestError(why(event))
            if event.is_step_materialization and event.asset_key == KEY:
                upkeep_record = event.step_materialization_data.materialization.metadata[RECORD].value
    return dict(upkeep_record)  # type: ignore[arg-type]  # a JSON object, as the asset wrote it


@dataclass(frozen=True, kw_only=True)
class Lifecycles:
    """What is wanted of the bucket, and what differs.

    Attributes:
        applied: Whether the rules were put.
        bucket: Its name.
        others: How many rules are not the platform's.
        changes: Of each rule of the platform's.
        why: By dataset, each choice in a sentence.
        saves_a_year: Dollars, once data is as old as the rules want.
    """

    applied: bool
    bucket: str
    others: int
    changes: tuple[RuleChange, ...]
    why: dict[str, tuple[str, ...]]
    saves_a_year: float


def compare_lifecycles(location: CodeLocation, *, apply: bool) -> Lifecycles:
    """Return the rules that the bucket has and should have; they are put with `apply`.

    Raises:
        RequestError: The lake lies on a disk.
        BucketRulesRefused: The bucket cannot be read, or the rules not be put.
    """
    root = location.settings.tables_root
    if not root.startswith("s3://"):
        raise RequestError(
            f"the lake lies on a disk, at {root}, which has no storage classes and no rules. "
            "Fix: set PLATFORM_LAKE=s3://bucket/prefix; on a disk, retention works by platform upkeep apply."
        )
    bucket, prefix = bucket_and_key(root)
    prices = prices_of(location.settings)
    known = _facts(location)
    lifecycles = [lifecycle(facts, prices, freshness=table.freshness) for table, facts in known if table.partitions]
    rules = [
        lake_rule(prefix, [facts for _, facts in known]),
        *(rule for table_lifecycle in lifecycles for rule in table_lifecycle.rules),
    ]
    bucket_rules = BucketRules(location.settings.s3, bucket, f"platform/{prefix}")
    diff: RulesDiff = (bucket_rules.put if apply else bucket_rules.diff)([_bucket_rule(rule) for rule in rules])
    return Lifecycles(
        applied=apply, bucket=bucket, others=diff.others, changes=diff.changes,
        why={table_lifecycle.dataset: table_lifecycle.why for table_lifecycle in lifecycles},
        saves_a_year=round(sum(table_lifecycle.saves_a_year.total for table_lifecycle in lifecycles), 6),
    )  # fmt: skip


def _bucket_rule(rule: Rule) -> BucketRule:
    return BucketRule(
        name=rule.name,
        prefix=rule.prefix,
        transitions=tuple((move.days, move.to) for move in rule.moves),
        expire_days=rule.expire_days,
        earlier_versions_days=rule.earlier_versions_days,
        uploads_days=rule.uploads_days,
    )


def _facts(location: CodeLocation) -> list[tuple[KeptTable, TableFacts]]:
    with open_instance(location.settings) as instance:
        readings = Readings(instance, datetime.now(UTC))
        pairs = ((table, facts_of(location.lake, table, readings)) for table in select_tables(location, []))
        return [(table, facts) for table, facts in pairs if facts is not None]


def advise(location: CodeLocation) -> list[Advice]:
    """Advice on partitions from the tables, and on the machine from the runs."""
    on_tables = [advice for _, facts in _facts(location) for advice in partition_advice(facts)]
    with open_instance(location.settings) as instance:
        readings = Readings(instance, datetime.now(UTC))
        keys = dict.fromkeys(table.key for table in select_tables(location, []))
        steps = [step for key in keys for step in readings.steps(key)]
        return [*on_tables, *compute_advice(steps, _machine(instance))]


def _machine(instance: dg.DagsterInstance) -> Machine:
    runs = ((instance.get_settings("concurrency") or {}).get("runs") or {}).get("max_concurrent_runs", _RUNS_AT_ONCE)
    return Machine(cores=usable_cores(), memory_bytes=memory_bytes(), runs_at_once=int(runs))
