"""Say what the daemon would do with a mail: the stages' own functions over an empty desk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from helpdesk_daemon.mail.bounce.verdict import failed_recipients
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.mail.screening.table import Kind
from helpdesk_daemon.ports import Arrival, Known, LanguageOf, Outcome, unknown
from helpdesk_daemon.stages.case import Case
from helpdesk_daemon.stages.classify import Bench
from helpdesk_daemon.stages.desks import Desks, at_desk
from helpdesk_daemon.stages.languages import reserve
from helpdesk_daemon.stages.plan import opens_ticket, plan
from helpdesk_daemon.triage.text import text_of
from helpdesk_daemon.triage.vote import Vote

BATCH = 64
VERDICTS = {Kind.OWN: "own", Kind.BOUNCE: "bounce", Kind.AUTO_REPLY: "auto_reply"}
Explanation = dict[str, Any]


class Explainer:
    """Explains mails in batches; sends and stores nothing.

    Args:
        desks: rules and settings as the daemon has them.
        bench: model, examples and judge.
        mailbox: name of the one that the mails come by; the first when empty.
        language_of: names the language of a text.
    """

    def __init__(self, desks: Desks, bench: Bench, mailbox: str = "", language_of: LanguageOf = unknown) -> None:
        self._language_of = language_of
        self._desks, self._bench = desks.voting(bench.embedder.name), bench
        self._mailbox = mailbox or desks.first.mailbox

    def explain(self, mails: Sequence[tuple[str, bytes]]) -> Iterator[Explanation]:
        """One explanation a mail, in order.

        Args:
            mails: file name and raw bytes of each.
        """
        for start in range(0, len(mails), BATCH):
            yield from self._batch(mails[start : start + BATCH])

    def _batch(self, mails: Sequence[tuple[str, bytes]]) -> Iterator[Explanation]:
        now = datetime.now(UTC)
        cases = []
        for number, (_, raw) in enumerate(mails, 1):
            arrival = Arrival(number, self._mailbox, raw, "", now, 1)
            cases.append(at_desk(arrival, parse(raw), Known(), self._desks, now))
        need = [i for i, case in enumerate(cases) if opens_ticket(case)]
        for i in need:
            message = cases[i].message
            language = self._language_of(text_of(message))
            cases[i] = replace(cases[i], message=replace(message, language=language))
        votes = dict(zip(need, self._votes([cases[i].message for i in need]), strict=True))
        for i, ((name, _), case) in enumerate(zip(mails, cases, strict=True)):
            yield describe(name, case, plan(case, votes.get(i)))

    def _votes(self, messages: Sequence[Message]) -> list[Vote | None]:
        voted = self._bench.votes([text_of(m) for m in messages]) if messages else []
        spoken = self._bench.embedder.languages
        return [reserve(v, m.language, spoken, self._language_of) for v, m in zip(voted, messages, strict=True)]


def verdict_of(case: Case, outcome: Outcome) -> str:
    """The one word for what becomes of a mail."""
    if case.screening.kind in VERDICTS:
        return VERDICTS[case.screening.kind]
    if any(case.desk.signer.read_message_id(i) for i in case.message.answers):
        return "reply"
    return outcome.state


def describe(name: str, case: Case, outcome: Outcome) -> Explanation:
    """An explanation with the keys that `explain --json` promises."""
    message, decision, ticket = case.message, outcome.decision, outcome.opened
    acknowledged = any(mail.kind == "acknowledgement" for mail in outcome.outgoing)
    desk = [f"decided for mailbox {case.desk.mailbox}: {case.because}"] if case.because else []
    doubts = [f"to review: {decision.review_reason}"] if decision and decision.needs_review else []
    withheld = next((a.detail["reason"] for a in outcome.audit if a.event == "acknowledgement.withheld"), "")
    return {
        "file": name,
        "verdict": verdict_of(case, outcome),
        "reasons": [case.screening.reason, *message.defects, *desk, *doubts],
        "from": str(message.sender),
        "subject": message.subject,
        "text": message.text,
        "reply_text": message.new_text,
        "attachments": [a.name for a in message.attachments],
        "failed_recipients": list(failed_recipients(message)) if case.screening.kind == Kind.BOUNCE else [],
        "acknowledge": acknowledged,
        "acknowledge_reason": case.screening.reason if acknowledged or not withheld else withheld,
        "category": decision.category if decision else None,
        "confidence": round(decision.confidence, 4) if decision else None,
        "needs_review": decision.needs_review if decision else None,
        "neighbours": [
            {"similarity": round(n.similarity, 4), "category": n.category, "source": n.source,
             "text": n.text[:200] if n.source == "seed" else n.ticket}
            for n in (decision.because[:5] if decision else ())
        ],
        "department": ticket.department if ticket else None,
        "address": ticket.address if ticket else None,
        "priority": ticket.priority.value if ticket else None,
        "sla_hours": ticket.sla_hours if ticket else None,
        "due_at": ticket.due_at.isoformat(timespec="seconds") if ticket else None,
        "rule": decision.rule if decision else None,
    }  # fmt: skip
