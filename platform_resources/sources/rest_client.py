"""Pages over HTTP: requests that are paced, sent again where that helps, and told clearly where it does not.

No message holds a secret, a parameter's value or a piece of an answer. A redirect is not followed, and a link to
another host is refused, because the secret would travel with it.
"""

import base64
import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from platform_resources.settings import Settings
from platform_resources.sources.base import SourceUnreachable

if TYPE_CHECKING:
    import requests

TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_ASKED = 0.5, 30.0, 300.0
_TIMEOUT = (10.0, 60.0)
_LARGEST_PAGE = 256 << 20


class RestError(SourceUnreachable):
    """An address that cannot be read; `address` is its host and path."""

    def __init__(self, address: str, reason: str, *, fix: str) -> None:
        self.address, self.reason = address, f"{address}: {reason}"
        super().__init__(f"{address}: {reason} Fix: {fix}")


class RestBusy(RestError):
    """An address that may answer later."""

    transient = True


@dataclass(frozen=True)
class Page:
    """One answer.

    Attributes:
        number: From 1.
        records: What it has.
        is_last: Whether nothing follows.
        is_unchanged: Whether the address says that nothing changed; then there are no records.
        etag: What the address calls this version; empty where it does not.
        digest: Of the answer.
    """

    number: int
    records: Sequence[Any]
    is_last: bool
    is_unchanged: bool = False
    etag: str = ""
    digest: str = ""


@dataclass
class Answer:
    """What came back: the document, the link that follows, what the address calls this version."""

    document: Any
    link: str = ""
    etag: str = ""
    digest: str = ""
    is_unchanged: bool = False


