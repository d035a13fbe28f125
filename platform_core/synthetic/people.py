"""People of many countries: names, mail, telephone, address and company that go together, and are nobody's.

Mail goes to example.com (RFC 2606), telephone numbers have the prefix of a country and go on with 555 01. Towns are
real, streets of their names are everywhere, who lives in them is made up.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from platform_core.synthetic.patterns import joined


@dataclass(frozen=True)
class Country:
    """The vocabulary of a country.

    Attributes:
        alpha3: Its code of three letters, ISO 3166-1.
        english: Its name in English.
        first_names: Given to people there.
        last_names: Of families there.
        streets: With the number behind, unless `number_first`.
        towns: Each behind the beginning of its postcodes.
        postcode_rest: How a postcode goes on: `#` is a digit, `@` a letter.
        telephone: The prefix of the country and of a town.
        company: The word for a limited company.
    """

    alpha3: str
    english: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    streets: tuple[str, ...]
    towns: tuple[tuple[str, str], ...]
    postcode_rest: str
    telephone: str
    company: str
    number_first: bool = False


_GERMAN = (
    ("Anna", "Ben", "Emma", "Felix", "Hanna", "Jonas", "Lena", "Leon", "Mia", "Paul", "Sophie", "Tim"),
    ("Becker", "Fischer", "Hoffmann", "Koch", "Meyer", "Müller", "Schmidt", "Schneider", "Wagner", "Weber"),
    ("Bahnhofstraße", "Gartenweg", "Hauptstraße", "Lindenallee", "Schulstraße"),
)  # fmt: skip
_DUTCH = (
    ("Anouk", "Bram", "Daan", "Emma", "Finn", "Julia", "Lotte", "Sanne", "Sem", "Tess"),
    ("Bakker", "de Boer", "de Jong", "de Vries", "Jansen", "Meijer", "Mulder", "Smit", "Visser", "van Dijk"),
    ("Dorpsstraat", "Kerkstraat", "Molenweg", "Schoolstraat"),
)
_SPANISH = (
    ("Alba", "Carlos", "Daniel", "Elena", "Hugo", "Javier", "Lucía", "Marta", "Pablo", "Sara"),
    ("Díaz", "Fernández", "García", "Gómez", "López", "Martín", "Pérez", "Romero", "Ruiz", "Sánchez"),
    ("Calle Mayor", "Calle del Sol", "Avenida de la Paz", "Plaza Nueva"),
)
_ENGLISH = (
    ("Alice", "Amelia", "Charlotte", "Daniel", "Emily", "George", "Harry", "Jack", "Olivia", "Oscar", "Ruby", "Thomas"),
    ("Baker", "Brown", "Clark", "Evans", "Harris", "Johnson", "Jones", "Smith", "Taylor", "Walker", "Wilson", "Wright"),
    ("Church Road", "High Street", "Mill Lane", "Park Avenue", "Station Road"),
)
_PORTUGUESE = (
    ("Ana", "Beatriz", "Bruno", "Diogo", "Inês", "João", "Leonor", "Miguel", "Rita", "Tiago"),
    ("Almeida", "Costa", "Ferreira", "Gomes", "Lopes", "Oliveira", "Pereira", "Santos", "Silva", "Sousa"),
    ("Rua Direita", "Rua do Sol", "Avenida da Liberdade", "Praça Nova"),
)
_DANISH = (
    ("Anders", "Astrid", "Emil", "Freja", "Ida", "Lars", "Magnus", "Nora", "Sofie", "Søren"),
    ("Andersen", "Berg", "Christensen", "Dahl", "Hansen", "Johansen", "Larsen", "Nielsen", "Olsen", "Pedersen"),
    ("Kirkeveien", "Skolegata", "Storgata", "Strandveien"),
)

COUNTRIES: Mapping[str, Country] = {
    "AR": Country("ARG", "Argentina", *_SPANISH,
                  (("C10", "Buenos Aires"), ("X50", "Córdoba"), ("S20", "Rosario")), "##@@@", "+54 11", "S.R.L."),
    "AT": Country("AUT", "Austria", *_GERMAN,
                  (("10", "Wien"), ("40", "Linz"), ("50", "Salzburg"), ("80", "Graz")), "##", "+43 1", "GmbH"),
    "AU": Country("AUS", "Australia", *_ENGLISH,
                  (("20", "Sydney"), ("30", "Melbourne"), ("40", "Brisbane"), ("60", "Perth")), "##", "+61 2",
                  "Pty Ltd", number_first=True),
    "BE": Country("BEL", "Belgium", *_DUTCH,
                  (("10", "Brussel"), ("20", "Antwerpen"), ("90", "Gent")), "##", "+32 2", "BV"),
    "BR": Country("BRA", "Brazil", *_PORTUGUESE,
                  (("01", "São Paulo"), ("20", "Rio de Janeiro"), ("30", "Belo Horizonte")), "###-###", "+55 11",
                  "Ltda."),
    "CA": Country("CAN", "Canada", *_ENGLISH,
                  (("M5V", "Toronto"), ("V6B", "Vancouver"), ("T2P", "Calgary")), " #@#", "+1 416", "Inc.",
                  number_first=True),
    "CH": Country("CHE", "Switzerland", *_GERMAN,
                  (("80", "Zürich"), ("30", "Bern"), ("40", "Basel")), "##", "+41 44", "AG"),
    "CZ": Country(
        "CZE", "Czechia",
        ("Adéla", "Eliška", "Jakub", "Jan", "Karolína", "Matěj", "Ondřej", "Tereza", "Tomáš", "Vojtěch"),
        ("Beneš", "Černý", "Dvořák", "Horák", "Kučera", "Marek", "Novák", "Pokorný", "Svoboda", "Veselý"),
        ("Dlouhá", "Nádražní", "Školní", "Zahradní"),
        (("110", "Praha"), ("602", "Brno"), ("702", "Ostrava")), " ##", "+420 2", "s.r.o.",
    ),
    "DE": Country("DEU", "Germany", *_GERMAN,
                  (("10", "Berlin"), ("20", "Hamburg"), ("50", "Köln"), ("80", "München")), "###", "+49 30", "GmbH"),
    "DK": Country("DNK", "Denmark", *_DANISH,
                  (("10", "København"), ("50", "Odense"), ("80", "Aarhus")), "##", "+45 33", "ApS"),
    "ES": Country("ESP", "Spain", *_SPANISH,
                  (("28", "Madrid"), ("08", "Barcelona"), ("41", "Sevilla"), ("46", "Valencia")), "###", "+34 91",
                  "S.L."),
    "FI": Country(
        "FIN", "Finland",
        ("Aino", "Antti", "Eero", "Helmi", "Juhani", "Kaisa", "Mikko", "Noora", "Olli", "Sanna"),
        ("Heikkinen", "Hämäläinen", "Korhonen", "Koskinen", "Laine", "Mäkinen", "Nieminen", "Virtanen"),
        ("Asematie", "Kirkkokatu", "Koulukatu", "Rantatie"),
        (("00", "Helsinki"), ("20", "Turku"), ("33", "Tampere")), "###", "+358 9", "Oy",
    ),
    "FR": Country(
        "FRA", "France",
        ("Camille", "Chloé", "Hugo", "Jules", "Louise", "Lucas", "Manon", "Nathan", "Paul", "Zoé"),
        ("Bernard", "Dubois", "Durand", "Lefèvre", "Leroy", "Martin", "Moreau", "Petit", "Robert", "Roux"),
        ("rue de la Gare", "rue des Écoles", "avenue Victor Hugo", "place du Marché"),
        (("75", "Paris"), ("69", "Lyon"), ("13", "Marseille"), ("31", "Toulouse")), "###", "+33 1", "SARL",
        number_first=True,
    ),
    "GB": Country("GBR", "United Kingdom", *_ENGLISH,
                  (("SW1", "London"), ("M1", "Manchester"), ("LS1", "Leeds"), ("BS1", "Bristol")), " #@@", "+44 20",
                  "Ltd", number_first=True),
    "IE": Country("IRL", "Ireland", *_ENGLISH,
                  (("D02", "Dublin"), ("T12", "Cork"), ("H91", "Galway")), " @###", "+353 1", "Ltd",
                  number_first=True),
    "IN": Country(
        "IND", "India",
        ("Aarav", "Ananya", "Arjun", "Diya", "Ishaan", "Kavya", "Meera", "Priya", "Rohan", "Vikram"),
        ("Agarwal", "Das", "Gupta", "Iyer", "Khan", "Mehta", "Nair", "Patel", "Sharma", "Singh"),
        ("Gandhi Road", "Lake Road", "Market Road", "Temple Street"),
        (("110", "New Delhi"), ("400", "Mumbai"), ("560", "Bengaluru"), ("600", "Chennai")), "###", "+91 11",
        "Pvt Ltd", number_first=True,
    ),
    "IT": Country(
        "ITA", "Italy",
        ("Alessandro", "Chiara", "Francesca", "Giulia", "Lorenzo", "Luca", "Marco", "Martina", "Matteo", "Sofia"),
        ("Bianchi", "Colombo", "Esposito", "Ferrari", "Greco", "Marino", "Ricci", "Romano", "Rossi", "Russo"),
        ("Via Garibaldi", "Via Roma", "Via Dante", "Corso Italia"),
        (("00", "Roma"), ("20", "Milano"), ("10", "Torino"), ("80", "Napoli")), "###", "+39 06", "S.r.l.",
    ),
    "JP": Country(
        "JPN", "Japan",
        ("Aoi", "Haruto", "Hina", "Kaito", "Ren", "Sakura", "Sota", "Yui", "Yuki", "Yuto"),
        ("Ito", "Kato", "Kobayashi", "Nakamura", "Sato", "Suzuki", "Takahashi", "Tanaka", "Watanabe", "Yamamoto"),
        ("Chuo", "Honcho", "Midori", "Sakuragi"),
        (("100", "Tokyo"), ("530", "Osaka"), ("460", "Nagoya"), ("600", "Kyoto")), "-####", "+81 3", "K.K.",
    ),
    "MX": Country("MEX", "Mexico", *_SPANISH,
                  (("06", "Ciudad de México"), ("44", "Guadalajara"), ("64", "Monterrey")), "###", "+52 55",
                  "S.A. de C.V."),
    "NL": Country("NLD", "Netherlands", *_DUTCH,
                  (("10", "Amsterdam"), ("30", "Rotterdam"), ("25", "Den Haag"), ("35", "Utrecht")), "## @@", "+31 20",
                  "B.V."),
    "NO": Country("NOR", "Norway", *_DANISH,
                  (("01", "Oslo"), ("50", "Bergen"), ("70", "Trondheim")), "##", "+47 22", "AS"),
    "PL": Country(
        "POL", "Poland",
        ("Adam", "Anna", "Jakub", "Jan", "Julia", "Katarzyna", "Maja", "Piotr", "Tomasz", "Zofia"),
        ("Dąbrowski", "Kamiński", "Kowalczyk", "Kowalski", "Lewandowski", "Nowak", "Szymański", "Wiśniewski", "Zając"),
        ("ul. Długa", "ul. Leśna", "ul. Ogrodowa", "ul. Polna"),
        (("00", "Warszawa"), ("30", "Kraków"), ("50", "Wrocław"), ("80", "Gdańsk")), "-###", "+48 22", "sp. z o.o.",
    ),
    "PT": Country("PRT", "Portugal", *_PORTUGUESE,
                  (("10", "Lisboa"), ("40", "Porto"), ("30", "Coimbra")), "##-###", "+351 21", "Lda."),
    "SE": Country(
        "SWE", "Sweden",
        ("Alva", "Axel", "Ebba", "Elsa", "Gustav", "Hugo", "Linnéa", "Maja", "Oskar", "Sven"),
        ("Andersson", "Eriksson", "Gustafsson", "Johansson", "Karlsson", "Lindberg", "Nilsson", "Öberg", "Persson"),
        ("Kyrkogatan", "Parkvägen", "Skolgatan", "Storgatan"),
        (("11", "Stockholm"), ("41", "Göteborg"), ("21", "Malmö")), "# ##", "+46 8", "AB",
    ),
    "US": Country("USA", "United States", *_ENGLISH,
                  (("10", "New York"), ("60", "Chicago"), ("90", "Los Angeles"), ("77", "Houston")), "###", "+1 212",
                  "LLC", number_first=True),
}  # fmt: skip

ELSEWHERE = Country(
    "", "",
    ("Amina", "Daniel", "Elena", "Ivan", "Lea", "Maria", "Mateo", "Nadia", "Noah", "Omar", "Sara", "Yusuf"),
    ("Abadi", "Costa", "Haddad", "Kim", "Martin", "Nguyen", "Novak", "Okafor", "Petrov", "Silva", "Tan", "Yilmaz"),
    ("Harbour Street", "Market Street", "River Road"),
    (("10", "Easton"), ("20", "Milton"), ("30", "Riverside")), "###", "+999 1", "Ltd",
)  # fmt: skip
"""Of a country without a vocabulary; +999 is nobody's prefix."""

