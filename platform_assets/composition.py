"""The composition root: settings become resources, domains become assets, and both meet here.

This is the door for a package of datasets of one's own; importing it builds nothing.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from platform_assets.discovery import by_hand
from platform_assets.factory import asset_for
from platform_assets.factory.dbt.assets import build_dbt_assets
from platform_assets.factory.guards import guarded
from platform_assets.factory.red_checks import RedChecks, refuse_red_input
from platform_assets.location import BRANCH, CodeLocation
from platform_assets.operations.alerting.sensor import alert_sensor
from platform_assets.operations.automation import automation_for, follow_inputs
from platform_assets.operations.detector_assets import detector_assets
from platform_assets.operations.openlineage import openlineage_sensor
from platform_assets.operations.run_traces import trace_sensor
from platform_assets.operations.sla_checks import sla_checks
from platform_assets.operations.upkeep.asset import upkeep_asset, upkeep_schedules
from platform_assets.operations.upkeep.tables import kept_tables
from platform_resources.settings import Settings, branch_name
from platform_resources.storage import Lake
from platform_resources.storage.io_manager import LakeIOManager
from platform_resources.storage.objects import ObjectStore


def build_definitions(package: str, settings: Settings | None = None, *, dbt: Path | None = None) -> dg.Definitions:
    """Build the Dagster definitions of all datasets declared below a package; see `build_location`."""
    return build_location(package, settings, dbt=dbt).defs


def build_location(package: str, settings: Settings | None = None, *, dbt: Path | None = None) -> CodeLocation:
    """Build the code location of all datasets declared below a package.

    Args:
        package: The root under which datasets are declared, such as `"my_company.domains"`.
        settings: Where things lie; None reads the environment.
        dbt: The folder of a dbt project over the datasets; its models become assets. None leaves dbt out.

    Raises:
        ContractError: With every problem of every declaration.
        SettingsError: A setting is unknown or wrong.
    """
    location = CodeLocation(package, settings or Settings.from_environment(), definitions_of, dbt)
    _ = location.defs  # now, so that a problem is told where the location is loaded
    return location


def definitions_of(location: CodeLocation) -> dg.Definitions:
    """Build the definitions of a code location."""
    with warnings.catch_warnings():
        # backfill_policy is marked beta; the version is pinned, and a warning an asset helps nobody.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return _definitions(location)


def _definitions(location: CodeLocation) -> dg.Definitions:
    catalog, chosen, dbt = location.catalog, location.settings, location.dbt
    follow = follow_inputs()
    assets = [
        asset_for(catalog, dataset, automation=follow)
        for dataset in catalog.datasets.values()
        if dataset.source is None or not dataset.source.is_dbt
    ]
    models = build_dbt_assets(chosen, catalog, project=dbt, automation=follow)
    automation = automation_for(catalog)
    written = by_hand(location.package)
    red_checks = RedChecks.of([*assets, *models, *written])
    all_assets = [*_with_pictures([*assets, *models], chosen), *(guarded(asset, red_checks) for asset in written)]
    return dg.Definitions(
        assets=[*all_assets, *detector_assets(catalog), upkeep_asset(lambda: kept_tables(catalog, all_assets))],
        asset_checks=sla_checks(location),
        resources={
            **_s3(chosen),
            "lake": dg.ResourceDefinition(lambda context: lake_of(location, context.run)),
            "objects": ObjectStore(chosen.s3),
            "landing": location.landing,
            "io_manager": dg.IOManagerDefinition(
                lambda context: LakeIOManager(
                    lake_of(location, context.run),
                    admit=lambda input_context: refuse_red_input(red_checks, input_context),
                )
            ),
            "red_checks": red_checks,
        },
        sensors=[
            *automation.sensors,
            alert_sensor(location),
            *([openlineage_sensor(location)] if chosen.openlineage else []),
            *([trace_sensor(chosen)] if chosen.traces else []),
        ],
        schedules=[*automation.schedules, *upkeep_schedules()],
        executor=dg.in_process_executor,
    )


def lake_of(location: CodeLocation, run: "dg.DagsterRun | None") -> Lake:
    """Return the lake that a run reads and writes: that of the settings, or of the branch that a tag of it names.

    Raises:
        UnknownBranch: There is no such branch.
    """
    name = None if run is None else run.tags.get(BRANCH)
    lake = location.lake if name is None else location.lake.on_branch(branch_name(BRANCH, name))
    _ = lake.branch  # now, so that a run in a branch that is not there begins no step
    return lake


def _with_pictures(assets: Sequence[dg.AssetsDefinition], chosen: Settings) -> Iterator[dg.AssetsDefinition]:
    """Give each asset a link to its lineage in the catalog, one click from its page."""

    def linked(spec: dg.AssetSpec) -> dg.AssetSpec:
        place = f"{chosen.catalog_url}/#/lineage/{spec.key.to_user_string()}"
        return spec.merge_attributes(metadata={"lineage": dg.MetadataValue.url(place)})

    for asset in assets:
        yield asset.map_asset_specs(linked)


def _s3(chosen: Settings) -> dict[str, object]:
    """dagster-aws's door to S3 for assets written by hand, where the settings speak of S3; else nothing is imported."""
    if not any(place.startswith("s3://") for place in (chosen.lake, chosen.landing)):
        return {}
    from dagster_aws.s3 import S3Resource

    return {"s3": S3Resource(**chosen.s3.resource_options())}
