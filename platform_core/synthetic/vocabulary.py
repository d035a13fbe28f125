"""Small word lists, and plausible personal data made of them: nobody's mailbox, nobody's telephone, nobody's card.

Mail goes to example.com (RFC 2606), addresses of machines lie in the documentation ranges (RFC 5737), telephone numbers
end in 555-01xx, card numbers carry the test prefix 4000 00 and a right check digit, national ids start with 9.
"""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from platform_core.synthetic.patterns import joined

Texts = Callable[[np.random.Generator, int], pl.Series]

_FIRST = (
    "Ada", "Alan", "Amina", "Anna", "Arjun", "Beatriz", "Chen", "Clara", "Daniel", "Edith", "Elif", "Emil", "Fatima",
    "Grace", "Hugo", "Ines", "Ivan", "Jonas", "Kaito", "Lea", "Liam", "Lucia", "Maja", "Mateo", "Mei", "Nadia", "Noah",
    "Olga", "Omar", "Priya", "Rosa", "Samir", "Sofia", "Tariq", "Uma", "Vera", "Wanjiru", "Yuki", "Zoe", "Zuri",
)  # fmt: skip
_LAST = (
    "Adeyemi", "Andersson", "Bauer", "Costa", "Diaz", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Hansen",
    "Ito", "Jansen", "Kaya", "Khan", "Kim", "Kowalski", "Lindqvist", "Lovelace", "Martin", "Mbeki", "Moreau", "Nguyen",
    "Novak", "Okafor", "Park", "Patel", "Petrov", "Rossi", "Santos", "Sato", "Silva", "Singh", "Smith", "Tanaka",
    "Turing", "Visser", "Weber", "Yilmaz", "Zhang",
)  # fmt: skip
_ADJECTIVES = (
    "amber", "bold", "brisk", "calm", "clear", "coral", "crisp", "deep", "early", "fair", "gentle", "golden", "grand",
    "green", "hollow", "ivory", "keen", "late", "light", "lunar", "mellow", "misty", "noble", "olive", "plain", "quiet",
    "rapid", "rustic", "sharp", "silver", "smooth", "solar", "spare", "steady", "sunny", "swift", "tidy", "vivid",
    "warm", "wild",
)  # fmt: skip
_NOUNS = (
    "anchor", "basket", "beacon", "bridge", "canyon", "cedar", "comet", "compass", "delta", "ember", "falcon", "fern",
    "garden", "harbor", "hazel", "island", "kettle", "ladder", "lantern", "maple", "meadow", "mirror", "needle",
    "orchard", "otter", "paddle", "pebble", "pepper", "pillow", "planet", "quartz", "ribbon", "river", "saddle",
    "shelter", "signal", "sparrow", "timber", "valley", "willow",
)  # fmt: skip
_STREETS = ("Birch Lane", "Canal Street", "Church Road", "Elm Avenue", "High Street", "Mill Road", "Oak Street")
_TOWNS = ("Ashford", "Brookfield", "Easton", "Fairview", "Greenville", "Lakeside", "Milton", "Riverside", "Springfield")
_TAIL = "0123456789abcdefghjkmnpqrstvwxyz"


def some(words: tuple[str, ...], rng: np.random.Generator, rows: int) -> pl.Series:
    """Words drawn evenly."""
    return pl.Series(words, dtype=pl.String).gather(rng.integers(0, len(words), rows, dtype=np.uint32))


def _numbers(rng: np.random.Generator, rows: int, low: int, high: int) -> pl.Series:
    return pl.Series(rng.integers(low, high, rows)).cast(pl.String)


def _same(text: str) -> pl.Series:
    return pl.Series([text], dtype=pl.String)


def words(rng: np.random.Generator, rows: int) -> pl.Series:
    """Two words: 1600 different texts."""
    return joined([some(_ADJECTIVES, rng, rows), _same(" "), some(_NOUNS, rng, rows)])


def many_words(rng: np.random.Generator, rows: int) -> pl.Series:
    """Two words and a tail of seven characters, for columns whose values must differ."""
    tails = [some(tuple(_TAIL), rng, rows) for _ in range(7)]
    return joined([words(rng, rows), _same("-"), *tails])


def _names(rng: np.random.Generator, rows: int) -> pl.Series:
    return joined([some(_FIRST, rng, rows), _same(" "), some(_LAST, rng, rows)])


def _emails(rng: np.random.Generator, rows: int) -> pl.Series:
    first, last = some(_FIRST, rng, rows).str.to_lowercase(), some(_LAST, rng, rows).str.to_lowercase()
    return joined([first, _same("."), last, _numbers(rng, rows, 1, 10**9), _same("@example.com")])


def _phones(rng: np.random.Generator, rows: int) -> pl.Series:
    line = _numbers(rng, rows, 0, 100).str.zfill(2)
    return joined([_same("+1-"), _numbers(rng, rows, 201, 990), _same("-555-01"), line])


def _addresses(rng: np.random.Generator, rows: int) -> pl.Series:
    return joined([_numbers(rng, rows, 1, 400), _same(" "), some(_STREETS, rng, rows), _same(", "),
                   some(_TOWNS, rng, rows)])  # fmt: skip


def _national_ids(rng: np.random.Generator, rows: int) -> pl.Series:
    return joined([_numbers(rng, rows, 900, 1000), _same("-"), _numbers(rng, rows, 10, 100), _same("-"),
                   _numbers(rng, rows, 1000, 10_000)])  # fmt: skip


def _cards(rng: np.random.Generator, rows: int) -> pl.Series:
    digits = np.concatenate([np.tile([4, 0, 0, 0, 0, 0], (rows, 1)), rng.integers(0, 10, (rows, 9))], axis=1)
    doubled = digits[:, ::2] * 2
    total = (doubled // 10 + doubled % 10).sum(axis=1) + digits[:, 1::2].sum(axis=1)
    whole = digits @ 10 ** np.arange(15, 0, -1) + (-total) % 10
    return pl.Series(whole).cast(pl.String)


def _machines(rng: np.random.Generator, rows: int) -> pl.Series:
    nets = ("192.0.2.", "198.51.100.", "203.0.113.")
    return joined([some(nets, rng, rows), _numbers(rng, rows, 1, 255)])


def _places(rng: np.random.Generator, rows: int) -> pl.Series:
    latitude, longitude = (pl.Series(rng.uniform(-span, span, rows).round(4)).cast(pl.String) for span in (90, 180))
    return joined([latitude, _same(", "), longitude])


def _birth_dates(rng: np.random.Generator, rows: int) -> pl.Series:
    return pl.Series(rng.integers(*BIRTH_DAYS, rows)).cast(pl.Date).dt.to_string("%Y-%m-%d")


def _remarks(rng: np.random.Generator, rows: int) -> pl.Series:
    return joined([_same("Please leave the "), words(rng, rows), _same(" with "), some(_FIRST, rng, rows), _same(".")])


BIRTH_DAYS = (-10_957, 13_149)
"""From 1940 to 2005, in days since 1970."""

PERSONAL: Mapping[str, Texts] = {
    "name": _names,
    "email": _emails,
    "phone": _phones,
    "address": _addresses,
    "national_id": _national_ids,
    "card": _cards,
    "ip_address": _machines,
    "birth_date": _birth_dates,
    "location": _places,
    "free_text": _remarks,
}
