"""What a blocking check stopped stays stopped: until it holds, no run builds what reads its asset.

Dagster blocks within one run. Here the latest completed verdict is asked for, whichever run, tool or selection brought
it. An ingest is not stopped by what it only looks up: its references stand in the last good table.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from platform_assets.factory.checks import RED_PARTITIONS, STOPS
from platform_assets.factory.partitioning import Definition, below
from platform_resources.storage import TableSpec

DBT_MODEL = "dbt_model"
"""The metadata of an asset that dbt builds: the model's id."""

_TOLD = 6
_COMPLETED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


@dataclass(frozen=True)
class RedCheck:
    """A blocking check that failed when it was last judged.

    Attributes:
        key: Asset and name.
        run_id: Of the run that judged it.
        partitions: Those of its asset that it is about; None for all of them.
    """

    key: dg.AssetCheckKey
    run_id: str
    partitions: frozenset[str] | None = None

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
        divided: By asset its partitions, where it has any.
    """

    blocking: Mapping[dg.AssetKey, tuple[dg.AssetCheckKey, ...]]
    parents: Mapping[dg.AssetKey, frozenset[dg.AssetKey]]
    unstored: frozenset[dg.AssetKey] = frozenset()
    divided: Mapping[dg.AssetKey, Definition] = field(default_factory=dict)

    @classmethod
    def of(cls, assets: Iterable[dg.AssetsDefinition]) -> "RedChecks":
        """Collect what the definitions declare; a check apart from its asset counts as well."""
        blocking: dict[dg.AssetKey, tuple[dg.AssetCheckKey, ...]] = {}
        parents: dict[dg.AssetKey, frozenset[dg.AssetKey]] = {}
        unstored: set[dg.AssetKey] = set()
        divided: dict[dg.AssetKey, Definition] = {}
        for definition in assets:
            for check in definition.check_specs:
                if check.blocking or (check.metadata or {}).get(STOPS):
                    blocking[check.asset_key] = (*blocking.get(check.asset_key, ()), check.key)
            if isinstance(definition, dg.AssetChecksDefinition):
                continue
            for spec in definition.specs:
                above = frozenset(dep.asset_key for dep in spec.deps)
                parents[spec.key] = above - {spec.key}  # what reads its own earlier partitions heals itself
                if spec.partitions_def is not None:
                    divided[spec.key] = spec.partitions_def
                if DBT_MODEL in spec.metadata and TableSpec.from_metadata(spec.metadata) is None:
                    unstored.add(spec.key)
        return cls(blocking, parents, frozenset(unstored), divided)

    def stopping(
        self,
        instance: dg.DagsterInstance,
        key: dg.AssetKey,
        *,
        built: frozenset[dg.AssetKey] = frozenset(),
        partitions: Iterable[str] | None = None,
    ) -> list[RedCheck]:
        """List the red checks that stop an asset: those of what it reads.

        A check that is red in some partitions stops what reads these, and no other.

        Args:
            instance: Whose history says which are red.
            key: Of the asset.
            built: Assets that the same run builds anew, whose checks are judged anew with them.
            partitions: Those of the asset that are to be made; None for all.
        """
        pending_keys, assets = [*self.parents.get(key, ())], set[dg.AssetKey]()
        while pending_keys:
            parent = pending_keys.pop()
            if parent in assets or parent in built:
                continue
            assets.add(parent)
            pending_keys += self.parents.get(parent, ()) if parent in self.unstored else ()
        red = self._red(instance, sorted(assets))
        if partitions is None:
            return red
        asked_for = set(partitions)
        return [check for check in red if self._is_below(instance, check, key, asked_for)]

    def passable(
        self,
        instance: dg.DagsterInstance,
        key: dg.AssetKey,
        partitions: Iterable[str],
        *,
        built: frozenset[dg.AssetKey] = frozenset(),
    ) -> set[str]:
        """Leave of an asset's partitions those that nothing red stops."""
        remaining = set(partitions)
        for check in self.stopping(instance, key, built=built):
            remaining = {partition for partition in remaining if not self._is_below(instance, check, key, {partition})}
        return remaining

    def _is_below(
        self, instance: dg.DagsterInstance, check: RedCheck, key: dg.AssetKey, partitions: AbstractSet[str]
    ) -> bool:
        """Whether one of an asset's partitions reads what the check is about."""
        mine, theirs = self.divided.get(key), self.divided.get(check.key.asset_key)
        if check.partitions is None or mine is None or theirs is None:
            return True
        with dg.partition_loading_context(dynamic_partitions_store=instance):
            return any(below(mine, theirs, red) & partitions for red in check.partitions)

    def at(
        self, instance: dg.DagsterInstance, key: dg.AssetKey, *, partitions: Iterable[str] | None = None
    ) -> list[RedCheck]:
        """List the red checks that stop what reads the asset: its own, and those above it where it is a view.

        Args:
            instance: Whose history says which are red.
            key: Of the asset.
            partitions: Those of the asset that are read; None for all.
        """
        above = self.stopping(instance, key) if key in self.unstored else []
        read = None if partitions is None else frozenset(partitions)
        own = [check for check in self._red(instance, [key])
               if read is None or check.partitions is None or check.partitions & read]  # fmt: skip
        return [*own, *above]

    def _red(self, instance: dg.DagsterInstance, assets: Iterable[dg.AssetKey]) -> list[RedCheck]:
        keys = [key for asset in assets for key in self.blocking.get(asset, ())]
        if not keys:
            return []
        judged = last_judged(instance, keys)
        return [
            RedCheck(key, judged[key].run_id, _red_partitions(judged[key]))
            for key in keys
            if key in judged and _is_red(judged[key])
        ]


