"""Any HTTP endpoint that takes JSON, and what apprise knows of a hundred others."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_resources.alerts.channels.base import TIMEOUT_SECONDS, ChannelRefused, post


@dataclass(frozen=True, kw_only=True)
class WebhookChannel:
    """Posts the message as it is, with its id as `Idempotency-Key`, signed where there is a secret."""

    name: str
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    timeout: float = TIMEOUT_SECONDS

    def send(self, document: Mapping[str, Any]) -> None:
        """Return when the endpoint took the message."""
        headers = {"Idempotency-Key": str(document["id"])}
        if self.secret:
            body = json.dumps(dict(document), ensure_ascii=False).encode()
            signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Signature-256"] = f"sha256={signature}"
        post(self.name, self.url, dict(document), headers=headers, timeout=self.timeout)


@dataclass(frozen=True, kw_only=True)
class AppriseChannel:
    """Sends title and text to one of apprise's services, such as `msteams://`, `tgram://`, `gchat://`."""

    name: str
    url: str = field(repr=False)

    def send(self, document: Mapping[str, Any]) -> None:
        """Return when the service took the message; apprise does not say why one did not."""
        import apprise  # noqa: PLC0415 - an extra

        sender = apprise.Apprise()
        if not sender.add(self.url):
            raise ChannelRefused(self.name, "apprise knows no such address", lasting=True)
        kind = apprise.NotifyType.SUCCESS if document["event"] == "recovered" else apprise.NotifyType.FAILURE
        if not sender.notify(title=document["title"], body=document["text"], notify_type=kind):
            raise ChannelRefused(self.name, "the service did not take it")
