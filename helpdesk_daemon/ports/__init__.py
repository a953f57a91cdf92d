"""The narrow doors between the stages and the world; every adapter behind one passes the same suite."""

from helpdesk_daemon.ports.clock import Clock, Reached, pass_by
from helpdesk_daemon.ports.digest import DayCount, DepartmentCount, DigestStore, Figures, SlowTicket, Span
from helpdesk_daemon.ports.incidents import Incident, IncidentStore, Trouble, Webhook
from helpdesk_daemon.ports.index_copy import IndexCopy
from helpdesk_daemon.ports.mailbox import Cursor, Fetched, Mailbox, Metered, Quota
from helpdesk_daemon.ports.meaning import Embedder, Example, JudgeMaker, LanguageOf, Revision, VectorIndex, unknown
from helpdesk_daemon.ports.records import (
    Arrival,
    Audit,
    Change,
    Copy,
    Due,
    Known,
    Label,
    Outcome,
    Question,
    Sent,
    Sighting,
    Stored,
    changed,
    difference,
)
from helpdesk_daemon.ports.retention import RetentionStore
from helpdesk_daemon.ports.sending import SentFolder, Transport
from helpdesk_daemon.ports.store import ArrivalStore, CopyStore, DecisionStore, ExampleStore, OutboxStore

__all__ = [
    "Arrival",
    "ArrivalStore",
    "Audit",
    "Change",
    "Clock",
    "Copy",
    "CopyStore",
    "Cursor",
    "DayCount",
    "DecisionStore",
    "DepartmentCount",
    "DigestStore",
    "Due",
    "Embedder",
    "Example",
    "ExampleStore",
    "Fetched",
    "Figures",
    "Incident",
    "IncidentStore",
    "IndexCopy",
    "JudgeMaker",
    "Known",
    "Label",
    "LanguageOf",
    "Mailbox",
    "Metered",
    "OutboxStore",
    "Outcome",
    "Question",
    "Quota",
    "Reached",
    "RetentionStore",
    "Revision",
    "Sent",
    "SentFolder",
    "Sighting",
    "SlowTicket",
    "Span",
    "Stored",
    "Transport",
    "Trouble",
    "VectorIndex",
    "Webhook",
    "changed",
    "difference",
    "pass_by",
    "unknown",
]
