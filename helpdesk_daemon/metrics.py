"""What the running process counts, in Prometheus' terms; how things stand is asked of the database at each scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

VERDICTS = ("ticket", "reply", "ignored", "quarantined")
MOST = 100  # values of one label; the others are counted together, so that no mail can make a scrape grow
OTHER = "other"
_known: dict[str, set[str]] = {}

disable_created_metrics()  # type: ignore[no-untyped-call]
registry = CollectorRegistry()
ProcessCollector(registry=registry)  # memory, processor time and open files of this process
arrived = Counter("helpdesk_arrived", "Mails that were new to the ledger.", ("mailbox",), registry=registry)
messages = Counter(
    "helpdesk_messages", "Mails that were settled: ticket, reply, ignored or quarantined.", ("mailbox", "verdict"),
    registry=registry,
)  # fmt: skip
decisions = Counter(
    "helpdesk_decisions", "Decisions about tickets; review tells whether a person should look.",
    ("category", "department", "review"), registry=registry,
)  # fmt: skip
confidence = Histogram(
    "helpdesk_confidence", "Confidence of decisions, 0 to 1.", registry=registry,
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)  # fmt: skip
outgoing = Counter(
    "helpdesk_outgoing", "Tries to send a mail, by how they ended.", ("kind", "state"), registry=registry
)
failures = Counter(
    "helpdesk_failures", "What went wrong and is tried again, by the part it went wrong in.", ("part",),
    registry=registry,
)  # fmt: skip
seconds = Histogram(
    "helpdesk_stage_seconds", "Seconds a step takes: a poll, a batch, or one mail sent.", ("stage",), registry=registry,
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)  # fmt: skip
embedded = Counter("helpdesk_model_texts", "Texts the model embedded for a vote.", registry=registry)


def label(name: str, value: str) -> str:
    """A label's value as it is, or `other` once that label has `MOST` of them; called on the loop only."""
    known = _known.setdefault(name, set())
    if value in known or len(known) < MOST:
        known.add(value)
        return value
    return OTHER


def expect(mailboxes: Iterable[str]) -> None:
    """Begin what is counted by mailbox at 0, so that the first event counts as a change."""
    for mailbox in mailboxes:
        arrived.labels(mailbox)
        for verdict in VERDICTS:
            messages.labels(mailbox, verdict)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Time a step that ends well; what fails is counted as a failure, and says nothing about speed."""
    began = perf_counter()
    yield
    seconds.labels(stage).observe(perf_counter() - began)


def decided(category: str, department: str, needs_review: bool, how_sure: float) -> None:
    """Count a new ticket."""
    labels = label("category", category), label("department", department)
    decisions.labels(*labels, "yes" if needs_review else "no").inc()
    confidence.observe(how_sure)
