"""Addresses that answer with JSON: how their pages follow one another, and which secret opens them.

A secret is named, never written down: `bearer("crm")` takes what the settings have as PLATFORM_SECRET_CRM.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Literal

from platform_core.contracts.sources import Source, SourceProblem, Spelling

_ADDRESS = re.compile(r"https?://(?P<user>[^/?#@]*@)?(?P<host>[^/?#@:]+)(:\d+)?([/?#].*)?")
_SECRET = re.compile(r"[a-z][a-z0-9_]*")
_SECRET_PARAMETER = re.compile(r"token|secret|passw|api_?key|signature", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Pages:
    """How the pages of an answer follow one another; made by `offset`, `page`, `cursor` and `link`.

    Attributes:
        style: The way to the next page; `single` has none.
        size: Records that a page is asked to have; 0 leaves it to the address.
        param: The parameter that says where a page begins.
        size_param: The parameter that says how many records it has.
        first: The number of the first page.
        next: The path within the answer to what leads on: a cursor, or a link.
        total: The path within the answer to the number of all records; empty where it has none.
    """

    style: Literal["single", "offset", "page", "cursor", "link"] = "single"
    size: int = 0
    param: str = ""
    size_param: str = ""
    first: int = 1
    next: str = ""
    total: str = ""


def offset(size: int, *, param: str = "offset", size_param: str = "limit", total: str = "") -> Pages:
    """Ask for the records behind those that came, until a page is empty or the total is reached."""
    return Pages(style="offset", size=size, param=param, size_param=size_param, total=total)


def page(size: int = 0, *, param: str = "page", size_param: str = "", first: int = 1, total: str = "") -> Pages:
    """Ask for pages by their number, until one is empty or the total is reached."""
    return Pages(style="page", size=size, param=param, size_param=size_param, first=first, total=total)


def cursor(next: str, *, param: str = "cursor", size: int = 0, size_param: str = "", total: str = "") -> Pages:  # noqa: A002 - the field's word
    """Ask for the page behind the cursor that the last one gave, until one gives none."""
    return Pages(style="cursor", next=next, param=param, size=size, size_param=size_param, total=total)


def link(next: str = "", *, size: int = 0, size_param: str = "", total: str = "") -> Pages:  # noqa: A002 - the field's word
    """Follow the link of the answer's `Link` header, or of a path within it, until there is none."""
    return Pages(style="link", next=next, size=size, size_param=size_param, total=total)


@dataclass(frozen=True, kw_only=True)
class Auth:
    """Which secret opens an address, and how it is sent; made by `bearer`, `basic`, `api_key` and `oauth2`.

    Attributes:
        style: How it is sent.
        secret: Its name in the settings: `"crm"` for PLATFORM_SECRET_CRM.
        header: The header of an API key.
        token_url: Where OAuth 2 gives tokens.
        scope: What OAuth 2 is asked for.
    """

    style: Literal["bearer", "basic", "api_key", "oauth2"]
    secret: str
    header: str = ""
    token_url: str = ""
    scope: str = ""


def bearer(secret: str) -> Auth:
    """Send the secret as a bearer token."""
    return Auth(style="bearer", secret=secret)


def basic(secret: str) -> Auth:
    """Send the secret, which is `user:password`, as HTTP's basic authentication."""
    return Auth(style="basic", secret=secret)


def api_key(secret: str, *, header: str = "X-Api-Key") -> Auth:
    """Send the secret in a header; never in the address, which logs would keep."""
    return Auth(style="api_key", secret=secret, header=header)


def oauth2(secret: str, token_url: str, *, scope: str = "") -> Auth:
    """Get a token for the secret, which is `client_id:client_secret`, and a new one when it expires."""
    return Auth(style="oauth2", secret=secret, token_url=token_url, scope=scope)


