"""What is used of pyiceberg beyond its public face: Arrow columns to a schema, an update without method, overwrites."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Transaction
    from pyiceberg.table.update.snapshot import _OverwriteFiles

_FORMAT_VERSION: Final = 2


def schema_of(arrow: "pa.Schema") -> "Schema":
    """Return the Iceberg schema of Arrow columns, as `create_table` would make it; a field's `doc` is kept."""
    from pyiceberg.catalog import Catalog
    from pyiceberg.schema import assign_fresh_schema_ids

    return assign_fresh_schema_ids(Catalog._convert_schema_if_needed(arrow, _FORMAT_VERSION))  # noqa: SLF001 - create_table's own


def set_current_schema(transaction: "Transaction", schema_id: int) -> None:
    """Make an earlier schema of the table the current one again, within a transaction."""
    from pyiceberg.table.update import SetCurrentSchemaUpdate

    transaction._stage((SetCurrentSchemaUpdate.model_validate({"schema-id": schema_id}),))  # noqa: SLF001 - the only door to it


def overwriting(transaction: "Transaction", summary: Mapping[str, str]) -> "_OverwriteFiles":
    """Return pyiceberg's overwrite, with an evaluator of its own for each manifest.

    pyiceberg 0.12 looks through the manifests in several threads with one evaluator, which keeps the manifest it is at
    in an attribute: a thread then judges by another's bounds, and a file that is there is "missing" now and then.
    """
    from pyiceberg.table.snapshots import Operation
    from pyiceberg.table.update.snapshot import _OverwriteFiles

    class Overwrite(_OverwriteFiles):
        def _build_manifest_evaluator(self, spec_id: int) -> Callable[["ManifestFile"], bool]:
            fresh = super()._build_manifest_evaluator

            def concerns(manifest: "ManifestFile") -> bool:
                return fresh(spec_id)(manifest)

            return concerns

    return Overwrite(
        operation=Operation.OVERWRITE,
        transaction=transaction,
        io=transaction._table.io,  # noqa: SLF001 - as `Transaction.update_snapshot` takes it
        snapshot_properties=dict(summary),
    )
