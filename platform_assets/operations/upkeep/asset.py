"""The asset `platform/upkeep`: a plan for every table, carried out where its config says so, and the report of both.

It stands apart from the data: nothing is made from it, no condition starts it, and `platform demo` passes it over.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from platform_assets.location import OPERATION
from platform_assets.operations.upkeep.readings import Readings
from platform_assets.operations.upkeep.report import numbers, page, picture, record
from platform_assets.operations.upkeep.survey import Survey, survey
from platform_assets.operations.upkeep.tables import KeptTable, chosen
from platform_assets.operations.upkeep.work import alone
from platform_resources.storage import Lake
from platform_resources.storage.folder import folder_at

KEY = dg.AssetKey(["platform", "upkeep"])
OP = "platform__upkeep"
GROUP = "upkeep"
RECORD = "record"
"""The key of the metadata that holds everything that was found, for programs."""

Tables = Callable[[], Sequence[KeptTable]]


class UpkeepConfig(dg.Config):
    """What a run of upkeep does."""

    apply: bool = Field(default=False, description="Carry the plan out; without it a run changes nothing.")
    tables: list[str] = Field(default_factory=list, description="Names of datasets; empty for all.")


def upkeep_asset(tables: Tables) -> dg.AssetsDefinition:
    """Return the asset; which tables there are is asked when it runs."""

    @dg.asset(
        key=KEY,
        group_name=GROUP,
        description="Plans what every table needs (compaction, Z-order, vacuum, old rows dropped), and says "
        "what it gains. A dry run, unless its config says `apply: true`.",
        tags={OPERATION: ""},
        kinds={"upkeep"},
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=GROUP,
    )
    def upkeep(
        context: dg.AssetExecutionContext, config: UpkeepConfig, lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult[Any]:
        now = datetime.now(UTC)
        readings = Readings(context.instance, now)
        holding = (lambda table: alone(context.instance, context.run, table)) if config.apply else None
        surveyed = survey(lake, chosen(tables(), config.tables), readings, now, alone=holding)
        report = page(surveyed, now)
        folder_at(lake.settings.state, lake.settings.s3).write(f"upkeep/{context.run.run_id}.md", report.encode())
        context.log.info(report.split("\n\n![")[0])
        metadata = _metadata(surveyed, report, f"{lake.settings.state}/upkeep/{context.run.run_id}.md")
        if surveyed.failed:
            failures = "; ".join(f"{name}: {why}" for name, why in surveyed.failed.items())
            raise dg.Failure(
                f"upkeep of {len(surveyed.failed)} tables failed: {failures}", metadata, allow_retries=False
            )
        return dg.MaterializeResult(metadata=metadata)

    return upkeep


def upkeep_schedules() -> list[dg.ScheduleDefinition]:
    """Return a nightly plan and a nightly application of it; both wait to be switched on."""
    return [_nightly("upkeep_plan", "0 3 * * *", apply=False), _nightly("upkeep_apply", "30 3 * * *", apply=True)]


def _nightly(name: str, cron: str, *, apply: bool) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=cron,
        execution_timezone="UTC",
        target=dg.AssetSelection.assets(KEY),
        run_config=config(apply=apply),
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Carries out what every table needs."
        if apply
        else "Plans what every table needs; changes nothing.",
    )


def config(*, apply: bool, tables: Sequence[str] = ()) -> dict[str, Any]:
    """Return the run configuration."""
    return {"ops": {OP: {"config": {"apply": apply, "tables": list(tables)}}}}


def _metadata(surveyed: Survey, report: str, path: str) -> dict[str, Any]:
    return {
        **numbers(surveyed),
        "applied": surveyed.applied,
        "report": dg.MetadataValue.md(report),
        "plot_files": dg.MetadataValue.md(picture(surveyed)),
        "report_file": dg.MetadataValue.path(path),
        RECORD: dg.MetadataValue.json(record(surveyed)),
    }
