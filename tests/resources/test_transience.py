"""Only what passes by itself is tried again."""

import dagster as dg
import pytest

from platform_resources.errors import InvalidRows, WriteConflict
from platform_resources.transience import is_transient, retry_transient

UNKNOWN = "AWS Error UNKNOWN (HTTP status 400)"


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionResetError("peer"), True),
        (TimeoutError(), True),
        (OSError("Generic S3 error: error sending request for url"), True),
        (WriteConflict("shop/sales", 3), True),
        (InvalidRows("shop/sales", "sale", (None,), "null key", fix="fill it"), False),
        (PermissionError("403"), False),
        (ValueError("error sending request"), False),
        (OSError("AWS Error SLOW_DOWN during GetObject operation: Reduce your request rate"), True),
        (OSError("AWS Error VALIDATION during GetObject operation: Response checksums mismatch"), True),
        (
            OSError(f"{UNKNOWN} during HeadObject operation: No response body."),
            True,
        ),
        (
            OSError(f"{UNKNOWN} during GetObject operation: Unable to parse ExceptionName: BadRequest Message: no"),
            False,
        ),
        (OSError("AWS Error ACCESS_DENIED during GetObject operation: no"), False),
    ],
)
def test_an_error_is_transient_when_the_world_may_be_better_later(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


def test_a_transient_error_asks_for_a_retry_and_a_permanent_one_goes_on_as_it_is() -> None:
    with pytest.raises(dg.RetryRequested), retry_transient():
        raise TimeoutError
    with pytest.raises(ValueError, match="wrong"), retry_transient():
        raise ValueError("wrong")
