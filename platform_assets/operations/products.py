"""Data products: contracts that somebody registered with the catalog, each version once, and what they keep of them."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platform_assets.ingest import table_spec
from platform_assets.location import CodeLocation
from platform_assets.operations.contracts import Registry, compliance_of
from platform_assets.operations.errors import RequestError, UnknownName
from platform_core.contracts import Dataset
from platform_core.interchange.odcs import document_problems, from_odcs, to_odcs
from platform_core.lineage import Lineage
from platform_resources.documents import odcs_schema, read_document, write_document

_NAME = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")


class ProductRefused(RequestError):
    """A product that was not registered; `problems` says why, one each."""

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.name, self.problems = name, tuple(problems)
        super().__init__(f"{name}: not registered. {' '.join(problems)}")


class ProductExists(RequestError):
    """A version that is registered already; a registered version never changes."""

    def __init__(self, name: str, version: str) -> None:
        self.name, self.version = name, version
        super().__init__(
            f"{name}: version {version} is registered. Fix: raise the version; platform diff proposes one."
        )


@dataclass(frozen=True)
class Products:
    """The products of a code location; registered contracts lie below its state folder."""

    location: CodeLocation

    @property
    def registry(self) -> Registry:
        """Where registered versions lie."""
        settings = self.location.settings
        return Registry(Path(settings.state) / "catalog" / settings.environment / "contracts")

    def register(self, document: Mapping[str, Any]) -> dict[str, str]:
        """Register a contract; the whole of it or nothing.

        Raises:
            ProductRefused: It breaks the standard's schema, or says what no contract can.
            ProductExists: The version is there.
        """
        named = str(document.get("id") or document.get("name") or "product")
        problems = document_problems(document, odcs_schema())
        if problems:
            raise ProductRefused(named, problems)
        try:
            dataset = from_odcs(document).dataset
        except Exception as error:  # contracts are judged by many rooms, each with errors of its own
            raise ProductRefused(named, [str(error)]) from error
        if not _NAME.fullmatch(dataset.name) or not _VERSION.fullmatch(dataset.version):
            form = f"Name {dataset.name!r} or version {dataset.version!r} has another form."
            raise ProductRefused(named, [f"{form} Fix: write domain/dataset and 1.0.0."])
        path = self.registry.path(dataset.name, dataset.version)
        draft = path.with_name(f".{uuid.uuid4().hex}")
        write_document(draft, dict(document))
        try:
            path.hardlink_to(draft)  # of two who come at once one is first
        except FileExistsError as error:
            raise ProductExists(dataset.name, dataset.version) from error
        finally:
            draft.unlink()
        return {"id": f"{dataset.name}:{dataset.version}", "name": dataset.name, "version": dataset.version}

    def register_named(self, name: str, path: Path) -> dict[str, str]:
        """Register a declared dataset as it is now, or the contract in a file.

        Raises:
            UnknownName: There is no dataset of the name, and no such file.
            UnreadableDocument: The file is no YAML or JSON.
            ProductRefused: It breaks the standard's schema, or says what no contract can.
            ProductExists: The version is there.
        """
        datasets = self.location.catalog.datasets
        if name in datasets:
            return self.register(to_odcs(datasets[name]))
        if not path.exists():
            raise UnknownName("dataset or file", name, datasets)
        return self.register(read_document(path))

    def names(self) -> list[str]:
        """List what is declared here or registered."""
        return sorted({*self.location.catalog.datasets, *self.registry.names()})

    def describe(self, name: str, lineage: Lineage) -> dict[str, Any]:
        """Tell a product's contract, versions and consumers.

        Raises:
            UnknownName: There is no such product.
        """
        dataset = self._contract(name)
        return {
            "name": name,
            "owner": dataset.owner,
            "version": dataset.version,
            "description": dataset.about,
            "tags": list(dataset.tags),
            "versions": self.registry.versions(name),
            "declared": name in self.location.catalog.datasets,
            "consumers": sorted(lineage.downstream(name)),
        }

    def compliance(self, name: str) -> dict[str, Any]:
        """Judge the table of a product by its newest contract, now.

        Raises:
            UnknownName: There is no such product, or no table of that name.
        """
        contract = self._contract(name)
        declared = self.location.catalog.datasets.get(name)
        lake = self.location.lake
        if declared is None or not lake.exists(table_spec(declared)):
            raise UnknownName("table", name, [dataset for dataset in self.location.catalog.datasets if dataset != name])
        return asdict(compliance_of(self.location, contract, name))

    def odps(self, name: str) -> dict[str, Any]:
        """Return a product as the Open Data Product Standard describes one, with its contract as the output port.

        Raises:
            UnknownName: There is no such product.
        """
        dataset = self._contract(name)
        contract = to_odcs(dataset)
        description = {"purpose": dataset.about}
        return {
            "apiVersion": "v1.0.0",
            "kind": "DataProduct",
            "id": str(contract["id"]),
            "name": name,
            "version": dataset.version,
            "status": "active",
            "domain": dataset.domain,
            "tags": list(dataset.tags),
            "description": description,
            "outputPorts": [
                {
                    "name": name,
                    "version": dataset.version,
                    "contractId": str(contract["id"]),
                    "type": dataset.store.format,
                }
            ],
            "team": {"name": dataset.owner},
        }

    def _contract(self, name: str) -> Dataset:
        """Return what is declared here, else what was registered last.

        Raises:
            UnknownName: Neither.
        """
        declared = self.location.catalog.datasets.get(name)
        if declared is not None:
            return declared
        newest = self.registry.newest(name) if name in self.registry.names() else None
        if newest is None:
            raise UnknownName("product", name, self.names())
        return newest
