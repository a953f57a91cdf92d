"""The nastiest mail among ordinary mail, through Dovecot: the good is not held up, the bad is seen by people."""

from __future__ import annotations

from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from helpdesk_daemon.mail.parse import parse
from tests.harness.dovecot import Dovecot
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import rows, write_settings
from tests.integration.conftest import once
from tests.unit.test_hostile import BIG, HOSTILE

GOOD = 200
BREAKS = b"this one breaks the stage"


def nasty() -> dict[str, bytes]:
    """Every hostile mail that a mailbox may hold; those of 50 MB are the unit suite's."""
    made = {name: make() for name, make in HOSTILE.items()}
    return {name: raw for name, raw in made.items() if len(raw) < BIG // 10}


def whole(raw: bytes, number: int) -> bytes:
    """A hostile mail with a name of its own, so that no two are taken for copies."""
    return b"X-Nasty: %d\r\nMessage-ID: <nasty-%d@odd.example>\r\n" % (number, number) + raw.lstrip(b"\r\n")


@pytest.mark.timeout(280)
def test_the_nastiest_mail_holds_up_nobody(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    bad = [whole(raw, number) for number, raw in enumerate(nasty().values())]
    server.append([mail(n) for n in range(1, GOOD // 2 + 1)])
    server.append(bad)
    server.append([mail(n) for n in range(GOOD // 2 + 1, GOOD + 1)])
    assert once(write_settings(tmp_path, server.url, sink.port)) == GOOD + len(bad)
    arrivals = rows(tmp_path, "select state, sender from arrivals")
    assert {a["state"] for a in arrivals} <= {"ticket", "ignored", "quarantined"}
    good = [a for a in arrivals if "odd.example" not in a["sender"] and a["state"] == "ticket"]
    assert len(good) >= GOOD
    assert rows(tmp_path, "select 1 from outbox where state <> 'sent'") == []
    lost = rows(tmp_path, "select reason from arrivals where state = 'ignored' and reason = ''")
    assert lost == [], "whatever opened no ticket has a reason"


def test_a_mail_that_breaks_parsing_among_good_ones_is_quarantined_and_seen_in_triage(
    tmp_path: Path, server: Dovecot, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(raw: bytes) -> Any:
        if BREAKS in raw:
            raise ValueError("no such thing should be")
        return parse(raw)

    monkeypatch.setattr("helpdesk_daemon.stages.decide.parse", breaking)
    settings = write_settings(tmp_path, server.url, sink.port)
    broken = mail(11, sender="eve@odd.example") + BREAKS
    server.append([*(mail(n) for n in range(1, 11)), broken, *(mail(n) for n in range(21, 31))])
    assert once(settings) == 21
    states = rows(tmp_path, "select state, count(*) as n from arrivals group by state order by state")
    assert states == [{"state": "quarantined", "n": 1}, {"state": "ticket", "n": 20}]
    (notice,) = (m for m in sink.mails if m.recipient == "general@helpdesk.example" and BREAKS in m.content)
    attached = [
        part for part in message_from_bytes(notice.content).walk() if part.get_content_type() == "message/rfc822"
    ]
    assert len(attached) == 1, "a person sees the mail as it came"
