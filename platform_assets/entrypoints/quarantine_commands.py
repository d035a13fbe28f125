"""The commands `platform quarantine list | show | fix | replay | discard`."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import Annotated, Literal

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Name = Annotated[str, typer.Argument(help="Name of the dataset, domain/dataset.")]
Envelope = Annotated[str, typer.Argument(help="Id of the envelope, as platform quarantine list shows it.")]
Shown = Literal["open", "replayed", "discarded", "all"]

quarantine = typer.Typer(
    name="quarantine", help="Rows that were set aside: look, fix, replay, discard.", no_args_is_help=True
)


@quarantine.command("list")
def list_(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Argument(help="Name of the dataset; all without.")] = None,
    decision: Annotated[Shown, typer.Option(help="Only envelopes that were so decided.")] = "open",
    rule: Annotated[str | None, typer.Option(help="Only envelopes that break this rule, by its id.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows in the table; 0 for all. JSON has all.")] = 50,
    json: Json = False,
) -> None:
    """Lists what was set aside, oldest first."""
    from datetime import UTC, datetime

    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.envelopes import listing
    from platform_assets.entrypoints.quarantine import held
    from platform_assets.entrypoints.screen import print_json, screen

    found = held(Door(context.obj), dataset, decision, rule)
    if json:
        print_json(found)
    else:
        screen().print(listing(found, limit=limit, decision=decision, now=datetime.now(UTC)))


@quarantine.command()
def show(
    context: typer.Context,
    dataset: Name,
    envelope: Envelope,
    unmask: Annotated[bool, typer.Option("--unmask", help="Show personal data; in development only.")] = False,
    json: Json = False,
) -> None:
    """Shows one envelope: the row as it came, why it was refused, its fix; personal data is masked."""
    from datetime import UTC, datetime

    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.envelopes import page
    from platform_assets.entrypoints.quarantine import json_of, opened
    from platform_assets.entrypoints.screen import print_json, screen

    found = opened(Door(context.obj), dataset, envelope, unmask=unmask)
    if json:
        print_json(json_of(found))
    else:
        screen().print(page(found, datetime.now(UTC)))


@quarantine.command()
def fix(
    context: typer.Context,
    dataset: Name,
    envelope: Envelope,
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="COLUMN=VALUE", help="A value to replay with; COLUMN= is null. Repeat."),
    ],
    json: Json = False,
) -> None:
    """Mends one row: a replay, and every later ingest of its source, reads the values set here."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.envelopes import mended
    from platform_assets.entrypoints.quarantine import mend
    from platform_assets.entrypoints.screen import print_json, screen

    done = mend(Door(context.obj), dataset, envelope, settings)
    if json:
        print_json(done)
    else:
        screen().print(mended(done), soft_wrap=True)


@quarantine.command()
def replay(
    context: typer.Context,
    dataset: Name,
    envelopes: Annotated[list[str] | None, typer.Argument(help="Ids of envelopes; all open ones without.")] = None,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait", show_default=False, help="Whether to wait for the backfill; it waits unless told."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Merges rows if the rules let them now: as a Dagster backfill, or in this process where no daemon is alive."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.envelopes import replayed
    from platform_assets.entrypoints.replays import replay as replay_
    from platform_assets.entrypoints.screen import errors, print_json, screen

    door = Door(context.obj)
    with errors().status(f"Replaying {dataset}"):
        done = replay_(door, dataset, envelopes or [], wait=wait)
    if json:
        print_json(done)
    else:
        screen().print(replayed(done))


@quarantine.command()
def discard(
    context: typer.Context,
    dataset: Name,
    envelopes: Annotated[list[str], typer.Argument(help="Ids of envelopes.")],
    reason: Annotated[str, typer.Option(help="Why these rows may be left out; kept with them.")],
    json: Json = False,
) -> None:
    """Leaves rows, or whole files, out for good; they stay listed and counted."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.quarantine import discard as discard_
    from platform_assets.entrypoints.screen import count, print_json, screen

    done = discard_(Door(context.obj), dataset, envelopes, reason)
    if json:
        print_json(done)
    else:
        screen().print(f"{dataset}: {count(len(done), 'envelope')} discarded", soft_wrap=True, highlight=False)
