"""How good scores are, on rows of which somebody knows whether they are odd."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Evaluation:
    """What scores are worth.

    Attributes:
        rows: Labelled rows.
        odd: Of them, those that are odd.
        precision: Of the rows that score 1 or more, the share that is odd; None where none scores so.
        recall: Of the odd rows, the share that scores 1 or more; None where none is odd.
        auc: How often an odd row scores above a usual one, ties counting half; None where there is only one kind.
    """

    rows: int
    odd: int
    precision: float | None
    recall: float | None
    auc: float | None


def evaluate_scores(scores: pl.Series, is_odd: pl.Series, *, limit: float = 1.0) -> Evaluation:
    """Compare scores with labels; rows without a score or a label do not count.

    Args:
        scores: A number a row; odd is what reaches the limit, the limit included.
        is_odd: Whether the row is odd, as somebody knows.
        limit: From which a score says that it is.
    """
    rows = pl.DataFrame({"score": scores, "odd": is_odd}).drop_nulls()
    flagged = rows.filter(pl.col("score") >= limit)
    odd, hits = rows.filter("odd").height, flagged.filter("odd").height
    usual = rows.height - odd
    ranks = rows.select(pl.col("score").rank("average").filter("odd").sum()).item()
    below = float(ranks) - odd * (odd + 1) / 2
    return Evaluation(
        rows=rows.height,
        odd=odd,
        precision=hits / flagged.height if flagged.height else None,
        recall=hits / odd if odd else None,
        auc=below / (odd * usual) if odd and usual else None,
    )
