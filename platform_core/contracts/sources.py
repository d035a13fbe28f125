"""Where rows come from. A source is a description; `platform_resources` reads it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Files:
    """Files that land under the landing folder of the dataset's domain, by a glob on the name.

    Attributes:
        pattern: A glob on the file's name within the domain's landing folder: `"flights-*.parquet"`.
        null_values: Texts that mean null in CSV and JSON, besides the empty text.
        extra_columns: `"refuse"` sends a file with a column the contract does not name to quarantine;
            `"ignore"` drops the column and says so in the `schema` check.
    """

    pattern: str
    null_values: Sequence[str] = ("NA",)
    extra_columns: str = "refuse"


@dataclass(frozen=True)
class Generated:
    """Rows made from the contract by the seeded generator: the same seed gives the same rows."""

    rows: int
    seed: int = 0


Source = Files | Generated
