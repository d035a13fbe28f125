"""`platform synth`: files of generated data, from contracts, from a recipe, or like a sample."""

# ruff: noqa: PLC0415, FBT002 - flags are booleans; commands import what they need when called, so that help answers at once

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer
from typer.core import TyperGroup

from platform_assets.entrypoints.options import Json

if TYPE_CHECKING:
    from platform_assets.operations.generated_files import FileFormat, GeneratedFile


class _Group(TyperGroup):
    """Takes words that are no subcommand as those of `make`: `platform synth DATASET` needs no further word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, "-h", "--help"}:
            args = ["make", *args]
        return super().parse_args(ctx, args)


commands = typer.Typer(
    name="synth",
    cls=_Group,
    help="Generated data: platform synth DATASET… or --recipe FILE; like a sample by fit and sample.",
)


@commands.command("make")
def make(  # noqa: PLR0913, PLR0917 - Typer makes an option of each thing that may be known
    context: typer.Context,
    datasets: Annotated[list[str] | None, typer.Argument(help="Datasets to make rows of, domain/dataset.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A YAML file of tables, time series, images; with DATASETS, it refines these.")
    ] = None,
    rows: Annotated[int | None, typer.Option(min=0, help="Rows of each table; 1,000, or the recipe's own.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same rows; 0, or the recipe's own.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("generated"),
    file_format: Annotated[str, typer.Option("--format", help="parquet, csv, jsonl, json or arrow.")] = "parquet",
    json: Json = False,
) -> None:
    """Make files of generated data, from contracts, from a recipe, or from contracts that a recipe refines."""
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.generated_files import generate_datasets, generate_recipes
    from platform_assets.operations.refined_catalog import read_document
    from platform_core.plugins import GENERATORS, load_plugins
    from platform_core.synthetic.recipes import recipes_of

    if not datasets and recipe is None:
        raise typer.BadParameter("name datasets, or a file with --recipe, or both", param_hint="DATASETS")
    kind = _format(file_format)
    if recipe is not None and not datasets:
        recipes = recipes_of(read_document(recipe), name=recipe.name, generators=load_plugins(GENERATORS))
        files = generate_recipes(recipes, rows=rows, seed=seed, out=out, file_format=kind)
    else:
        from platform_assets.entrypoints.locations import open_location
        from platform_assets.operations.datasets import find_dataset

        location = open_location(context.obj)
        names = [find_dataset(location.catalog, name).name for name in datasets or ()]
        document = None if recipe is None else (read_document(recipe), recipe.name)
        files = generate_datasets(
            location.catalog, names, rows=rows, seed=seed, out=out, file_format=kind, recipe=document
        )
    if json:
        print_json(files)
    else:
        screen().print(_table(files))


@commands.command("commerce")
def make_shop(
    scale: Annotated[
        float, typer.Option(min=0.0001, max=99.9, help="1 is 10,000 customers and 770,000 events; up to 99.9.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="The same seed makes the same shop.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("generated"),
    file_format: Annotated[str, typer.Option("--format", help="parquet, csv, jsonl, json or arrow.")] = "parquet",
    json: Json = False,
) -> None:
    """Make a shop: customers, products, orders, lines, payments, events, which agree with one another."""
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.generated_files import generate_shop

    files = generate_shop(scale=scale, seed=seed, out=out, file_format=_format(file_format))
    if json:
        print_json(files)
    else:
        screen().print(_table(files))


@commands.command("fit")
def fit_model(  # noqa: PLR0913, PLR0917 - an option each
    context: typer.Context,
    sample: Annotated[str, typer.Argument(metavar="DATASET|FILE", help="A dataset, or a file in any format.")],
    group_by: Annotated[
        str, typer.Option("--group-by", help="Columns within which the others go together, with commas.")
    ] = "",
    personal: Annotated[str, typer.Option(help="Columns of which no value may be kept, with commas.")] = "",
    out: Annotated[Path, typer.Option(help="File of the model, JSON.")] = Path("model.json"),
    report: Annotated[Path | None, typer.Option(help="Write a page on how alike drawn rows are.")] = None,
    seed: Annotated[int, typer.Option(help="Of what the report draws.")] = 0,
    json: Json = False,
) -> None:
    """Learn a sample: how its columns are spread and go together; no row of it is kept."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import count, print_result
    from platform_assets.operations.samples import FittedSample, fit_sample

    def render(fitted: FittedSample) -> str:
        rare = f"; {count(fitted.suppressed, 'row')} of rare groups left out" if fitted.suppressed else ""
        page = f"; {report} shows how alike" if report else ""
        return f"{count(fitted.rows, 'row')} learnt in {count(fitted.groups, 'group')}{rare}: {fitted.model}{page}"

    fitted = fit_sample(
        open_location(context.obj), sample, group_by=_words(group_by), personal=_words(personal), out=out,
        report=report, seed=seed,
    )  # fmt: skip
    print_result(fitted, render, json)


@commands.command("sample")
def draw_rows(
    model: Annotated[Path, typer.Argument(help="A file of platform synth fit.")],
    rows: Annotated[int, typer.Option(min=0, help="How many.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed draws the same rows.")] = 0,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("sample.parquet"),
    json: Json = False,
) -> None:
    """Draw rows that are like a sample from its model."""
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.samples import draw_sample

    file = draw_sample(model, rows=rows, seed=seed, out=out, file_format=_format(out.suffix.removeprefix(".")))
    if json:
        print_json(file)
    else:
        screen().print(_table([file]))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _format(text: str) -> "FileFormat":
    from platform_assets.operations.generated_files import FORMATS

    known = next((name for name in FORMATS if name == text), None)
    if known is None:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(FORMATS)}", param_hint="format")
    return known


def _table(files: "list[GeneratedFile]") -> Any:
    from platform_assets.entrypoints.screen import table

    page = table("made", "rows", "bytes", "lies at", numbers=("rows", "bytes"), fixed=("made", "lies at"))
    for file in files:
        page.add_row(file.name, f"{file.rows:,}", f"{file.size_bytes:,}", file.path)
    return page
