"""What may be said about a conversion before it, and what is known after it."""

from collections.abc import Mapping
from dataclasses import dataclass

from platform_resources.conversion.blocks import Verify


@dataclass(frozen=True, kw_only=True)
class Options:
    """What somebody knows better than the file tells; None finds it out.

    Attributes:
        to: The target's format.
        compression: Of the target.
        encoding: Of a source that is text.
        delimiter: Of a CSV source.
        header: Whether the first record of a CSV source names its columns.
        as_text: All columns of a CSV source stay texts.
        sheet: Of a workbook; the first one.
        header_row: The row of a workbook that names the columns, from 1.
        malformed: The share of rows that may be set aside, from 0 to 1; beyond it nothing is written. Any for None.
        overwrite: Whether what stands under the target's name may be replaced.
        rejects: Where malformed rows go; beside the target.
        memory_bytes: All memory the process may have; the settings' by default.
        verify: How much of a text is parsed again once it is written: a sample, or all. Its bytes are compared and its
            rows counted in any case; of other formats every row is read back.
    """

    to: str | None = None
    compression: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    as_text: bool = False
    sheet: str | None = None
    header_row: int = 1
    malformed: float | None = None
    overwrite: bool = False
    rejects: str | None = None
    memory_bytes: int | None = None
    verify: Verify = "sample"


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What was done.

    Attributes:
        source: As it was named.
        source_format: What it is.
        source_compression: Around it; None for none.
        encoding: Of a text; None for a binary format.
        encoding_certain: False where the encoding is a guess.
        delimiter: Of a CSV file.
        header: Whether the first record of a CSV file named its columns; None of other files.
        target: As it was named.
        target_format: How it was written.
        rows: Rows written.
        rejected: Rows set aside.
        rejects: Where they are; None where there are none.
        columns: Names and types as they were written.
        changes: In words, of each column that the target's format cannot hold in its own type.
        nulled: NaN and infinite values that became null, because JSON has none.
        parsed_rows: Of those, how many were read back and compared with what went in.
        verified: What was compared, in words.
        content_hash: Of the rows, whatever their order; None where only some were parsed.
        engine: What read and wrote.
        read_bytes: Size of the source.
        written_bytes: Size of the target.
        seconds: It took.
        chunk_rows: The size of chunk at which it arrived; None where DuckDB chose.
        workers: In how many hands; None where DuckDB chose.
    """

    source: str
    source_format: str
    source_compression: str | None
    encoding: str | None
    encoding_certain: bool
    delimiter: str | None
    header: bool | None
    target: str
    target_format: str
    rows: int
    rejected: int
    rejects: str | None
    columns: Mapping[str, str]
    changes: Mapping[str, str]
    nulled: int
    parsed_rows: int
    verified: str
    content_hash: str | None
    engine: str
    read_bytes: int
    written_bytes: int
    seconds: float
    chunk_rows: int | None
    workers: int | None
