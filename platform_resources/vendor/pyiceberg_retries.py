"""How often Arrow's S3 client tries a request: pyiceberg takes the name of something that makes a strategy, no number.

So each name here, `attempts_8`, is the number of the settings. Arrow's own default is three.
"""

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyarrow.fs import S3RetryStrategy

_NAME = "attempts_"


def __getattr__(name: str) -> "partial[S3RetryStrategy]":
    """Return what makes a strategy of as many attempts as the name says.

    >>> attempts_5().max_attempts
    5
    """
    if not name.startswith(_NAME) or not name.removeprefix(_NAME).isdigit():
        raise AttributeError(name)
    from pyarrow.fs import AwsStandardS3RetryStrategy

    return partial(AwsStandardS3RetryStrategy, max_attempts=int(name.removeprefix(_NAME)))