PARTS = ("name", "first_name", "last_name", "email", "phone", "address", "street", "postcode", "city", "company",
         "country")  # fmt: skip

CODES: Mapping[str, str] = {
    form.casefold(): code
    for code, country in COUNTRIES.items()
    for form in (code, country.alpha3, country.english)
}  # fmt: skip
"""Codes of two letters by all that names a country, in lower case."""

_Places = npt.NDArray[np.int64]
_Shares = npt.NDArray[np.float64]

_PLAIN = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "ł": "l", " ": None, "'": None})


def people(rng: np.random.Generator, start: int, rows: int, weights: Mapping[str, float]) -> pl.DataFrame:
    """Draw people with the columns `PARTS`, and `number`, their row's; mail addresses carry it.

    More rows change none before them.

    Args:
        rng: The source of chance.
        start: The number of the first row.
        rows: How many.
        weights: How often each country comes; they need not sum to one.
    """
    return people_of(rng, pl.int_range(start, start + rows, eager=True), any_country(rng, rows, weights))


def any_country(rng: np.random.Generator, rows: int, weights: Mapping[str, float]) -> pl.Series:
    """Draw codes of countries by weights; they need not sum to one."""
    names = sorted(weights)
    shares = np.cumsum([weights[name] for name in names])
    (chance,) = _split(rng, 1)
    places = np.minimum(np.searchsorted(shares / shares[-1], chance.random(rows), side="right"), len(names) - 1)
    return pl.Series(names, dtype=pl.String).gather(places.astype(np.uint32))


