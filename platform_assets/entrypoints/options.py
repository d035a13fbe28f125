"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
DatasetName = Annotated[str, typer.Argument(help="Name of the dataset, domain/dataset.")]
RowsName = Annotated[str, typer.Argument(metavar="DATASET|FILE", help="A dataset, or a file in any format.")]

RegistryFolder = Annotated[Path, typer.Option("--registry", help="Folder of published contracts.")]
REGISTRY = Path("contracts")

Sheet = Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook; the first without.")]
HeaderRow = Annotated[int, typer.Option("--header-row", min=1, help="Row of a workbook that names the columns.")]
