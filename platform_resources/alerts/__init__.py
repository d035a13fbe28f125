"""Where trouble is told: channels, the file that names them, and the outbox that loses nothing.

The journal is the embedded default; vendors are files of the family `channels`.
"""

from platform_resources.alerts.channels import Channel, ChannelRefused
from platform_resources.alerts.file import AlertFile, read_alert_file
from platform_resources.alerts.journal import AlertJournal
from platform_resources.alerts.outbox import Outbox, StoredMessage

__all__ = ["AlertFile", "AlertJournal", "Channel", "ChannelRefused", "Outbox", "StoredMessage", "read_alert_file"]