def last_judged(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, AssetCheckExecutionRecord]:
    """Give the last execution of each check that came to a verdict; runs that only planned it say nothing."""
    storage = instance.event_log_storage
    judged = {}
    for key, latest in storage.get_latest_asset_check_execution_by_key(keys).items():
        record: AssetCheckExecutionRecord | None = latest
        if latest.status not in _COMPLETED:
            record = next(iter(storage.get_asset_check_execution_history(key, 1, status=_COMPLETED)), None)
        if record is not None:
            judged[key] = record
    return judged


def _is_red(record: AssetCheckExecutionRecord) -> bool:
    evaluation = record.evaluation
    return evaluation is not None and not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR


def _red_partitions(record: AssetCheckExecutionRecord) -> frozenset[str] | None:
    red_partitions = record.evaluation.metadata.get(RED_PARTITIONS) if record.evaluation is not None else None
    keys = red_partitions.value if isinstance(red_partitions, dg.JsonMetadataValue) else None
    return frozenset(map(str, keys)) if isinstance(keys, list) else None


def refuse_below_red(name: str, red: Iterable[RedCheck]) -> None:
    """Return where nothing is red.

    Raises:
        dagster.Failure: Something is.
    """
    red = list(red)
    if red:
        raise dg.Failure(f"{name}: {blame(red)}", allow_retries=False)


def refuse_red_input(red_checks: RedChecks, context: dg.InputContext) -> None:
    """Return where a step may load an asset as it is now, its own earlier partitions in any case.

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
    if assets is not None and context.asset_key in assets.keys:
        return
    read = context.asset_partition_keys if context.has_asset_partitions else None
    red = red_checks.at(step.instance, context.asset_key, partitions=read)
    refuse_below_red(step.step.key.replace("__", "/"), red)


def blame(red: Iterable[RedCheck]) -> str:
    """Say which checks stop an asset, and how they are made green."""
    red = list(red)
    by_asset: dict[str, list[str]] = {}
    for check in red:
        where = f" in {', '.join(sorted(check.partitions)[:_TOLD])}" if check.partitions else ""
        by_asset.setdefault(check.asset, []).append(f"{check.key.name}{where} (run {check.run_id[:8]})")
    red_text = "; ".join(f"{asset}: {', '.join(names)}" for asset, names in by_asset.items())
    commands = ", ".join(_launch(asset, [check for check in red if check.asset == asset]) for asset in by_asset)
    return (
        f"not built, for blocking checks of what it reads failed and still do: {red_text}. "
        f"Fix: mend {', '.join(by_asset)}, and materialise it first: {commands}"
    )


def _launch(asset: str, red: Sequence[RedCheck]) -> str:
    """Return the command that makes the asset anew, in the partitions that are red; pairs have no range."""
    partitions = sorted({partition for check in red for partition in check.partitions or ()})
    span = f" --partition-range {shlex.quote(f'{partitions[0]}...{partitions[-1]}')}" if len(partitions) > 1 else ""
    if partitions and (not span or "|" in partitions[0]):
        span = f" --partition {shlex.quote(partitions[0])}"
    return f"dg launch --assets {asset}{span}"