@dataclass
class RestClient:
    """Reads the pages of one address.

    Attributes:
        options: The declaration as plain values.
        secret: What opens the address; None where it is open.
        pause: Waits so many seconds.
        draw: Gives a number from 0 to 1, for the jitter of waits.
        clock: Gives seconds that only grow.
    """

    options: Mapping[str, Any]
    secret: str | None = field(default=None, repr=False)
    pause: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    _token: str | None = field(default=None, repr=False)
    _asked_at: float = float("-inf")

    @classmethod
    def of(cls, options: Mapping[str, Any], settings: Settings) -> "RestClient":
        """Open the address with the secret that the settings have.

        Raises:
            RestError: No setting has it.
        """
        auth = options["auth"]
        if auth is None:
            return cls(options)
        secret = settings.secrets.get(auth.secret)
        client = cls(options, secret)
        if secret is None:
            raise RestError(client.name, f"no setting has its secret {auth.secret!r}.", fix=f"set {_variable(auth)}.")
        return client

    @property
    def name(self) -> str:
        """Host and path, without parameters."""
        parts = urlsplit(self.options["url"])
        return f"{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")

    def pages(self, since: str | None, *, etag: str = "") -> Iterator[Page]:
        """Yield the pages from a value of the cursor on.

        Args:
            since: The value; None for all.
            etag: The version that is known, of an address with one page.

        Raises:
            RestError: A page cannot be read, repeats one before it, or records are missing at the end.
        """
        style = self.options["pages"].style
        parameters, url = self._first_parameters(since), self.options["url"]
        number, count, seen_keys = 0, 0, set[str]()
        page_numbers: dict[str, int] = {}
        while True:
            number += 1
            answer = self._get(url, parameters, number, etag if style == "single" else "")
            if answer.is_unchanged:
                yield Page(number, (), is_last=True, is_unchanged=True)
                return
            records = self._records(answer.document, number)
            if records and answer.digest in page_numbers:
                repeated = page_numbers[answer.digest]
                fix = "correct pages=... of the source: the address pays no heed to its parameter, or begins anew."
                raise RestError(self.name, f"page {number} repeats page {repeated}.", fix=fix)
            count, page_numbers[answer.digest] = count + len(records), number
            total = self._total(answer.document)
            following = self._following(answer, parameters, number, count, len(records), total)
            if following is None and total is not None and count < total:
                fix = "run it again; if it stays, correct pages=... of the source."
                raise RestBusy(self.name, f"it says {total:,} records and gave {count:,}.", fix=fix)
            yield Page(number, records, following is None, etag=answer.etag, digest=answer.digest)
            if following is None:
                return
            url, parameters, mark = following
            if mark in seen_keys:
                fix = "correct pages=... of the source."
                raise RestError(self.name, f"page {number} leads back to an earlier one.", fix=fix)
            seen_keys.add(mark)

    def _first_parameters(self, since: str | None) -> dict[str, str]:
        pages = self.options["pages"]
        parameters = dict(self.options["params"])
        if pages.size and pages.size_param:
            parameters[pages.size_param] = str(pages.size)
        if pages.style == "offset":
            parameters[pages.param] = "0"
        if pages.style == "page":
            parameters[pages.param] = str(pages.first)
        if since is not None:
            parameters[self.options["since"]] = since
        return parameters

    def _following(
        self, answer: Answer, parameters: dict[str, str], number: int, count: int, on_page: int, total: int | None
    ) -> tuple[str, dict[str, str], str] | None:
        """Return address, parameters and mark of the next page; None behind the last.

        A page that has fewer records than were asked for need not be the last: an address may have a limit of its own.
        """
        pages, url = self.options["pages"], self.options["url"]
        if pages.style in {"offset", "page"}:
            if not on_page or (total is not None and count >= total):
                return None
            place = str(count if pages.style == "offset" else pages.first + number)
            return url, {**parameters, pages.param: place}, place
        if pages.style == "cursor":
            value = find(answer.document, pages.next)
            return None if value in (None, "", False) else (url, {**parameters, pages.param: str(value)}, str(value))
        if pages.style == "link":
            target = str(find(answer.document, pages.next) or "") if pages.next else answer.link
            return (self._same_host(urljoin(url, target)), {}, target) if target else None
        return None

    def _same_host(self, target: str) -> str:
        mine, other = urlsplit(self.options["url"]), urlsplit(target)
        if (mine.scheme, mine.netloc) != (other.scheme, other.netloc):
            fix = "declare the host that serves all pages."
            raise RestError(self.name, f"the next page lies at another host, {other.hostname}.", fix=fix)
        return target

    def _records(self, document: Any, number: int) -> Sequence[Any]:
        path = self.options["records"]
        records = find(document, path) if path else document
        if records is None and path and isinstance(document, dict) and _reaches(document, path):
            return []
        if not isinstance(records, list):
            where = f"at {path!r}" if path else "in it"
            fix = "correct records=... of the source."
            raise RestError(self.name, f"page {number} has no list {where}.", fix=fix)
        return records

    def _total(self, document: Any) -> int | None:
        path = self.options["pages"].total
        value = find(document, path) if path else None
        return int(value) if isinstance(value, int | str) and str(value).isdigit() else None

    def _get(self, url: str, parameters: Mapping[str, str], number: int, etag: str) -> Answer:
        """Ask for one page, as often as is declared; waits grow and are drawn, or are those the address asks for."""
        renewed = False
        for attempt in range(1, self.options["attempts"] + 1):
            self._pace()
            problem, wait = "", 0.0
            try:
                status, headers, body = self._send(url, parameters, etag)
            except _CutOff as error:
                problem = error.reason
            else:
                if status == HTTPStatus.NOT_MODIFIED:
                    return Answer(None, is_unchanged=True)
                if status == HTTPStatus.OK:
                    try:
                        return _answer(body, headers)
                    except (ValueError, RecursionError):  # the latter for lists in lists without end
                        problem = f"page {number} is no JSON"
                elif status == HTTPStatus.UNAUTHORIZED and self._token is not None and not renewed:
                    self._token, renewed = None, True
                    problem = "its token is no longer accepted"
                elif status in TRANSIENT:
                    problem, wait = f"it answers {status} to page {number}", _retry_after(headers)
                else:
                    raise self._refusal(status, number)
            if attempt < self.options["attempts"]:
                self._wait(attempt, wait, problem)
        fix = "run it again later; the position has not moved."
        raise RestBusy(self.name, f"{problem}, {self.options['attempts']} times.", fix=fix)

    def _wait(self, attempt: int, asked_seconds: float, problem: str) -> None:
        if asked_seconds > _LONGEST_ASKED:
            fix = "run it again after that."
            raise RestBusy(self.name, f"{problem}, and asks to wait for {asked_seconds:.0f} s.", fix=fix)
        grown = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))
        self.pause(asked_seconds + grown * self.draw() if asked_seconds else grown * (0.5 + self.draw() / 2))

    def _pace(self) -> None:
        rate = self.options["rate"]
        if rate:
            self.pause(max(0.0, self._asked_at + 1 / rate - self.clock()))
        self._asked_at = self.clock()

    def _refusal(self, status: int, number: int) -> RestError:
        auth = self.options["auth"]
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            fix = f"renew {_variable(auth)}." if auth else "declare auth=bearer(...) or another."
            return RestError(self.name, f"it refuses who asks ({status}).", fix=fix)
        if status // 100 == 3:  # noqa: PLR2004 - redirects
            return RestError(self.name, f"it has moved ({status}).", fix="declare the address that it leads to.")
        return RestError(self.name, f"it refuses page {number} ({status}).", fix="correct url, params or pages.")

    def _send(self, url: str, parameters: Mapping[str, str], etag: str) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Accept": "application/json", "User-Agent": "dagster-asset-platform", **self._authorization()}
        if etag:
            headers["If-None-Match"] = etag
        return self._request("GET", url, parameters, headers=headers)

    def _request(
        self, method: str, url: str, parameters: Mapping[str, str], *, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        import requests  # noqa: PLC0415 - only sources over HTTP need it

        body: dict[str, Any] = {"params": parameters} if method == "GET" else {"data": parameters}
        try:
            with requests.request(
                method, url, headers=dict(headers), auth=_as_it_is, timeout=_TIMEOUT, allow_redirects=False,
                stream=True, **body,
            ) as response:  # fmt: skip
                return response.status_code, response.headers, self._body(response)
        except requests.RequestException as error:
            raise _CutOff(_what_broke(error)) from None  # the error's text has the whole address

    def _body(self, response: "requests.Response") -> bytes:
        parts, size = [], 0
        for part in response.iter_content(1 << 20):
            parts.append(part)
            size += len(part)
            if size > _LARGEST_PAGE:
                fix = "ask for smaller pages."
                raise RestError(self.name, f"a page has more than {_LARGEST_PAGE >> 20} MiB.", fix=fix)
        return b"".join(parts)

    def _authorization(self) -> Mapping[str, str]:
        auth = self.options["auth"]
        if auth is None or self.secret is None:
            return {}
        if auth.style == "api_key":
            return {auth.header: self.secret}
        if auth.style == "basic":
            return {"Authorization": f"Basic {base64.b64encode(self.secret.encode()).decode()}"}
        if auth.style == "oauth2" and self._token is None:
            self._token = self._new_token(auth.token_url, auth.scope, _variable(auth))
        return {"Authorization": f"Bearer {self._token or self.secret}"}

    def _new_token(self, token_url: str, scope: str, variable: str) -> str:
        """Ask for a token by the client's credentials (RFC 6749, 4.4)."""
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        credentials = base64.b64encode(str(self.secret).encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Accept": "application/json"}
        status, _, body = self._request("POST", token_url, form, headers=headers)
        if status in TRANSIENT:
            raise _CutOff(f"where tokens are given, {urlsplit(token_url).hostname} answers {status}")
        try:
            token = json.loads(body)["access_token"]
        except (ValueError, KeyError, TypeError):
            place = urlsplit(token_url).hostname
            raise RestError(self.name, f"{place} gives no token ({status}).", fix=f"renew {variable}.") from None
        return str(token)


class _CutOff(Exception):
    """A request without a whole answer; `reason` says why, and holds no address."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def find(document: Any, path: str) -> Any:
    """Return what lies at a path of names with dots between them; None where it leads nowhere."""
    for name in path.split("."):
        if not isinstance(document, Mapping):
            return None
        document = document.get(name)
    return document


def _reaches(document: Mapping[str, Any], path: str) -> bool:
    parent, _, name = path.rpartition(".")
    inner = find(document, parent) if parent else document
    return isinstance(inner, Mapping) and name in inner


def _answer(body: bytes, headers: Mapping[str, str]) -> Answer:
    document = json.loads(body, parse_float=_number, parse_constant=_refuse_constant)
    return Answer(
        document, _next_link(headers.get("Link", "")), headers.get("ETag", ""),
        hashlib.blake2b(body, digest_size=12).hexdigest(),
    )  # fmt: skip


def _number(text: str) -> float | str:
    """Return a fraction, or its text where a float would round it."""
    value = float(text)
    return value if Decimal(repr(value)) == Decimal(text) else text


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _next_link(header: str) -> str:
    """Return the target of `rel="next"` (RFC 8288); empty without one."""
    from requests.utils import parse_header_links  # noqa: PLC0415 - only sources over HTTP need it

    links = parse_header_links(header) if header else []
    return next((str(link["url"]) for link in links if "next" in link.get("rel", "").split()), "")


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that an address asks to wait, by a number or an instant; 0 where it does not."""
    value = headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _what_broke(error: Exception) -> str:
    words = {
        "ConnectTimeout": "it cannot be reached in time",
        "ReadTimeout": "it does not answer in time",
        "ChunkedEncodingError": "an answer was cut off",
        "SSLError": "its certificate is not accepted",
        "ContentDecodingError": "an answer cannot be unpacked",
    }
    return words.get(type(error).__name__, "it cannot be reached")


def _as_it_is(request: Any) -> Any:
    """Leave a request alone; without it, requests would take credentials from a netrc file in the place of ours."""
    return request


def _variable(auth: Any) -> str:
    return f"PLATFORM_SECRET_{auth.secret.upper()}"
