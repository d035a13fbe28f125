"""An isolation forest as flat arrays: trained in NumPy, and scored for all rows and trees at once.

A tree asks at each node whether a value is at or above a threshold; rows that end early are easy to set apart. A score
is `2 ** (-mean path / path expected at random)`: near 1 is odd, below 0.5 is usual.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees, node by node; a leaf asks nothing: its threshold is infinite and its child is itself.

    Attributes:
        feature: the column that a node asks.
        threshold: values at or above it go to `child + 1`, others to `child`.
        child: the node for values below.
        path: the length of the path to a leaf, with what its rows would have gone on; 0 at other nodes.
        roots: the first node of each tree.
        depth: the longest path.
        expected: the mean path of as many rows as a tree was trained on.
    """

    feature: npt.NDArray[np.int64]
    threshold: Values
    child: npt.NDArray[np.int64]
    path: Values
    roots: npt.NDArray[np.int64]
    depth: int
    expected: float


def train_forest(rows: Values, rng: np.random.Generator, *, trees: int = 100, sample: int = 256) -> Forest:
    """Train on a matrix without NaN: each tree on its own sample of rows, drawn without replacement."""
    size = min(sample, len(rows))
    depth = max(1, int(np.ceil(np.log2(max(2, size)))))
    nodes: list[tuple[int, float, int, float]] = []
    roots = []
    for _ in range(trees):
        roots.append(len(nodes))
        nodes.append((0, np.inf, len(nodes), 0.0))
        _grow(rows[rng.choice(len(rows), size, replace=False)], roots[-1], nodes, rng, depth)
    feature, threshold, child, path = zip(*nodes, strict=True)
    return Forest(
        np.array(feature, np.int64), np.array(threshold), np.array(child, np.int64), np.array(path),
        np.array(roots, np.int64), depth, _expected_path(size),
    )  # fmt: skip


def score_forest(forest: Forest, rows: Values) -> Values:
    """Return the score of each row; the bits do not depend on which rows are scored together."""
    scores = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        number = np.arange(len(part))[:, None]
        node = np.broadcast_to(forest.roots, (len(part), len(forest.roots)))
        for _ in range(forest.depth):
            node = forest.child[node] + (part[number, forest.feature[node]] >= forest.threshold[node])
        # A running sum: what numpy's own sum adds first depends on the shape of the matrix.
        total = np.cumsum(forest.path[node], axis=1)[:, -1]
        scores[start : start + len(part)] = total
    return np.exp2(-scores / len(forest.roots) / forest.expected)


def _grow(
    rows: Values,
    node: int,
    nodes: list[tuple[int, float, int, float]],
    rng: np.random.Generator,
    depth: int,
    walked: int = 0,
) -> None:
    lowest, highest = rows.min(axis=0), rows.max(axis=0)
    columns = np.flatnonzero(highest > lowest)
    if walked == depth or len(rows) <= 1 or not len(columns):
        nodes[node] = (0, np.inf, node, walked + _expected_path(len(rows)))
        return
    column = int(rng.choice(columns))
    threshold = float(rng.uniform(lowest[column], highest[column]))
    if not lowest[column] < threshold <= highest[column]:  # the ends of a narrow range round together
        threshold = float(highest[column])
    above = rows[:, column] >= threshold
    child = len(nodes)
    nodes[node] = (column, threshold, child, 0.0)
    nodes += [(0, np.inf, child, 0.0), (0, np.inf, child + 1, 0.0)]
    _grow(rows[~above], child, nodes, rng, depth, walked + 1)
    _grow(rows[above], child + 1, nodes, rng, depth, walked + 1)


def _expected_path(count: int) -> float:
    """Return the mean path of a search that fails in a random tree of so many rows."""
    if count <= 1:
        return 0.0
    return 2 * (float(np.log(count - 1)) + 0.5772156649015329) - 2 * (count - 1) / count
