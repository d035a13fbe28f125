"""Branches of data: made, materialised, compared with what they began with, promoted and dropped."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.ingest import table_spec, verdicts_spec
from platform_assets.location import CodeLocation
from platform_assets.operations.errors import RequestError, UnknownName
from platform_assets.operations.instance import dagster_home, open_instance, prepare_home_of_branch
from platform_core.contracts import Dataset
from platform_core.quality.row_changes import RowChanges, compare_rows
from platform_resources.settings import Settings, branch_name
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.branches import Branch, Branches, TableChange

if TYPE_CHECKING:
    import dagster as dg

_OPTION = "NAME"


@dataclass(frozen=True)
class BranchFacts:
    """A branch as a listing shows it: since when, of how many tables, and which of them it changed."""

    name: str
    created_at: datetime
    tables: int
    changed: tuple[str, ...]


@dataclass(frozen=True)
class CheckChange:
    """A rule whose failed rows differ between the branch and what it began with; None where it was not judged."""

    rule: str
    before: int | None
    after: int | None


@dataclass(frozen=True)
class TableDifference:
    """How a table of a branch differs from the one it began with.

    Attributes:
        name: Of the dataset, or the table's path.
        is_new: The branch made it.
        moved_on: It changed in the environment since, so that it cannot be promoted.
        changes: Rows and columns; None for a table that is new.
        rows: In the branch.
        checks: Rules that found another number of rows.
    """

    name: str
    is_new: bool
    moved_on: bool
    changes: RowChanges | None
    rows: int
    checks: tuple[CheckChange, ...]


def new_branch(settings: Settings, name: str) -> BranchFacts:
    """Make a branch of the tables as they are now."""
    branch = Branches(settings).create(branch_name(_OPTION, name))
    return BranchFacts(name, branch.created_at, len(branch.pins), ())


def list_branches(settings: Settings) -> list[BranchFacts]:
    """List the branches of the environment."""
    branches = Branches(settings)
    opened = [branches.open(name) for name in branches.names()]
    return [
        BranchFacts(
            branch.name,
            branch.created_at,
            len(branch.pins),
            tuple(change.path for change in branches.changed(branch) if not _is_bookkeeping(change.path)),
        )
        for branch in opened
    ]


def _is_bookkeeping(path: str) -> bool:
    """Whether a table is a dataset's log, measures, verdicts or state: all that lies beside it but the quarantine."""
    return re.search(r"/v[0-9]+__(?!quarantine$)[a-z]+$", path) is not None


def branch_settings(settings: Settings, name: str) -> dict[str, str]:
    """Name the variables by which any other tool, `dagster dev` among them, works in a branch."""
    Branches(settings).open(name)
    home = dagster_home(replace(settings, branch=name))
    prepare_home_of_branch(home)
    return {"PLATFORM_BRANCH": name, "DAGSTER_HOME": str(home)}


def run_in_branch(location: CodeLocation, name: str, selection: Sequence[str]) -> Iterator["dg.DagsterEvent"]:
    """Materialise datasets and everything made from them in a branch; yield the events of the runs.

    Of partitioned ones every partition that has rows is made. What a dataset ingests is looked for as ever; what its
    ingest log names already is not read again.

    Raises:
        UnknownName: A name matches no asset.
    """
    from platform_assets.operations.catch_up import planned_runs, run_catch_up  # noqa: PLC0415 - imports Dagster

    Branches(location.settings).open(name)
    branch_location = on_branch(location, name)
    graph = branch_location.defs.resolve_asset_graph()
    by_name = {key.to_user_string(): key for key in graph.materializable_asset_keys}
    for asset in selection:
        if asset not in by_name:
            raise UnknownName("asset", asset, sorted(by_name))
    chosen_keys = {by_name[asset] for asset in selection}
    keys = [
        key
        for key in graph.toposorted_asset_keys
        if key in chosen_keys or graph.get_ancestor_asset_keys(key) & chosen_keys
    ]
    stale = {key: _partitions_of(branch_location, graph, key) for key in keys if key in graph.materializable_asset_keys}
    with open_instance(branch_location.settings) as instance:
        for planned in planned_runs(stale, [], graph):
            yield from run_catch_up(planned, branch_location.defs, instance)


def on_branch(location: CodeLocation, name: str) -> CodeLocation:
    """Return the same code location as a branch sees it."""
    return replace(location, settings=replace(location.settings, branch=name))


def _partitions_of(location: CodeLocation, graph: Any, key: "dg.AssetKey") -> set[str]:
    """List the partitions with rows of an asset, or of what it is made from; none for one that has no partitions."""
    node = graph.get(key)
    if node.partitions_def is None:
        return set()
    valid = set(node.partitions_def.get_partition_keys())
    for parent_key in (key, *sorted(node.parent_keys)):
        dataset = location.catalog.datasets.get(parent_key.to_user_string())
        if dataset is None or dataset.partitions is None or not location.lake.exists(table_spec(dataset)):
            continue
        column = dataset.partitions.column
        rows = location.lake.scan(table_spec(dataset), columns=[column]).unique().collect()
        return set(rows[column].to_list()) & valid
    return valid


