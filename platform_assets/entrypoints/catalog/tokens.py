"""Who may use the catalog: bearer tokens with scopes, kept as digests, so that the file holds no secret."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path

from platform_resources.errors import SettingsError

SCOPES = ("read", "sample", "register")
_DIGEST = 64
_VARIABLE = "PLATFORM_CATALOG_TOKENS"


@dataclass(frozen=True)
class Tokens:
    """Scopes by the SHA-256 of a token; without any token everybody may read and nobody may write."""

    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def scopes_of(self, header: str | None) -> tuple[str, ...] | None:
        """Return what the sender of an Authorization header may do; None where he is not known."""
        if not self.scopes:
            return ("read", "sample")
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        digest = hashlib.sha256(token.strip().encode()).hexdigest()
        matches = [scopes for known, scopes in self.scopes.items() if compare_digest(known, digest)]
        return matches[0] if matches else None


def read_tokens(path: str | None) -> Tokens:
    """Read the file of tokens; none without a path.

    Raises:
        SettingsError: It cannot be read, or holds something else; the message repeats nothing of it.
    """
    if path is None:
        return Tokens()
    fix = 'write {"<sha256 of the token>": ["read"]}; printf %s "$TOKEN" | sha256sum gives the digest'
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(_VARIABLE, f"{path!r} cannot be read as JSON", fix=fix) from error
    if not isinstance(document, dict) or not document:
        raise SettingsError(_VARIABLE, f"{path!r} holds no tokens", fix=fix)
    for digest, scopes in document.items():
        is_digest = len(digest) == _DIGEST and all(letter in "0123456789abcdef" for letter in digest)
        if not is_digest or not isinstance(scopes, list) or not set(scopes) <= set(SCOPES):
            raise SettingsError(_VARIABLE, f"{path!r} has an entry of another form", allowed=SCOPES, fix=fix)
    return Tokens({digest: tuple(scopes) for digest, scopes in document.items()})
