"""What readers raise at a damaged file, as one error that quotes nothing of its content."""

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from platform_resources.errors import ConversionError


def refuse_damage(action: Callable[[], Any], name: str) -> Any:
    """Return what the action returns.

    Raises:
        ConversionError: The file is damaged.
    """
    import pyarrow as pa

    try:
        return action()
    except (PolarsError, PanicException, pa.ArrowException, OSError, EOFError, ValueError, RuntimeError) as error:
        raise ConversionError(
            name, f"is damaged or was cut off ({type(error).__name__})", fix="send it again"
        ) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] in {"fastexcel", "deltalake"}:
            raise ConversionError(name, f"cannot be opened ({type(error).__name__})", fix="send it again") from error
        raise


def refuse_damaged_frames(frames: Iterator[pl.DataFrame], name: str) -> Iterator[pl.DataFrame]:
    """Pass frames on.

    Raises:
        ConversionError: Damage shows in the middle of the file.
    """
    while True:
        frame = refuse_damage(lambda: next(frames, None), name)
        if frame is None:
            return
        yield frame