def compare_branch(location: CodeLocation, name: str, only: Sequence[str] = ()) -> Iterator[TableDifference]:
    """Compare each table that a branch changed with what it began with, by key; personal data is masked.

    The quarantine beside a dataset's table is compared as counts of rows. Its log, measures and verdicts are told only
    where they changed in the environment, too, for then nothing is promoted.

    Args:
        location: Of the datasets.
        name: The branch.
        only: Datasets; none for all.
    """
    branches = Branches(location.settings)
    branch = branches.open(name)
    base, own = location.lake.on_branch(None), location.lake.on_branch(name)
    by_path = {table_spec(dataset).path: dataset for dataset in location.catalog.datasets.values()}
    for change in branches.changed(branch):
        dataset = by_path.get(change.path)
        if _is_bookkeeping(change.path) and base.version(_spec(change, dataset)) == change.since_version:
            continue
        if not only or (dataset is not None and dataset.name in only):
            yield _difference(base, own, branch, change, dataset)


def _difference(base: Lake, own: Lake, branch: Branch, change: TableChange, dataset: Dataset | None) -> TableDifference:
    spec = _spec(change, dataset)
    after = own.scan(spec)
    moved_on = base.version(spec) != change.since_version
    changes = None
    if change.since is not None:
        before = _before(base, spec, change)
        if before is not None:
            key = () if dataset is None else tuple(dataset.key)
            personal = () if dataset is None else (column.name for column in dataset.columns if column.pii is not None)
            hidden = frozenset(personal) if dataset is not None else frozenset(after.collect_schema().names())
            declared = [name for name in after.collect_schema().names() if not name.startswith("_")]
            shown_columns = [name for name in before.collect_schema().names() if not name.startswith("_")]
            changes = compare_rows(before.select(shown_columns), after.select(declared), key, hidden=hidden)
    return TableDifference(
        name=change.path if dataset is None else dataset.name,
        is_new=change.since is None,
        moved_on=moved_on,
        changes=changes,
        rows=int(after.select(_count()).collect().item()),
        checks=() if dataset is None else tuple(_checks(base, own, branch, dataset)),
    )


def _spec(change: TableChange, dataset: Dataset | None) -> TableSpec:
    return TableSpec(path=change.path, format=change.format) if dataset is None else table_spec(dataset)


def _before(base: Lake, spec: TableSpec, change: TableChange) -> Any:
    """Read the rows that the branch began with; None where the format keeps no versions and the table moved on."""
    since = change.since
    if since is None:
        return None
    pinned = replace(spec, format=since.format)
    if "history" in base.operations(pinned).lacking_operations:
        return base.scan(pinned) if base.version(pinned) == since.version else None
    return base.scan(pinned, version=since.version)


def _count() -> Any:
    import polars as pl  # noqa: PLC0415 - a listing needs none

    return pl.len()


def _checks(base: Lake, own: Lake, branch: Branch, dataset: Dataset) -> Iterator[CheckChange]:
    """Compare what the rules found, over all partitions, in the verdicts that lie beside a table."""
    spec = verdicts_spec(dataset)
    pin = branch.pins.get(spec.path)
    before = {} if pin is None else _failed(base.scan(spec, version=pin.version))
    after = _failed(own.scan(spec)) if own.exists(spec) else {}
    for rule in sorted(before.keys() | after.keys()):
        if before.get(rule) != after.get(rule):
            yield CheckChange(rule, before.get(rule), after.get(rule))


def _failed(verdicts: Any) -> Mapping[str, int]:
    rows = verdicts.group_by("rule").agg(_sum("failed")).collect()
    return dict(rows.iter_rows())


def _sum(column: str) -> Any:
    import polars as pl  # noqa: PLC0415 - a listing needs none

    return pl.col(column).sum()


def promote_branch(location: CodeLocation, name: str) -> list[TableChange]:
    """Make what a branch changed the environment's, and tell Dagster's history of it.

    Raises:
        BranchOutdated: A table changed in the environment, too; nothing is promoted.
    """
    changes = Branches(location.settings).promote(name)
    by_path = {table_spec(dataset).path: dataset.name for dataset in location.catalog.datasets.values()}
    names = [by_path.get(change.path, change.path.rpartition("/")[0]) for change in changes]
    home = dagster_home(replace(location.settings, branch=name))
    if names and (home / "history").exists():
        _copy_history(location, home, names, name)
    return changes


def _copy_history(location: CodeLocation, home: Path, names: Sequence[str], branch: str) -> None:
    """Report the branch's materialisations and verdicts of what was promoted to the environment's history, in order."""
    import dagster as dg  # noqa: PLC0415 - a branch without runs of its own needs none

    from platform_assets.operations.branch_history import copy_events  # noqa: PLC0415 - imports Dagster

    graph = location.defs.resolve_asset_graph()
    keys = [key for key in graph.toposorted_asset_keys if key.to_user_string() in names]
    environment = replace(location.settings, branch=None)
    with dg.DagsterInstance.from_config(str(home)) as source, open_instance(environment) as target:
        copy_events(source, target, keys, graph, branch)


def drop_branch(settings: Settings, name: str) -> int:
    """Remove a branch with its tables and its history; return how many files went.

    Raises:
        RequestError: It is the branch that this command works in.
    """
    if settings.branch == name:
        raise RequestError(
            f"branch {name}: this command works in it. Fix: unset PLATFORM_BRANCH, or leave --branch out."
        )
    files = Branches(settings).drop(name)
    home = dagster_home(replace(settings, branch=name))
    if home.exists():
        import shutil  # noqa: PLC0415 - only where there was a run

        shutil.rmtree(home)
    return files