def people_of(rng: np.random.Generator, numbers: pl.Series, countries: pl.Series) -> pl.DataFrame:
    """Draw a person for each country; `people` says which columns.

    Args:
        rng: The source of chance.
        numbers: Of the rows.
        countries: Codes of two letters; of others people come from elsewhere.
    """
    first, last, street, house, town, postcode, line = (chance.random(countries.len()) for chance in _split(rng, 7))
    places = countries.replace_strict(_PLACES, default=len(COUNTRIES), return_dtype=pl.Int64).to_numpy()
    words = _words()

    def text(*parts: str | pl.Series) -> pl.Series:
        return joined([pl.Series([part], dtype=pl.String) if isinstance(part, str) else part for part in parts])

    first_name, last_name = words["first"].draw(places, first), words["last"].draw(places, last)
    mailbox = text(words["plain first"].draw(places, first), ".", words["plain last"].draw(places, last), ".")
    number, road = pl.Series((house * 199 + 1).astype(np.int64)).cast(pl.String), words["street"].draw(places, street)
    in_front = pl.Series(np.array([country.number_first for country in _COUNTRIES])[places])
    house_and_road = pl.select(pl.when(in_front).then(text(number, " ", road)).otherwise(text(road, " ", number)))
    place, city = house_and_road.to_series(), words["town"].draw(places, town)
    code_of_town = text(words["postcode"].draw(places, town), words["postcode rest"].draw(places, postcode))
    two_digits = pl.Series((line * 100).astype(np.int64)).cast(pl.String).str.zfill(2)
    return pl.DataFrame({
        "name": text(first_name, " ", last_name),
        "first_name": first_name,
        "last_name": last_name,
        "email": text(mailbox, numbers.cast(pl.String), "@example.com"),
        "phone": text(words["telephone"].draw(places, line), " 555 01", two_digits),
        "address": text(place, ", ", code_of_town, " ", city),
        "street": place,
        "postcode": code_of_town,
        "city": city,
        "company": text(last_name, " ", words["company"].draw(places, line)),
        "country": countries,
        "number": numbers,
    })  # fmt: skip


