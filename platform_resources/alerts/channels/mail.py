"""Mail, by any SMTP server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from platform_resources.alerts.channels.base import TIMEOUT_SECONDS, ChannelRefused

_PERMANENT = 500


@dataclass(frozen=True, kw_only=True)
class MailChannel:
    """Sends plain text; all messages of an incident are one thread, and a second sending has the same Message-ID."""

    name: str
    host: str
    sender: str
    to: Sequence[str]
    port: int = 25
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    timeout: float = TIMEOUT_SECONDS

    def send(self, document: Mapping[str, Any]) -> None:
        """Return when the server took the mail for every recipient."""
        import smtplib  # noqa: PLC0415 - only where mail is sent

        try:
            with smtplib.SMTP(self.host, self.port, timeout=self.timeout) as server:
                if self.tls:
                    server.starttls()
                if self.user:
                    server.login(self.user, self.password)
                refused = server.send_message(self._mail(document))
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            raise ChannelRefused(
                self.name, f"every recipient was refused ({codes})", lasting=min(codes) >= _PERMANENT
            ) from None
        except smtplib.SMTPResponseException as error:
            lasting = error.smtp_code >= _PERMANENT
            raise ChannelRefused(self.name, f"answered {error.smtp_code}", lasting=lasting) from None
        except (OSError, smtplib.SMTPException) as error:
            raise ChannelRefused(self.name, f"no connection ({type(error).__name__})") from None
        if refused:
            reason = f"{len(refused)} of {len(self.to)} recipients were refused"
            raise ChannelRefused(self.name, reason, lasting=True, taken=True)

    def _mail(self, document: Mapping[str, Any]) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"] = self.sender, ", ".join(self.to)
        mail["Subject"] = " ".join(str(document["title"]).split())
        mail["Message-ID"] = f"<{document['id'].replace('/', '.')}@platform>"
        mail["In-Reply-To"] = mail["References"] = f"<{document['incident']}@platform>"
        mail.set_content(document["text"])
        return mail
