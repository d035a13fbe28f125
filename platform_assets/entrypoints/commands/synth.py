"""`platform synth`: files of generated data, from contracts or from a recipe."""

# ruff: noqa: PLC0415, FBT002 - flags are booleans; commands import what they need when called, so that help answers at once

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.entrypoints.options import Json

if TYPE_CHECKING:
    from platform_assets.operations.generated_files import FileFormat, GeneratedFile


commands = typer.Typer()


@commands.command()
def synth(  # noqa: PLR0913, PLR0917 - Typer makes an option of each thing that may be known
    context: typer.Context,
    datasets: Annotated[list[str] | None, typer.Argument(help="Datasets to make rows of, domain/dataset.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A YAML file of tables, time series and images, instead of datasets.")
    ] = None,
    rows: Annotated[int | None, typer.Option(min=0, help="Rows of each table; 1,000, or the recipe's own.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same rows; 0, or the recipe's own.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("generated"),
    file_format: Annotated[str, typer.Option("--format", help="parquet, csv, jsonl, json or arrow.")] = "parquet",
    json: Json = False,
) -> None:
    """Make files of generated data, from contracts or from a recipe."""
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.generated_files import generate_datasets, generate_recipes
    from platform_core.synthetic.recipes import recipes_of

    if bool(datasets) == (recipe is not None):
        raise typer.BadParameter("name datasets, or a file with --recipe, one of them", param_hint="DATASETS")
    kind = _format(file_format)
    if recipe is not None:
        recipes = recipes_of(_mapping(recipe), name=recipe.name)
        files = generate_recipes(recipes, rows=rows, seed=seed, out=out, file_format=kind)
    else:
        from platform_assets.entrypoints.locations import open_location
        from platform_assets.operations.datasets import find_dataset

        location = open_location(context.obj)
        names = [find_dataset(location.catalog, name).name for name in datasets or ()]
        files = generate_datasets(
            location.catalog, names, rows=1000 if rows is None else rows, seed=seed or 0, out=out, file_format=kind
        )
    if json:
        print_json(files)
    else:
        screen().print(_table(files))


def _format(text: str) -> "FileFormat":
    from platform_assets.operations.generated_files import FORMATS

    known = next((name for name in FORMATS if name == text), None)
    if known is None:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(FORMATS)}", param_hint="--format")
    return known


def _mapping(path: Path) -> Any:
    import yaml

    from platform_assets.operations.errors import RequestError

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be read ({error.strerror}). Fix: name a YAML file with --recipe."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: is no YAML in UTF-8: {error}. Fix: correct it.") from error


def _table(files: "list[GeneratedFile]") -> Any:
    from platform_assets.entrypoints.screen import table

    page = table("made", "rows", "bytes", "lies at", numbers=("rows", "bytes"), fixed=("made", "lies at"))
    for file in files:
        page.add_row(file.name, f"{file.rows:,}", f"{file.size_bytes:,}", file.path)
    return page
