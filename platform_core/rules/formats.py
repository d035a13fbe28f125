"""A text has a format that the world knows: an address, a code, a number with a check digit."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, reduce
from typing import Any, ClassVar

import polars as pl

from platform_core.rules import regex
from platform_core.rules.base import Flaw, Schema, TextTerms, ValueRule
from platform_core.rules.sql import identifier, literal, literals

_COUNTRIES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES = tuple(_COUNTRIES.split())
"""ISO 3166-1 alpha-2."""

_CURRENCIES = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
    CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF
    IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD
    MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB
    RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU
    UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = tuple(_CURRENCIES.split())
"""ISO 4217, the currencies in use."""

_PATTERNS: Mapping[str, str] = {
    "email": r"^[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$",
    "url": r"^https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][!-~]*)?$",
    "uuid": "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
    "iban": "^[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}$",
    "card": "^[0-9]{12,19}$",
    "date": "^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$",
}
_LISTS: Mapping[str, tuple[str, ...]] = {"country": COUNTRIES, "currency": CURRENCIES}
_DRAWN: Mapping[str, str] = {
    "email": r"^[a-z]{2,8}\.[a-z]{2,10}[0-9]{1,9}@example\.com$",
    "url": r"^https://example\.com/[a-z]{2,8}/[0-9a-f]{1,12}$",
    "uuid": "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    "date": "^20[0-2][0-9]-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])$",
}
_LETTERS = {chr(ord("A") + place): str(10 + place) for place in range(26)}
_IBAN_DIGITS, _CHUNK, _MODULUS = 72, 9, 97
_CARD_DIGITS = 20
_EXAMPLES = 2000

FORMATS: tuple[str, ...] = tuple(sorted({*_PATTERNS, *_LISTS}))


@dataclass(frozen=True, kw_only=True)
class Format(ValueRule):
    """The rule that a text is an e-mail address, a URL, a UUID, a country, a currency, an IBAN, a card number or a day.

    Countries are ISO 3166-1 alpha-2, currencies ISO 4217; IBANs and card numbers are judged by their check digits and
    stand without blanks; a day is written `2024-02-29` and exists.
    """

    kind: ClassVar[str] = "format"
    word: ClassVar[str] = "format"
    takes: ClassVar[str] = "format"
    example: ClassVar[str] = 'format="email"'

    format: str = ""

    def words(self) -> str:
        """Return the format."""
        return f"is {_SPOKEN.get(self.format, self.format)}"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return whether the text has the format."""
        if self.format in _LISTS:
            return value.is_in(list(_LISTS[self.format]))
        shaped = value.str.contains(_PATTERNS[self.format])
        checked = _CHECKED.get(self.format)
        return shaped if checked is None else pl.when(shaped).then(checked[0](value)).otherwise(shaped)

    def accepts(self, value: Any) -> bool:
        """Whether the text has the format."""
        if self.format in _LISTS:
            return value in _LISTS[self.format]
        checked = _CHECKED.get(self.format)
        return _search(self.format)(value) and (checked is None or checked[1](value))

    def sql(self) -> str:
        """Return the list, or the pattern and the check digits."""
        name = identifier(self.column)
        if self.format in _LISTS:
            return f"{name} IN {literals(_LISTS[self.format])}"
        shaped = f"regexp_matches({name}, {literal(regex.for_re2(_PATTERNS[self.format]))})"
        checked = _CHECKED.get(self.format)
        if checked is None:
            return shaped
        return f"CASE WHEN {name} IS NULL THEN NULL WHEN {shaped} THEN {checked[2](name)} ELSE FALSE END"

    @property
    def listed(self) -> tuple[Any, ...] | None:
        """The codes of a list."""
        return _LISTS.get(self.format)

    @property
    def text(self) -> TextTerms:
        """A pattern whose texts have the format."""
        pattern = _DRAWN.get(self.format)
        return TextTerms(pattern=pattern, anchored=pattern is not None)

    def texts(self, *, good: bool) -> tuple[str, ...]:
        """Numbers with right check digits; texts that look right and are not."""
        if good:
            return _examples(self.format)
        return _NEARLY.get(self.format, ("nearly",))

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a format that nobody knows."""
        yield from ValueRule.flaws(self, schema)
        if self.format not in FORMATS:
            yield Flaw(f"has no format {self.format!r}.", f"use one of {', '.join(FORMATS)}.")


@cache
def _search(name: str) -> Callable[[str], bool]:
    return regex.search_by(_PATTERNS[name])


def _iban_holds(value: pl.Expr) -> pl.Expr:
    """Remainder 1 by 97 of the digits, the first four characters last, letters as two digits; in chunks of nine."""
    turned = pl.concat_str([value.str.slice(4), value.str.slice(0, 4)])
    digits = turned.str.replace_many(list(_LETTERS), list(_LETTERS.values())).str.zfill(_IBAN_DIGITS)
    chunks = [digits.str.slice(at, _CHUNK).cast(pl.Int64, strict=False) for at in range(0, _IBAN_DIGITS, _CHUNK)]
    rest = reduce(lambda left, chunk: (left * 10**_CHUNK + chunk) % _MODULUS, chunks)
    return rest.eq(1)


def _is_iban(text: str) -> bool:
    return int("".join(_LETTERS.get(letter, letter) for letter in text[4:] + text[:4])) % _MODULUS == 1


def _iban_sql(name: str) -> str:
    """Return the same without lists, which not every engine has."""
    turned = f"substr({name}, 5) || substr({name}, 1, 4)"
    for letter, digits in _LETTERS.items():
        turned = f"replace({turned}, '{letter}', '{digits}')"
    padded = f"lpad({turned}, {_IBAN_DIGITS}, '0')"
    rest = "0"
    for place in range(1, _IBAN_DIGITS, _CHUNK):
        rest = f"({rest} * {10**_CHUNK} + CAST(substr({padded}, {place}, {_CHUNK}) AS BIGINT)) % {_MODULUS}"
    return f"{rest} = 1"


def _card_holds(value: pl.Expr) -> pl.Expr:
    """Return a sum of digits divisible by ten, every second from the right doubled and its own digits added (Luhn)."""
    padded = value.str.zfill(_CARD_DIGITS)
    digits = [padded.str.slice(at, 1).cast(pl.Int64, strict=False) for at in range(_CARD_DIGITS)]
    doubled = [digit * 2 - pl.when(digit > 4).then(9).otherwise(0) for digit in digits[::2]]  # noqa: PLR2004 - Luhn's
    return (pl.sum_horizontal(*doubled, *digits[1::2]) % 10).eq(0)


def _is_card(text: str) -> bool:
    digits = [int(digit) for digit in text.zfill(_CARD_DIGITS)]
    return (sum(sum(divmod(2 * digit, 10)) for digit in digits[::2]) + sum(digits[1::2])) % 10 == 0


def _card_sql(name: str) -> str:
    padded = f"lpad({name}, {_CARD_DIGITS}, '0')"
    digits = [f"CAST(substr({padded}, {place}, 1) AS INTEGER)" for place in range(1, _CARD_DIGITS + 1)]
    doubled = [f"CASE WHEN {digit} > 4 THEN {digit} * 2 - 9 ELSE {digit} * 2 END" for digit in digits[::2]]
    return f"({' + '.join([*doubled, *digits[1::2]])}) % 10 = 0"


def _day_holds(value: pl.Expr) -> pl.Expr:
    return value.str.to_date("%Y-%m-%d", strict=False).is_not_null() & value.str.starts_with("0000").not_()


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _day_sql(name: str) -> str:
    """By the calendar: a cast that fails is null in one engine and an error in another."""
    year, month, day = (f"substr({name}, {start}, {length})" for start, length in ((1, 4), (6, 2), (9, 2)))
    number = f"CAST({year} AS INTEGER)"
    leap = f"{number} % 4 = 0 AND ({number} % 100 <> 0 OR {number} % 400 = 0)"
    thirty = literals(["04", "06", "09", "11"])
    last = f"CASE WHEN {month} IN {thirty} THEN 30 WHEN {month} <> '02' THEN 31 WHEN {leap} THEN 29 ELSE 28 END"
    return f"{year} <> '0000' AND CAST({day} AS INTEGER) <= {last}"


_Check = tuple[Callable[[pl.Expr], pl.Expr], Callable[[str], bool], Callable[[str], str]]
_CHECKED: Mapping[str, _Check] = {
    "iban": (_iban_holds, _is_iban, _iban_sql),
    "card": (_card_holds, _is_card, _card_sql),
    "date": (_day_holds, _is_day, _day_sql),
}
"""What a pattern cannot say: on a column, on a text, in SQL."""

_SPOKEN = {
    "email": "an e-mail address", "url": "a URL", "uuid": "a UUID", "country": "an ISO 3166 country",
    "currency": "an ISO 4217 currency", "iban": "an IBAN", "card": "a card number", "date": "a day as YYYY-MM-DD",
}  # fmt: skip
_NEARLY: Mapping[str, tuple[str, ...]] = {
    "iban": ("GB00NWBK60161331926819", "DE00370400440532013000"),
    "card": ("400000000000001", "4111111111111112"),
    "date": ("2023-02-29", "2024-13-01", "24-01-01"),
    "email": ("ada@example", "ada.example.com"),
    "url": ("example.com", "http:/example.com"),
    "uuid": ("123e4567-e89b-12d3-a456-42661417400", "123e4567"),
    "country": ("UK", "XX"),
    "currency": ("XYZ", "EURO"),
}


@cache
def _examples(name: str) -> tuple[str, ...]:
    if name == "card":
        return tuple(next(text for digit in range(10) if _is_card(text := f"400000{number:09d}{digit}"))
                     for number in range(_EXAMPLES))  # fmt: skip
    if name == "iban":
        accounts = (f"NWBK601613{number:08d}" for number in range(_EXAMPLES))
        return tuple(next(text for check in range(2, 99) if _is_iban(text := f"GB{check:02d}{account}"))
                     for account in accounts)  # fmt: skip
    return ()
