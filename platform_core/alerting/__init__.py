"""Who is told of what, once: signals become incidents, and incidents become messages.

Nothing here reads a clock or sends anything. A signal says that something is wrong, or right again; the fold keeps what
is open and returns the messages that are due. What is kept is a document, so that a router that was killed goes on
where it was.
"""

from platform_core.alerting.fold import AlertState, Incident, Told, fold_signals
from platform_core.alerting.messages import Message, document_of, render_text, render_title
from platform_core.alerting.policy import AlertPolicy, Quiet, Route, Silence
from platform_core.alerting.signals import KINDS, LEVEL_KINDS, Place, Signal

__all__ = [
    "KINDS",
    "LEVEL_KINDS",
    "AlertPolicy",
    "AlertState",
    "Incident",
    "Message",
    "Place",
    "Quiet",
    "Route",
    "Signal",
    "Silence",
    "Told",
    "document_of",
    "fold_signals",
    "render_text",
    "render_title",
]