@dataclass(frozen=True)
class Rest(Source):
    """Records of an address that answers with JSON, page by page.

    A load reads all pages, or with `cursor` and `since` those of what was added or changed; it is taken in as a whole
    or not at all. What is no object, or breaks a rule, goes to quarantine with its page and its place on it.

    Attributes:
        url: Without secrets: `"https://api.example.com/v1/customers"`.
        records: The path to the list within the answer: `"data.items"`; empty where the answer is the list.
        pages: How pages follow one another: `offset(100)`, `page()`, `cursor("meta.next")`, `link()`; one by default.
        auth: `bearer("crm")`, `basic("crm")`, `api_key("crm")` or `oauth2("crm", "https://…/token")`.
        params: Parameters of every request.
        cursor: The field that grows when a record is added or changed; with `since`.
        since: The parameter that asks for records from a value of the cursor on.
        lag: How far behind the highest value records are asked for again.
        rate: Requests in a second at most; 0 for as many as come.
        attempts: How often a request is sent before its error counts.
        every: How long the sensor waits before it asks again; zero leaves it to schedules.
    """

    kind: ClassVar[str] = "rest"
    rereads: ClassVar[bool] = True

    url: str
    records: str = field(default="", kw_only=True)
    pages: Pages = field(default=Pages(), kw_only=True)
    auth: Auth | None = field(default=None, kw_only=True)
    params: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)
    cursor: str | None = field(default=None, kw_only=True)
    since: str | None = field(default=None, kw_only=True)
    lag: timedelta = field(default=timedelta(0), kw_only=True)
    rate: float = field(default=0, kw_only=True)
    attempts: int = field(default=6, kw_only=True)
    every: timedelta = field(default=timedelta(minutes=15), kw_only=True)

    @property
    def polled_every(self) -> timedelta | None:
        """As declared; None for zero."""
        return self.every or None

    @property
    def reads_all(self) -> bool:
        """Without a parameter that asks for what is new."""
        return self.since is None

    @property
    def spelling(self) -> Spelling:
        """A field that a record leaves out is null, as JSON has it."""
        return Spelling(missing_columns="null")

    @property
    def reads(self) -> str:
        """The address."""
        return self.url

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: a secret in the address, words that go together, a store that would double rows."""
        yield from super().problems(store_mode=store_mode)
        yield from self._address_problems()
        if (self.cursor is None) != (self.since is None):
            yield "source", "has cursor without since, or since without cursor.", "give both, or neither."
        if self.rate < 0 or self.attempts < 1 or min(self.lag, self.every) < timedelta(0):
            yield "source", "has a rate, lag or time below 0, or no attempt.", "give rate=5, attempts=6."
        if store_mode == "append" or (store_mode == "overwrite" and self.since is not None):
            fix = "use Delta(mode='merge') or Iceberg(mode='merge'), and a key."
            yield "store", f"is {store_mode!r}, but records are read again.", fix

    def _address_problems(self) -> Iterator[SourceProblem]:
        addresses: Sequence[str] = [self.url] if self.auth is None else [self.url, self.auth.token_url]
        for address in filter(None, addresses):
            parts = _ADDRESS.fullmatch(address)
            if parts is None:
                yield "source: url", "is no address.", "write https://host/path."
            elif parts["user"] or _SECRET_PARAMETER.search(address.partition("?")[2]):
                yield f"source: url of {parts['host']}", "holds a secret.", "name it: auth=bearer('crm')."
        if secret := next((name for name in self.params if _SECRET_PARAMETER.search(name)), None):
            yield f"source: params {secret!r}", "looks like a secret.", "name it: auth=api_key('crm', header=...)."
        if self.auth is not None and not _SECRET.fullmatch(self.auth.secret):
            yield "source: auth", "names no secret of the settings.", "write bearer('crm') for PLATFORM_SECRET_CRM."
        if self.pages.style == "offset" and self.pages.size < 1:
            yield "source: pages", "asks for no record.", "write offset(100)."
