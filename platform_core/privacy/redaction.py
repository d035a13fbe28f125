"""Text without what must not leave the house: secrets in addresses and assignments, and values that look personal.

It is the last fence for alerts, traces and logs. The first is that no value is put into them.
"""

import re

HIDDEN = "•••"

_PATTERNS = (
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
    re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]{8,}"),
    re.compile(r"(?i)\b(?:[\w-]*(?:password|passwd|secret|token|api_?key|access_?key|credential)[\w-]*)\s*[=:]\s*[^\s,;&]+"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"https://hooks\.slack\.com/[^\s'\"]+"),
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    re.compile(r"\b[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){3,7}(?: ?[0-9A-Z]{1,4})?\b"),
    re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"),
    re.compile(r"(?<![\w.-])(?:\d[ -]?){12,18}\d(?![\w.-])"),
    re.compile(r"(?<![\w.])\+\d[\d ()/-]{7,}\d"),
)  # fmt: skip


def redact(text: str) -> str:
    """Replace what looks like a secret, an e-mail address, an account, card or telephone number.

    >>> redact("postgresql://ada:pw@host refused ada@example.com")
    'postgresql://•••@host refused •••'
    """
    for pattern in _PATTERNS:
        text = pattern.sub(HIDDEN, text)
    return text
