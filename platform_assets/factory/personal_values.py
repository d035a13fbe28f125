"""Errors of a transform whose inputs hold personal data: libraries quote values, and Dagster keeps what was raised."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from platform_core.contracts import Dataset
from platform_core.errors import CoreError
from platform_resources.errors import ResourceError
from platform_resources.transience import is_transient


@contextmanager
def withhold_personal_values(dataset: Dataset, inputs: Sequence[Dataset]) -> Iterator[None]:
    """Let errors pass where no input has a personal column; else raise what says type and place, and no value.

    Errors of the platform itself pass, for they name no values; so does what the function says by `dagster.Failure`.

    Raises:
        dagster.Failure: In the place of what was raised.
    """
    personal = [f"{above.name}.{column.name}" for above in inputs for column in above.columns if column.pii]
    if not personal:
        yield
        return
    try:
        yield
    except (dg.Failure, CoreError):
        raise
    except ResourceError as error:
        raise error from None  # what a library said of it may be a value
    except Exception as error:  # whatever a function or a library raises
        if is_transient(error):  # the network's, which is tried again
            raise
        withheld = type(error).__name__, _place(error)
    else:
        return
    raise dg.Failure(
        f"{dataset.name}: its transform raised {withheld[0]}{withheld[1]}. What it says is withheld, for it may quote "
        f"personal data ({', '.join(personal)}). Fix: test the function on generated rows, where nothing is withheld.",
        allow_retries=False,
    ) from None


def _place(error: Exception) -> str:
    """Return the line of the user's own code nearest to the error; empty where it lies in libraries alone."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_foreign(frame.filename)]
    return f" in {own[-1].filename.rpartition('/')[2]}, line {own[-1].lineno}" if own else ""


def _is_foreign(file: str) -> bool:
    return "site-packages" in file or "/platform_assets/factory/" in file or "/platform_resources/" in file
