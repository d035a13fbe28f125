"""Where trouble is told. The journal is the embedded default; vendors join it as files of this family."""

from platform_resources.alerts.journal import Alert, AlertJournal, AlertSink

__all__ = ["Alert", "AlertJournal", "AlertSink"]
