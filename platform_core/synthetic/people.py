"""People of six countries: names, mail, telephone, address and company that go together, and are nobody's.

Mail goes to example.com (RFC 2606), telephone numbers have the prefix of a country and end in 555 01xx. Towns are real,
streets of their names are everywhere, who lives in them is made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from platform_core.synthetic.patterns import joined
from platform_core.synthetic.vocabulary import some


@dataclass(frozen=True)
class Country:
    """The vocabulary of a country: `street` has a place for its number, a town follows its postcode's digits."""

    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    streets: tuple[str, ...]
    towns: tuple[tuple[str, str], ...]
    postcode_digits: int
    telephone: str
    company: str
    number_first: bool = False


COUNTRIES: Mapping[str, Country] = {
    "DE": Country(
        ("Anna", "Ben", "Emma", "Felix", "Hanna", "Jonas", "Lena", "Leon", "Mia", "Paul", "Sophie", "Tim"),
        ("Becker", "Fischer", "Hoffmann", "Koch", "Meyer", "Müller", "Schmidt", "Schneider", "Wagner", "Weber"),
        ("Bahnhofstraße", "Gartenweg", "Hauptstraße", "Lindenallee", "Schulstraße"),
        (("10", "Berlin"), ("20", "Hamburg"), ("50", "Köln"), ("80", "München")), 5, "+49 30", "GmbH",
    ),
    "ES": Country(
        ("Alba", "Carlos", "Daniel", "Elena", "Hugo", "Javier", "Lucía", "Marta", "Pablo", "Sara"),
        ("Díaz", "Fernández", "García", "Gómez", "López", "Martín", "Pérez", "Romero", "Ruiz", "Sánchez"),
        ("Calle Mayor", "Calle del Sol", "Avenida de la Paz", "Plaza Nueva"),
        (("28", "Madrid"), ("08", "Barcelona"), ("41", "Sevilla"), ("46", "Valencia")), 5, "+34 91", "S.L.",
    ),
    "FR": Country(
        ("Camille", "Chloé", "Hugo", "Jules", "Louise", "Lucas", "Manon", "Nathan", "Paul", "Zoé"),
        ("Bernard", "Dubois", "Durand", "Lefèvre", "Leroy", "Martin", "Moreau", "Petit", "Robert", "Roux"),
        ("rue de la Gare", "rue des Écoles", "avenue Victor Hugo", "place du Marché"),
        (("75", "Paris"), ("69", "Lyon"), ("13", "Marseille"), ("31", "Toulouse")), 5, "+33 1", "SARL",
        number_first=True,
    ),
    "IT": Country(
        ("Alessandro", "Chiara", "Francesca", "Giulia", "Lorenzo", "Luca", "Marco", "Martina", "Matteo", "Sofia"),
        ("Bianchi", "Colombo", "Esposito", "Ferrari", "Greco", "Marino", "Ricci", "Romano", "Rossi", "Russo"),
        ("Via Garibaldi", "Via Roma", "Via Dante", "Corso Italia"),
        (("00", "Roma"), ("20", "Milano"), ("10", "Torino"), ("80", "Napoli")), 5, "+39 06", "S.r.l.",
    ),
    "NL": Country(
        ("Anouk", "Bram", "Daan", "Emma", "Finn", "Julia", "Lotte", "Sanne", "Sem", "Tess"),
        ("Bakker", "de Boer", "de Jong", "de Vries", "Jansen", "Meijer", "Mulder", "Smit", "Visser", "van Dijk"),
        ("Dorpsstraat", "Kerkstraat", "Molenweg", "Schoolstraat"),
        (("10", "Amsterdam"), ("30", "Rotterdam"), ("25", "Den Haag"), ("35", "Utrecht")), 4, "+31 20", "B.V.",
    ),
    "PL": Country(
        ("Adam", "Anna", "Jakub", "Jan", "Julia", "Katarzyna", "Maja", "Piotr", "Tomasz", "Zofia"),
        ("Dąbrowski", "Kamiński", "Kowalczyk", "Kowalski", "Lewandowski", "Nowak", "Szymański", "Wiśniewski", "Zając"),
        ("ul. Długa", "ul. Leśna", "ul. Ogrodowa", "ul. Polna"),
        (("00", "Warszawa"), ("30", "Kraków"), ("50", "Wrocław"), ("80", "Gdańsk")), 5, "+48 22", "sp. z o.o.",
    ),
}  # fmt: skip

PARTS = ("name", "email", "phone", "address", "company", "country")

_PLAIN = str.maketrans("áàâäçéèêëíîïóôöúüñąćęłńśźż", "aaaaceeeeiiiooouunacelnszz") | {ord("ß"): "ss", ord(" "): None}


def people(rng: np.random.Generator, start: int, rows: int, weights: Mapping[str, float]) -> pl.DataFrame:
    """Draw people with the columns `PARTS`; mail addresses carry the number of the row, from `start` on.

    Args:
        rng: The source of chance.
        start: The number of the first row.
        rows: How many.
        weights: How often each country comes; they need not sum to one.
    """
    names = sorted(weights)
    shares = np.cumsum([weights[name] for name in names])
    chosen = np.minimum(np.searchsorted(shares / shares[-1], rng.random(rows), side="right"), len(names) - 1)
    parts = [_people_of(name, rng, np.flatnonzero(chosen == place)) for place, name in enumerate(names)]
    drawn = pl.concat(parts).sort("row")
    plain = pl.Series([text.lower().translate(_PLAIN) for text in drawn["mailbox"]], dtype=pl.String)
    numbers = pl.int_range(start, start + rows, eager=True).cast(pl.String)
    mails = joined([plain, numbers, pl.Series(["@example.com"])])
    return drawn.with_columns(mails.alias("email")).select(PARTS)


def _people_of(name: str, rng: np.random.Generator, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pl.DataFrame:
    country, count = COUNTRIES[name], rows.size
    first, last = some(country.first_names, rng, count), some(country.last_names, rng, count)
    street, number = some(country.streets, rng, count), pl.Series(rng.integers(1, 200, count)).cast(pl.String)
    towns = rng.integers(0, len(country.towns), count)
    code = pl.Series([code for code, _ in country.towns], dtype=pl.String).gather(towns)
    town = pl.Series([town for _, town in country.towns], dtype=pl.String).gather(towns)
    digits = country.postcode_digits - 2
    rest = pl.Series(rng.integers(0, 10**digits, count)).cast(pl.String).str.zfill(digits)
    house = (number, street) if country.number_first else (street, number)
    line = pl.Series(rng.integers(0, 100, count)).cast(pl.String).str.zfill(2)

    def text(*parts: str | pl.Series) -> pl.Series:
        return joined([pl.Series([part]) if isinstance(part, str) else part for part in parts])

    return pl.DataFrame({
        "row": rows,
        "name": text(first, " ", last),
        "mailbox": text(first, ".", last, "."),
        "phone": text(country.telephone, " 555 01", line),
        "address": text(house[0], " ", house[1], ", ", code, rest, " ", town),
        "company": text(last, " ", country.company),
        "country": pl.Series([name] * count, dtype=pl.String),
    })  # fmt: skip
