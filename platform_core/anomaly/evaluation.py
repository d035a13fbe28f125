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
    odd, flagged = rows["odd"].sum(), rows["score"] >= limit
    hits, usual = (flagged & rows["odd"]).sum(), rows.height - odd
    ranks = rows["score"].rank("average")
    below = ranks.filter(rows["odd"]).sum() - odd * (odd + 1) / 2
    return Evaluation(
        rows=rows.height,
        odd=odd,
        precision=hits / flagged.sum() if flagged.any() else None,
        recall=hits / odd if odd else None,
        auc=below / (odd * usual) if odd and usual else None,
    )
