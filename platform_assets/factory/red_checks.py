"""What a blocking check stopped stays stopped: until it holds, no run builds what reads its asset.

Dagster blocks within one run. Here the latest completed verdict is asked for, whichever run, tool or selection brought
it. An ingest is not stopped by what it only looks up: its references stand in the last good table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from platform_resources.storage import TableSpec

DBT_MODEL = "dbt_model"
"""The metadata of an asset that dbt builds: the model's id."""

_COMPLETED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


@dataclass(frozen=True)
class RedCheck:
    """A blocking check that failed when it was last judged.

    Attributes:
        key: Asset and name.
        run_id: Of the run that judged it.
    """

    key: dg.AssetCheckKey
    run_id: str

    @property
    def asset(self) -> str:
        """The name of the asset."""
        return self.key.asset_key.to_user_string()


@dataclass(frozen=True)
class RedChecks:
    """The blocking checks of a code location, and which assets read which.

    Attributes:
        blocking: By asset its blocking checks.
        parents: By asset those that it reads.
        unstored: Assets that have no table in the lake. One may be a view on what is above it, and is written before
            its tests have run, so what stops the one above stops what reads the view.
    """

    blocking: Mapping[dg.AssetKey, tuple[dg.AssetCheckKey, ...]]
    parents: Mapping[dg.AssetKey, frozenset[dg.AssetKey]]
    unstored: frozenset[dg.AssetKey] = frozenset()

    @classmethod
    def of(cls, assets: Iterable[dg.AssetsDefinition]) -> "RedChecks":
        """Collect what the definitions declare; a check apart from its asset counts as well."""
        blocking: dict[dg.AssetKey, tuple[dg.AssetCheckKey, ...]] = {}
        parents: dict[dg.AssetKey, frozenset[dg.AssetKey]] = {}
        unstored: set[dg.AssetKey] = set()
        for definition in assets:
            for check in definition.check_specs:
                if check.blocking:
                    blocking[check.asset_key] = (*blocking.get(check.asset_key, ()), check.key)
            if isinstance(definition, dg.AssetChecksDefinition):
                continue
            for spec in definition.specs:
                parents[spec.key] = frozenset(dep.asset_key for dep in spec.deps)
                if DBT_MODEL in spec.metadata and TableSpec.from_metadata(spec.metadata) is None:
                    unstored.add(spec.key)
        return cls(blocking, parents, frozenset(unstored))

    def stopping(
        self, instance: dg.DagsterInstance, key: dg.AssetKey, *, built: frozenset[dg.AssetKey] = frozenset()
    ) -> list[RedCheck]:
        """List the red checks that stop an asset: those of what it reads.

        Args:
            instance: Whose history says which are red.
            key: Of the asset.
            built: Assets that the same run builds anew, whose checks are judged anew with them.
        """
        asked, assets = [*self.parents.get(key, ())], set[dg.AssetKey]()
        while asked:
            parent = asked.pop()
            if parent in assets or parent in built:
                continue
            assets.add(parent)
            asked += self.parents.get(parent, ()) if parent in self.unstored else ()
        return self._red(instance, sorted(assets))

    def at(self, instance: dg.DagsterInstance, key: dg.AssetKey) -> list[RedCheck]:
        """List the red checks that stop what reads the asset: its own, and those above it where it is a view."""
        above = self.stopping(instance, key) if key in self.unstored else []
        return [*self._red(instance, [key]), *above]

    def _red(self, instance: dg.DagsterInstance, assets: Iterable[dg.AssetKey]) -> list[RedCheck]:
        keys = [key for asset in assets for key in self.blocking.get(asset, ())]
        if not keys:
            return []
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        red = []
        for key in keys:
            record = latest.get(key)
            if record is not None and record.status not in _COMPLETED:  # planned by a run that did not come so far
                history = instance.event_log_storage.get_asset_check_execution_history(key, 1, status=_COMPLETED)
                record = next(iter(history), None)
            if record is not None and _is_red(record):
                red.append(RedCheck(key, record.run_id))
        return red


def _is_red(record: AssetCheckExecutionRecord) -> bool:
    evaluation = record.evaluation
    return evaluation is not None and not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR


def refuse_below_red(name: str, red: Iterable[RedCheck]) -> None:
    """Return where nothing is red.

    Raises:
        dagster.Failure: Something is.
    """
    red = list(red)
    if red:
        raise dg.Failure(f"{name}: {blame(red)}", allow_retries=False)


def refuse_red_input(red_checks: RedChecks, context: dg.InputContext) -> None:
    """Return where a step may load an asset as it is now; so an asset written by hand is stopped as others are.

    Who loads a value outside of a run, to look at it, may have it whatever its checks say.

    Raises:
        dagster.Failure: A blocking check of it is red.
    """
    try:
        step = context.step_context
    except dg.DagsterInvariantViolationError:
        return
    assets = step.job_def.asset_layer.get_assets_def_for_node(step.node_handle)
    if assets is not None and not assets.keys:  # checks alone, which look at what is red to say whether it still is
        return
    refuse_below_red(step.step.key.replace("__", "/"), red_checks.at(step.instance, context.asset_key))


def blame(red: Iterable[RedCheck]) -> str:
    """Say which checks stop an asset, and how they are made green."""
    by_asset: dict[str, list[str]] = {}
    for check in red:
        by_asset.setdefault(check.asset, []).append(f"{check.key.name} (run {check.run_id[:8]})")
    told = "; ".join(f"{asset}: {', '.join(names)}" for asset, names in by_asset.items())
    return (
        f"not built, for blocking checks of what it reads failed and still do: {told}. "
        f"Fix: mend {', '.join(by_asset)}, and materialise it first: dg launch --assets {','.join(by_asset)}"
    )