def _split(rng: np.random.Generator, count: int) -> list[np.random.Generator]:
    """Return sources of chance of their own, so that more values of one leave those of the others."""
    return [np.random.Generator(np.random.Philox(key=int(key))) for key in rng.integers(0, 2**62, count)]


def _plain(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return words as they stand in addresses of mail: small letters of ASCII."""
    decomposed = (unicodedata.normalize("NFKD", word.lower().translate(_PLAIN)) for word in words)
    return tuple("".join(letter for letter in word if not unicodedata.combining(letter)) for word in decomposed)


_COUNTRIES = (*COUNTRIES.values(), ELSEWHERE)
_PLACES = {code: place for place, code in enumerate(COUNTRIES)}


class _Words:
    """Words of all countries one behind the other, so that one look takes a word of each row's country."""

    def __init__(self, words_of: Callable[[Country], tuple[str, ...]]) -> None:
        by_country = [words_of(country) for country in _COUNTRIES]
        self._words = pl.Series([word for words in by_country for word in words], dtype=pl.String)
        self._counts = np.array([len(words) for words in by_country])
        self._starts = np.cumsum(self._counts) - self._counts

    def draw(self, places: _Places, shares: _Shares) -> pl.Series:
        """Return a word of the country at each place, by a number in [0, 1)."""
        return self._words.gather(self._starts[places] + (shares * self._counts[places]).astype(np.int64))


@cache
def _words() -> Mapping[str, _Words]:
    return {
        "first": _Words(lambda country: country.first_names),
        "last": _Words(lambda country: country.last_names),
        "plain first": _Words(lambda country: _plain(country.first_names)),
        "plain last": _Words(lambda country: _plain(country.last_names)),
        "street": _Words(lambda country: country.streets),
        "town": _Words(lambda country: tuple(town for _, town in country.towns)),
        "postcode": _Words(lambda country: tuple(begin for begin, _ in country.towns)),
        "postcode rest": _Words(lambda country: _postcode_rests(country.postcode_rest)),
        "telephone": _Words(lambda country: (country.telephone,)),
        "company": _Words(lambda country: (country.company,)),
    }


def _postcode_rests(form: str) -> tuple[str, ...]:
    """Return a thousand ways in which postcodes go on; a row takes one."""
    chance = np.random.Generator(np.random.Philox(key=len(form)))
    signs = {"#": "0123456789", "@": "ABCDEFGHJKLMNPRSTUVWXYZ"}
    columns = [chance.choice(list(signs.get(sign, sign)), 1000) for sign in form]
    return tuple("".join(rest) for rest in zip(*columns, strict=True))
