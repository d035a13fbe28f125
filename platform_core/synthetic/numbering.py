"""Numbers without repetition: a row's place among many, shuffled or upwards with gaps, from its number alone."""

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]

GAP = 10
"""Serial numbers take one place out of so many."""

_ROUNDS = 4
_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)


def permuted(numbers: npt.NDArray[np.uint64], count: int, key: int) -> Places:
    """Give each number below `count` another one below it, no two the same: a Feistel network that walks its cycles."""
    bits = max(1, (max(count - 1, 1).bit_length() + 1) // 2)
    shuffled = _network(numbers, bits, key)
    beyond = np.flatnonzero(shuffled >= count)
    while beyond.size:
        shuffled[beyond] = _network(shuffled[beyond], bits, key)
        beyond = beyond[shuffled[beyond] >= count]
    return shuffled.astype(np.int64)


def numbered(numbers: npt.NDArray[np.uint64], key: int) -> Places:
    """Give each number a place in the stretch of `GAP` places that is its own."""
    return (numbers * np.uint64(GAP) + _mixed(numbers, key) % np.uint64(GAP)).astype(np.int64)


def _network(numbers: npt.NDArray[np.uint64], bits: int, key: int) -> npt.NDArray[np.uint64]:
    mask, shift = np.uint64((1 << bits) - 1), np.uint64(bits)
    left, right = numbers >> shift, numbers & mask
    for turn in range(_ROUNDS):
        left, right = right, left ^ (_mixed(right, key + turn) & mask)
    return np.asarray((left << shift) | right)


def _mixed(numbers: npt.NDArray[np.uint64], key: int) -> npt.NDArray[np.uint64]:
    """Mix the bits of numbers with a key; overflow wraps, as it does on every machine."""
    mixed = (numbers ^ np.uint64(key % 2**64)) * np.uint64(_FACTORS[0])
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(_FACTORS[1])
    return np.asarray(mixed ^ (mixed >> np.uint64(29)))
