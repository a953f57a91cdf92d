"""Each condition opens once and is over once; who is told, by what, and what happens when that is down."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from helpdesk_daemon.adapters.keys import load_signer
from helpdesk_daemon.adapters.smtp.transport import Relay, SmtpTransport
from helpdesk_daemon.adapters.store.learning.index_ledger import IndexLedger
from helpdesk_daemon.adapters.store.mail.holding import release_breaker
from helpdesk_daemon.adapters.store.schema.columns import iso
from helpdesk_daemon.adapters.store.telling.incidents import Incidents
from helpdesk_daemon.adapters.store.upkeep.operate import retry_quarantined
from helpdesk_daemon.adapters.webhook import HttpWebhook, signature
from helpdesk_daemon.conditions import CONDITIONS, Condition, Look, look_for_trouble
from helpdesk_daemon.errors import SignInError, TransientError, Unreachable
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports import Audit, Quota, Sent, Trouble
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.stages.budget import Budget
from helpdesk_daemon.stages.deliver import Deliver
from helpdesk_daemon.stages.desks import Desks
from helpdesk_daemon.stages.incidents import CALM
from helpdesk_daemon.stages.watch import Watch
from helpdesk_daemon.wiring.desks import desk_of, routing_of
from tests.contract.rows import BOX, FOLDER, Database, ignored, ticket, ticket_id
from tests.contract.tls import self_signed
from tests.harness.dovecot import free_port
from tests.harness.hook import Hook
from tests.harness.sink import Mail, Sink
from tests.harness.world import write_settings

STEP = timedelta(seconds=30)
SECRET = "a long word"


class Bench:
    """A watcher on a real database with a clock that is turned by hand, and what it told."""

    def __init__(self, folder: Path, smtp_port: int, hook: Hook | None) -> None:
        self.settings = load_settings(write_settings(folder, "maildir:inbox", smtp_port))
        self.settings.data_dir.mkdir(exist_ok=True)
        self.db = Database(self.settings.data_dir / "helpdesk.db")
        self.clock, self.said, self.hook = self.db.clock, dict[str, str](), hook
        self.table: tuple[Condition, ...] = CONDITIONS
        self.runner = asyncio.Runner()
        self.desk = desk_of(self.settings, routing_of(self.settings), load_signer(self.settings.data_dir))
        self.lane = Lane("db")
        transport = SmtpTransport(Relay("127.0.0.1", smtp_port, "none", "", lambda: "", 5))
        self.deliver = Deliver(
            self.db.outbox, transport, self.clock, self.lane, 16, lambda: Desks({"support": self.desk}), Budget(None)
        )
        self.webhook = HttpWebhook(lambda: hook.url if hook else "", lambda: SECRET, 0.5)
        self.watch = self.start()

    def start(self) -> Watch:
        """A new watcher, as after a restart."""
        webhook = self.webhook if self.hook else None
        return Watch(self.look, Incidents(self.db.engine, self.clock), lambda: self.desk, webhook, self.clock,
                     self.lane, lambda: None)  # fmt: skip

    def look(self) -> tuple[list[Trouble], frozenset[str]]:
        return look_for_trouble(self.db.engine, self.settings, self.clock.now(), None, self.said, self.table)

    def step(self, deliver: bool = False) -> None:
        async def both() -> None:
            await self.watch.look()
            if deliver:
                with contextlib.suppress(Unreachable, SignInError):
                    await self.deliver.drain()

        self.clock.at += STEP
        self.runner.run(both())
        if not deliver:  # as if alerts left and nothing else did
            self.db.write("update outbox set state = 'sent' where kind = 'alert'")

    def play(self, minutes: float, each: Callable[[], object] = lambda: None, deliver: bool = False) -> None:
        for _ in range(int(minutes * 2)):
            each()
            self.step(deliver)

    def alerts(self) -> list[str]:
        """Subjects of the alerts put into the outbox."""
        mimes = [row["mime"] for row in self.db.rows("select mime from outbox where kind = 'alert' order by id")]
        return [str(Mail("", "", mime).message["Subject"]).replace("\n ", " ") for mime in mimes]

    def posts(self) -> list[tuple[str, str]]:
        assert self.hook
        return [(post["event"], post["name"]) for post in self.hook.posts]

    def poll(self, error: str = "", refused: bool = False) -> None:
        self.db.arrivals.note_poll(BOX, FOLDER, error, refused)

    def close(self) -> None:
        self.runner.run(self.watch.close())
        self.runner.run(self.deliver.close())
        self.runner.close()
        self.webhook = None  # type: ignore[assignment]
        self.lane.close()
        self.db.engine.dispose()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, sink: Sink, hook: Hook) -> Iterator[Bench]:
    made = Bench(tmp_path, sink.port, hook)
    yield made
    made.close()


def words_of(mail: Mail) -> str:
    content = mail.message.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


Act = Callable[[Bench], object]
# Scans of what does not grow: a row a mailbox, a breaker, a department; crowds that are open.
SHORT = ("SCAN mailboxes", "SCAN breakers", "SCAN watching", "SCAN crowds USING INDEX crowds_open")


def _outcome(bench: Bench, line: Audit, **changes: Any) -> None:
    (number,) = bench.db.arrive(1, 50)
    bench.db.decisions.claim(9)
    bench.db.decisions.commit([ignored(number, audit=(line,), **changes)])


def _refuse(bench: Bench) -> None:
    """A notice to a department is refused for good, and everything else left."""
    bench.db.open_ticket(1)
    bench.db.write("update outbox set state = 'sent'")
    bench.db.write("update outbox set state = 'sending' where kind = 'forward'")
    row = bench.db.one("select id from outbox where kind = 'forward'")
    detail = {"outbox": row, "kind": "forward", "to": "billing@helpdesk.example", "reply": "550 no such user"}
    bench.db.outbox.settle([Sent(row, "failed", "550", audit=Audit("outgoing.failed", detail))], [])


def _bounce(bench: Bench) -> None:
    bench.db.open_ticket(1)
    bench.db.write("update outbox set state = 'sent'")
    _outcome(bench, Audit("outgoing.bounced", {"party": "a"}, ticket_id(1)))


def _quarantine(bench: Bench) -> None:
    (number,) = bench.db.arrive(1)
    bench.db.decisions.claim(9)
    line = Audit("message.quarantined", {"arrival": number, "reason": "it broke this stage 3 times"})
    bench.db.decisions.commit([ignored(number, state="quarantined", audit=(line,))])


def _pend(bench: Bench) -> None:
    bench.db.open_ticket(1)


def _leave(bench: Bench) -> None:
    bench.db.write("update outbox set state = 'sent'")


def _decide(bench: Bench) -> None:
    (number,) = (row["id"] for row in bench.db.rows("select id from arrivals"))
    bench.db.decisions.commit([ignored(number)])


def _say(part: str, words: str) -> Act:
    return lambda bench: bench.said.update({part: words})


def _disk(megabytes: float) -> Act:
    return lambda bench: setattr(bench.settings.alerts, "disk_free_mb", megabytes)


def _fill(used: int) -> Act:
    def act(bench: Bench) -> None:
        bench.poll()
        bench.db.arrivals.note_quota(BOX, FOLDER, Quota(used, 100_000_000_000))

    return act


def _copy(bench: Bench) -> IndexLedger:
    return IndexLedger(bench.db.engine, bench.clock)


def _distrust(bench: Bench) -> None:
    bench.settings.index.kind = "endee"
    _copy(bench).found_bad("no route")


def _nothing(bench: Bench) -> None:
    """Time mends it."""


def _retry(bench: Bench) -> None:
    retry_quarantined(bench.db.engine, bench.clock, [])
    bench.db.decisions.commit([ignored(bench.db.decisions.claim(9)[0].id)])


def _alarm(name: str, state: str) -> Act:
    return lambda bench: bench.db.write(
        "insert into watching (name, state, alarmed_at, at) values (:name, :state, :at, :at)",
        name=name, state=state, at=iso(bench.clock.now()),
    )  # fmt: skip


def _calm(bench: Bench) -> None:
    bench.db.write("update watching set alarmed_at = null")


def _crowd(kind: str) -> Act:
    def act(bench: Bench) -> None:
        bench.db.write("insert into crowds (id, kind, began_at, last_at, last_sighting) values (1, :kind, :at, :at, 3)",
                       kind=kind, at=iso(bench.clock.now()))  # fmt: skip
        for number in (1, 2, 3):
            made = bench.db.open_ticket(number, opened=ticket(number, subject=f"Webmail shows error {500 + number}"))
            bench.db.write("insert into crowd_tickets (crowd, ticket) values (1, :ticket)", ticket=made.id)
        bench.db.write("update outbox set state = 'sent'")

    return act


def _disperse(bench: Bench) -> None:
    bench.db.write("update crowds set ended_at = :at", at=iso(bench.clock.now()))


# By condition: what brings it about, what goes on meanwhile, what ends it, minutes until it is told, and what the
# alert says.
CASES: dict[str, tuple[Act, Act, Act, float, str]] = {
    "mailbox.silent": (lambda b: b.poll(), lambda b: b.poll("no route"), lambda b: b.poll(), 15, "no route"),
    "mailbox.refused": (lambda b: b.poll(), lambda b: b.poll("no such user", True), lambda b: b.poll(), 1,
                        "no such user"),
    "mailbox.full": (_fill(91_000_000_000), lambda b: b.poll(), _fill(80_000_000_000), 0.5, "91 % of 100.0 GB"),
    "smtp.refused": (_say("smtp sign-in", "535 who?"), _nothing, _say("smtp sign-in", ""), 6.5, "535 who?"),
    "outbox.stuck": (_pend, _nothing, _leave, 15, "due for 15 minutes"),
    "outgoing.failed": (_refuse, _nothing, _leave, 0.5, "billing@helpdesk.example: 550 no such user"),
    "department.bouncing": (_bounce, _nothing, _nothing, 0.5, "Billing Team <billing@helpdesk.example> comes back"),
    "quarantine.grew": (_quarantine, _nothing, _retry, 0.5, "it broke this stage 3 times"),
    "breaker.open": (lambda b: _outcome(b, Audit("x", {}), breaker="a storm"), _nothing,
                     lambda b: release_breaker(b.db.engine, b.clock), 0.5, "helpdesk-daemon outbox release"),
    "arrivals.waiting": (lambda b: b.db.arrive(1), _nothing, _decide, 15, "waiting for 15 minutes"),
    "model.failing": (_say("model", "no such file"), _nothing, _say("model", ""), 1.5, "no such file"),
    "rules.unusable": (_say("rules /etc/routing.toml", "line 7, 'x': rule.1: unknown. Delete it."), _nothing,
                       _say("rules /etc/routing.toml", ""), 0.5, "unknown. Delete it. The last good rules stay in use"),
    "index.failing": (_distrust, lambda b: _copy(b).found_bad("no route"), lambda b: _copy(b).found_good(9, 1.0), 2.5,
                      "Endee is not asked: no route"),
    "disk.full": (_disk(1e12), _nothing, _disk(1), 1.5, "MB are free"),
    "accuracy.fell": (_alarm("department:Billing Team", '{"verdicts": 200, "wrong": 20}'), _nothing, _calm, 0.5,
                      "tickets of Billing Team far more often than before, when about 10 % were wrong"),
    "calibration.drifted": (_alarm("calibration", '{"verdicts": 200}'), _nothing, _calm, 0.5, "by 200 verdicts"),
    "mail.shifted": (_alarm("mix", json.dumps({"blocks": [{"Billing": 40, "Login": 10}] * 12
                                               + [{"Billing": 10, "Login": 40}] * 4})), _nothing, _calm, 0.5,
                     "Billing 80 % before, 20 % now"),
    "mail.unlike": (_alarm("unlike", '{"chart": {}, "tickets": ["HD-00000001", "HD-00000002"]}'), _nothing, _calm, 0.5,
                    "The latest: HD-00000001, HD-00000002."),
    "topic.new": (_crowd("topic"), _nothing, _disperse, 0.5, "subjects: error, shows, webmail. Tickets: HD-00000001"),
    "tickets.burst": (_crowd("burst"), _nothing, _disperse, 0.5, "helpdesk-daemon accuracy --crowd 1"),
}  # fmt: skip


def test_every_condition_has_its_case() -> None:
    assert list(CASES) == [row.name for row in CONDITIONS]


@pytest.mark.parametrize("name", CASES)
def test_a_condition_is_told_once_and_over_once(bench: Bench, name: str) -> None:
    begin, meanwhile, end, minutes, words = CASES[name]
    begin(bench)
    bench.play(minutes - 0.5, lambda: meanwhile(bench))
    assert (bench.alerts(), bench.posts()) == ([], []), "too early"
    bench.play(20, lambda: meanwhile(bench))
    assert len(bench.alerts()) == 1
    assert bench.alerts()[0].startswith("Alert: ")
    assert bench.posts() == [("opened", name)]
    mime = bench.db.one("select mime from outbox where kind = 'alert'")
    assert words in " ".join(words_of(Mail("", "", mime)).split())
    end(bench)
    bench.play(61 if end is _nothing else 0)
    bench.play(20, lambda: bench.poll() if name.startswith("mailbox.") else None)
    assert [subject.partition(":")[0] for subject in bench.alerts()] == ["Alert", "Over"]
    assert bench.posts() == [("opened", name), ("recovered", name)]
    assert bench.db.one("select count(*) from incidents") == 1
    events = [row["event"] for row in bench.db.rows("select event from audit_log where event like 'incident.%'")]
    assert events == ["incident.opened", "incident.recovered"]


def test_a_quiet_week_brings_no_alert(bench: Bench) -> None:
    bench.poll()
    for _ in range(7 * 24):
        bench.clock.at += timedelta(hours=1)
        bench.poll()
        bench.step()
    assert bench.alerts() == []
    assert bench.hook is not None and bench.hook.asked == 0
    assert bench.db.one("select count(*) from incidents") == 0


def test_trouble_that_comes_and_goes_brings_one_alert(bench: Bench) -> None:
    for _ in range(40):
        bench.said["model"] = "gone"
        bench.play(3)
        bench.said["model"] = ""
        bench.play(1)
    assert len(bench.alerts()) == 1
    bench.play(10)
    assert [subject.partition(":")[0] for subject in bench.alerts()] == ["Alert", "Over"]


def test_trouble_of_a_moment_brings_none(bench: Bench) -> None:
    for _ in range(40):
        bench.said["model"] = "gone"
        bench.step()
        bench.said["model"] = ""
        bench.step()
    assert bench.alerts() == []


def test_a_restart_repeats_nothing(bench: Bench) -> None:
    bench.said["model"] = "gone"
    for _ in range(10):
        bench.play(1)
        bench.watch = bench.start()
    assert len(bench.alerts()) == 1
    bench.said["model"] = ""
    for _ in range(14):
        bench.play(0.5)
        bench.watch = bench.start()
    assert len(bench.alerts()) == 2
    assert bench.posts() == [("opened", "model.failing"), ("recovered", "model.failing")]


def test_troubles_of_one_look_come_in_one_mail_that_can_be_read(bench: Bench, sink: Sink) -> None:
    _quarantine(bench)
    _fill(95_000_000_000)(bench)
    bench.play(2, bench.poll, deliver=True)
    (mail,) = sink.mails
    assert mail.recipient == "operator@helpdesk.example"
    message = mail.message
    assert (
        " ".join(message["Subject"].split())
        == "Alert: 2 problems: Mailbox support is nearly full; Mail was quarantined"
    )
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Helpdesk-Loop"]
    words = words_of(mail)
    assert "Mailbox support uses 95 % of 100.0 GB" in words
    assert "Triage has them attached" in words
    assert len(bench.posts()) == 2, "the webhook hears of each"
    _retry(bench)
    bench.play(10, bench.poll, deliver=True)
    _, over = sink.mails
    assert over.message["Subject"] == "Over: Mail was quarantined"
    assert "Still open:" in words_of(over)


def test_alerts_leave_while_the_breaker_holds_everything_else(bench: Bench, sink: Sink) -> None:
    bench.db.open_ticket(1, breaker="a storm")
    bench.play(2, deliver=True)
    assert [mail.message["Subject"] for mail in sink.mails] == ["Alert: Outgoing mail is held"]
    release_breaker(bench.db.engine, bench.clock)
    bench.play(10, deliver=True)
    assert [str(mail.message["Subject"]) for mail in sink.mails][-1] == "Over: Outgoing mail is held"
    assert len(sink.mails) == 4, "two alerts, and the forward and the acknowledgement that were held"


def test_without_an_operator_nothing_is_mailed_until_there_is_one(bench: Bench) -> None:
    operator, bench.desk = bench.desk, replace(bench.desk, operator="")
    bench.said["model"] = "gone"
    bench.play(10)
    assert bench.alerts() == []
    assert bench.posts() == [("opened", "model.failing")]
    bench.desk = operator
    bench.play(10)
    assert len(bench.alerts()) == 1


def test_what_an_operator_was_not_told_of_is_not_called_over(bench: Bench) -> None:
    bench.desk = replace(bench.desk, operator="")
    bench.said["model"] = "gone"
    bench.play(5)
    bench.said["model"] = ""
    bench.play(CALM / timedelta(minutes=1) - 1)
    bench.play(5)
    bench.desk = replace(bench.desk, operator="operator@helpdesk.example")
    bench.play(5)
    assert bench.alerts() == []


# --- the webhook ---------------------------------------------------------------------------------


def test_the_webhook_tells_while_smtp_is_down(tmp_path: Path, hook: Hook) -> None:
    port = free_port()
    bench = Bench(tmp_path, port, hook)
    bench.db.open_ticket(1)
    bench.play(20, deliver=True)
    assert bench.posts() == [("opened", "outbox.stuck")]
    assert bench.deliver.failing
    with Sink(port=port) as sink:
        bench.play(10, deliver=True)
        assert sorted(str(m.message["Subject"]).partition(":")[0] for m in sink.mails if m.recipient[:4] == "oper") == [
            "Alert", "Over",
        ]  # fmt: skip
    assert bench.posts() == [("opened", "outbox.stuck"), ("recovered", "outbox.stuck")]
    bench.close()


def test_a_webhook_that_is_down_hears_of_it_later_and_once(bench: Bench) -> None:
    assert bench.hook
    bench.hook.stop()
    bench.said["model"] = "gone"
    bench.play(10)
    assert len(bench.alerts()) == 1, "mail does not wait for the webhook"
    assert bench.db.one("select post_error from incidents") == "webhook at 127.0.0.1: ConnectError"
    bench.watch = bench.start()
    bench.hook.start()
    bench.play(70)
    assert bench.posts() == [("opened", "model.failing")]


def test_what_is_over_before_the_webhook_is_back_is_posted_once_as_over(bench: Bench) -> None:
    assert bench.hook
    bench.hook.answer = 503
    bench.said["model"] = "gone"
    bench.play(10)
    bench.said["model"] = ""
    bench.play(10)
    bench.hook.answer = 200
    bench.play(70)
    assert bench.posts() == [("recovered", "model.failing")]
    assert bench.hook.posts[0]["opened_at"] < bench.hook.posts[0]["recovered_at"]


def test_tries_at_a_webhook_that_fails_become_rare(bench: Bench) -> None:
    assert bench.hook
    bench.hook.answer = 500
    bench.said["model"] = "gone"
    bench.play(120)
    assert 5 <= bench.hook.asked <= 12


def test_a_webhook_that_refuses_is_tried_once_an_hour_as_only_a_person_can_mend_it(bench: Bench) -> None:
    assert bench.hook
    bench.hook.answer = 404
    bench.said["model"] = "gone"
    bench.play(60)
    assert bench.hook.asked == 1
    bench.hook.answer = 200
    bench.play(5)
    assert bench.posts() == [("opened", "model.failing")]


def test_a_webhook_says_when_to_come_again(bench: Bench) -> None:
    assert bench.hook
    bench.hook.answer, bench.hook.headers = 429, {"Retry-After": "600"}
    bench.said["model"] = "gone"
    bench.play(11)
    assert bench.hook.asked == 1


def test_a_webhook_that_hangs_holds_nothing_up(bench: Bench) -> None:
    assert bench.hook
    bench.hook.hang = True
    _quarantine(bench)
    _fill(95_000_000_000)(bench)
    bench.step()
    assert bench.hook.asked == 1, "the others would fare the same"
    assert len(bench.alerts()) == 1
    assert bench.db.rows("select distinct post_error from incidents") == [
        {"post_error": "webhook at 127.0.0.1: TimeoutError"}
    ]


def test_a_redirect_is_not_followed(bench: Bench) -> None:
    assert bench.hook
    with Hook() as elsewhere:
        bench.hook.answer, bench.hook.headers = 307, {"Location": elsewhere.url}
        bench.said["model"] = "gone"
        bench.play(3)
        assert elsewhere.asked == 0
    assert "307" in bench.db.one("select post_error from incidents")


def test_posts_are_signed_over_their_bytes(bench: Bench) -> None:
    assert bench.hook
    bench.said["model"] = "gone ☃"
    bench.play(3)
    ((body, headers),) = bench.hook.raw
    assert headers["X-Helpdesk-Signature"] == signature(body, SECRET)
    assert signature(body, SECRET) != signature(body, SECRET + "x")
    assert headers["Content-Type"] == "application/json"
    assert "gone ☃" in bench.hook.posts[0]["text"]


def test_a_certificate_must_be_trusted(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    hook = Hook(certificate)

    async def post(ca_file: str) -> str:
        webhook = HttpWebhook(lambda: hook.url, str, ca_file=ca_file)
        try:
            return await webhook.post({"text": "it"})
        finally:
            await webhook.close()

    with hook:
        with pytest.raises(TransientError, match="ConnectError"):
            asyncio.run(post(""))
        assert asyncio.run(post(str(certificate))).startswith("webhook at 127.0.0.1: 200 so be it")
    assert hook.posts == [{"text": "it"}]


def test_a_watcher_that_fails_stops_nothing_and_tells_later(bench: Bench) -> None:
    whole, bench.desk = bench.desk, replace(bench.desk, composer=None)  # type: ignore[arg-type]
    bench.said["model"] = "gone"
    bench.play(3)
    assert bench.alerts() == []
    assert bench.db.one("select count(*) from audit_log") == 0
    bench.desk = whole
    bench.play(3)
    assert len(bench.alerts()) == 1


# --- the table -----------------------------------------------------------------------------------


def test_a_row_is_all_it_takes_to_watch_for_something_else(bench: Bench) -> None:
    def measure(look: Look, limit: float) -> list[tuple[str, dict[str, object]]]:
        return [("billing", {"late": 7})]

    words = ("{subject} is late", "{late} tickets of {subject} are late", "Answer them")
    bench.table = (*CONDITIONS, Condition("sla.breached", "", measure, *words))
    bench.play(5)
    assert bench.alerts() == ["Alert: billing is late"]


def test_a_condition_that_breaks_blinds_no_other_and_ends_no_incident(bench: Bench) -> None:
    def fail(look: Look, limit: float) -> list[tuple[str, dict[str, object]]]:
        raise ZeroDivisionError

    broken = replace(next(row for row in CONDITIONS if row.name == "disk.full"), measure=fail)
    _disk(1e12)(bench)
    bench.play(3)
    bench.table = (broken, *(row for row in CONDITIONS if row.name != "disk.full"))
    bench.said["model"] = "gone"
    bench.play(30)
    assert bench.alerts() == ["Alert: The disk is nearly full", "Alert: Tickets are not classified"]


@pytest.mark.parametrize("row", [row for row in CONDITIONS if row.threshold], ids=lambda row: row.name)
def test_a_threshold_of_nothing_switches_a_condition_off(bench: Bench, row: Condition) -> None:
    begin, meanwhile, _, _, _ = CASES[row.name]
    begin(bench)
    setattr(bench.settings.alerts, row.threshold, 0.0)
    bench.play(20, lambda: meanwhile(bench))
    assert ("opened", row.name) not in bench.posts()


def test_what_is_late_counts_from_when_the_stages_began_to_run(bench: Bench) -> None:
    bench.poll()
    bench.db.open_ticket(1)
    bench.db.arrive(1, 9)
    bench.clock.turn(days=3)
    now, engine = bench.clock.now(), bench.db.engine
    late = {"mailbox.silent", "outbox.stuck", "arrivals.waiting"}
    stopped, _ = look_for_trouble(engine, bench.settings, now)
    assert {t.name for t in stopped} == late
    started, _ = look_for_trouble(engine, bench.settings, now, now - timedelta(minutes=14))
    assert started == []
    slow, _ = look_for_trouble(engine, bench.settings, now, now - timedelta(minutes=16))
    assert {t.name for t in slow} == late


def test_a_mailbox_that_is_polled_seldom_is_not_silent_in_between(bench: Bench) -> None:
    bench.settings.mailbox[0].poll_seconds = 3_600
    bench.poll()
    bench.play(100)
    assert bench.alerts() == []
    bench.play(25)
    assert bench.alerts() == ["Alert: Mailbox support cannot be read"]


def test_a_mailbox_no_longer_configured_is_nobodys_trouble(bench: Bench) -> None:
    bench.db.arrivals.note_poll("old", FOLDER, "gone", refused=True)
    bench.play(20)
    assert bench.alerts() == []


def test_a_look_reads_no_history(bench: Bench) -> None:
    """Every query of a look finds its rows by an index, whatever lies in the tables."""
    bench.poll()
    statements: list[tuple[str, Any]] = []
    _quarantine(bench)
    _refuse(bench)
    bench.step()
    event.listen(
        bench.db.engine, "before_cursor_execute", lambda c, cur, sql, values, *_: statements.append((sql, values))
    )
    bench.step()
    asked = [(sql, values) for sql, values in statements if sql.lstrip().upper().startswith("SELECT")]
    assert len(asked) > 10
    for sql, values in asked:
        with bench.db.engine.connect() as connection:
            plan = [row.detail for row in connection.exec_driver_sql(f"explain query plan {sql}", values)]
        scans = [step for step in plan if step.startswith("SCAN") and " USING INDEX incidents_" not in step]
        assert [s for s in scans if s not in SHORT] == [], (sql, plan)
