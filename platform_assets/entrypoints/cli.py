"""`platform`: the command line, and the edge where errors become one readable message.

Commands are the modules of `commands`; they import what they need when they are called.
"""

# ruff: noqa: PLC0415, FBT002 - see above: Dagster alone takes seconds; and Typer makes flags of booleans

import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from platform_assets.entrypoints import commands
from platform_assets.entrypoints.interrupts import heed_interrupts

_BRANCH = "PLATFORM_BRANCH"

app = typer.Typer(
    name="platform",
    help="What datasets there are, how they stand, and what was set aside of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}."):
    app.add_typer(importlib.import_module(_module.name).commands)


@app.callback()
def options(
    context: typer.Context,
    package: Annotated[
        str | None,
        typer.Option(
            help="Root below which datasets are declared, such as my_company.domains; by pyproject.toml without."
        ),
    ] = None,
    branch: Annotated[
        str | None, typer.Option(help="Branch of data to work in; PLATFORM_BRANCH, or the environment's own, without.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Show what datasets there are, how they stand, and what was set aside of them."""
    context.obj = package
    context.meta["debug"] = debug
    if branch is not None:
        before = os.environ.get(_BRANCH)
        os.environ[_BRANCH] = branch  # so that whatever the command starts works in it, too
        context.call_on_close(lambda: _restore_branch(before))


def _restore_branch(before: str | None) -> None:
    if before is None:
        os.environ.pop(_BRANCH, None)
    else:
        os.environ[_BRANCH] = before


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 if it did its work, 1 if it could not, 2 if it was not understood."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is not None:
        return _run(words)
    heed_interrupts()
    code = _run(words)
    if "jpype" in sys.modules:  # a thread of Java's that calls Python while the interpreter ends aborts the process
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _run(words: list[str]) -> int:
    try:
        app(words, prog_name="platform")
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except Exception as error:
        if "--debug" in words:
            raise
        _report(error)
        return 1
    return 0


def _report(error: Exception) -> None:
    """Print an error on standard error; one that nobody foresaw says its kind and where to look."""
    from rich.markup import escape

    from platform_assets.entrypoints.screen import errors

    message = escape(str(error).strip())
    if not _is_foreseen(error):
        message = (
            f"{type(error).__name__}: {message}\nThis was not foreseen; platform --debug ... shows where it arose."
        )
    errors().print(f"[bold red]Error:[/] {message}")


def _is_foreseen(error: Exception) -> bool:
    from platform_assets.operations.errors import RequestError
    from platform_core.errors import CoreError
    from platform_resources.errors import ResourceError

    if isinstance(error, RequestError | CoreError | ResourceError):
        return True
    dagster = sys.modules.get("dagster")  # an error of Dagster's cannot arise before it is imported
    return dagster is not None and isinstance(error, dagster.Failure)


if __name__ == "__main__":
    sys.exit(main())
