"""The REST API of a running daemon, over HTTP; mail leaves by SMTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.store.access import tokens
from tests.harness.sink import Sink
from tests.harness.web import JOHN, WEB, Site, play
from tests.harness.world import rows
from tests.unit.making import mail

SUBMIT, LIST = "/api/tickets/submit/", "/api/tickets/"
OPEN = WEB + "open_submit = true\n"


@pytest.mark.timeout(240)
def test_a_submitted_ticket_goes_the_way_of_a_mail(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        await site.app.classifier.prepare()
        by_mail = mail(JOHN["description"], subject=JOHN["subject"])
        (tmp_path / "inbox" / "new" / "1.mail").write_bytes(by_mail)
        answer = await site.client.post(SUBMIT, json=JOHN, headers=site.token("submit"))
        assert answer.status_code == 201
        ticket, classification = answer.json()["ticket"], answer.json()["classification"]
        assert ticket["subject"] == JOHN["subject"]
        assert (ticket["predicted_category"], ticket["priority"], ticket["sla_hours"], ticket["status"]) == (
            "Account", "high", 2, "new",
        )  # fmt: skip
        assert classification == {
            "category": "Account", "confidence": ticket["confidence_score"], "department": ticket["department"],
            "priority": "high", "sla_hours": 2,
        }  # fmt: skip
        acknowledged = await site.settled(lambda: [m for m in sink.mails if m.recipient == JOHN["customer_email"]])
        assert ticket["ticket_id"] in str(acknowledged[0].message["Subject"])
        others = "select category from tickets where id <> ?"
        mailed = await site.settled(lambda: rows(tmp_path, others, ticket["ticket_id"]))
        decided = rows(tmp_path, "select category, confidence from decisions order by id")
        assert mailed[0]["category"] == "Account"
        assert decided[0] == decided[1], "the same text, the same decision, whatever way it came"
        shown = await site.client.get(f"{LIST}{ticket['ticket_id'].lower()}/", headers=site.token("read"))
        assert shown.json()["predicted_category"] == "Account"

    (tmp_path / "inbox" / "new").mkdir(parents=True)
    (tmp_path / "inbox" / "cur").mkdir()
    (tmp_path / "inbox" / "tmp").mkdir()
    play(tmp_path, sink, scene, real_model=True)


def test_who_may_do_what(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        reads, submits = site.token("read"), site.token("submit")
        assert (await site.client.get(LIST)).status_code == 401
        assert (await site.client.post(SUBMIT, json=JOHN)).status_code == 401
        refused = await site.client.get(LIST, headers={"Authorization": "Bearer hdt_guess"})
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.headers["content-type"] == "application/problem+json"
        assert (await site.client.get(LIST, headers=reads)).status_code == 200
        assert (await site.client.get(LIST, headers=submits)).status_code == 403
        assert (await site.client.post(SUBMIT, json=JOHN, headers=reads)).status_code == 403
        closing = await site.client.post(f"{LIST}HD-7K3M9QX2/close/", headers=reads)
        assert closing.status_code == 403
        assert tokens.revoke(site.app.engine, SystemClock(), 1, "tester")
        assert (await site.client.get(LIST, headers=reads)).status_code == 401
        kept = rows(tmp_path, "select digest from api_tokens")
        assert all(reads["Authorization"].removeprefix("Bearer ") not in row["digest"] for row in kept)
        assert rows(tmp_path, "select * from arrivals") == []

    play(tmp_path, sink, scene)


def test_a_repeat_under_one_key_is_one_ticket_and_one_answer(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        headers = site.token("submit") | {"Idempotency-Key": "order-17"}
        both = await asyncio.gather(*(site.client.post(SUBMIT, json=JOHN, headers=headers) for _ in range(2)))
        later = await site.client.post(SUBMIT, json=JOHN, headers=headers)
        assert [answer.status_code for answer in (*both, later)] == [201] * 3
        assert both[0].json() == both[1].json() == later.json()
        other = await site.client.post(SUBMIT, json=JOHN | {"subject": "Another"}, headers=headers)
        assert other.status_code == 409
        elsewhere = await site.client.post(SUBMIT, json=JOHN, headers=headers | site.token("submit"))
        assert elsewhere.json()["ticket"]["ticket_id"] != later.json()["ticket"]["ticket_id"]
        assert len(rows(tmp_path, "select id from tickets")) == 2

    play(tmp_path, sink, scene)


@pytest.mark.parametrize(
    "change",
    [
        {"customer_email": "john@example.com\r\nBcc: all@customer.example"},
        {"customer_name": "John\r\nBcc: all@customer.example"},
        {"subject": "Hello\nX-Helpdesk-Ticket: HD-00000000"},
        {"subject": "Hello\x00"},
        {"customer_email": "john@example.com, all@customer.example"},
        {"customer_email": "nobody"},
        {"description": "   "},
        {"subject": "\ud800"},
        {"description": 7},
    ],
)
def test_what_cannot_be_used_is_refused_by_field(tmp_path: Path, sink: Sink, change: dict[str, Any]) -> None:
    async def scene(site: Site) -> None:
        body = json.dumps(JOHN | change)  # a lone surrogate stands escaped in it
        answer = await site.client.post(SUBMIT, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["field"] == f"body.{next(iter(change))}"
        assert rows(tmp_path, "select id from arrivals") == []

    play(tmp_path, sink, scene, OPEN)


def test_limits_of_size_and_number(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        assert (await site.client.post(SUBMIT, content=b"[" * 1_100_000)).status_code == 413
        answers = [await site.client.post(SUBMIT, json=JOHN) for _ in range(4)]
        assert [a.status_code for a in answers] == [201, 201, 429, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        guesses = [(await site.client.get(LIST, headers={"Authorization": "Bearer no"})).status_code for _ in range(4)]
        assert guesses == [401, 401, 401, 429]

    web = OPEN.replace("submissions_hourly = 1000", "submissions_hourly = 2")
    play(tmp_path, sink, scene, web.replace("requests_minutely = 10000", "requests_minutely = 3"))


def test_lists_are_filtered_and_paged(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        both = site.token("submit", "read")
        for number in range(7):
            given = JOHN | {"subject": f"Case {number}", "customer_email": f"c{number}@customer.example"}
            assert (await site.client.post(SUBMIT, json=given, headers=both)).status_code == 201

        async def listed(**query: Any) -> Any:
            answer = await site.client.get(LIST, params=query, headers=both)
            assert answer.status_code == 200, answer.text
            return answer.json()

        first = await listed(limit=3)
        second = await listed(limit=3, cursor=first["next"])
        third = await listed(limit=3, cursor=second["next"])
        found = [t["subject"] for page in (first, second, third) for t in page["results"]]
        assert found == [f"Case {n}" for n in reversed(range(7))]
        assert third["next"] is None
        one = first["results"][0]
        assert [t["subject"] for t in (await listed(q="Case 3"))["results"]] == ["Case 3"]
        assert [t["subject"] for t in (await listed(q="C4@customer"))["results"]] == ["Case 4"]
        assert [t["subject"] for t in (await listed(q=one["ticket_id"].lower()))["results"]] == ["Case 6"]
        assert (await listed(q="%"))["results"] == [], "a sign of SQL is text"
        assert (await listed(q="' or 1=1 --"))["results"] == []
        same = await listed(category=one["predicted_category"], priority=one["priority"], department=one["department"])
        assert one["ticket_id"] in [t["ticket_id"] for t in same["results"]]
        assert (await listed(category="None such"))["results"] == []
        assert (await listed(created_after=one["created_at"]))["results"][0]["ticket_id"] == one["ticket_id"]
        assert len((await listed(created_before=one["created_at"]))["results"]) == 6
        for query in ({"cursor": "%%%"}, {"status": "lost"}, {"limit": 0}, {"created_after": "0001-01-01T00:00:00Z"}):
            assert (await site.client.get(LIST, params=query, headers=both)).status_code == 422

    play(tmp_path, sink, scene)


def test_a_ticket_tells_its_mails_and_why(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        every = site.token("submit", "read", "manage")
        made = (await site.client.post(SUBMIT, json=JOHN, headers=every)).json()["ticket"]["ticket_id"]
        mails = (await site.client.get(f"{LIST}{made}/messages/", headers=every)).json()
        assert [(m["kind"], m["new_text"].strip()) for m in mails] == [("request", JOHN["description"])]
        why = (await site.client.get(f"{LIST}{made}/why/", headers=every)).json()
        assert len(why[0]["neighbours"]) == 20
        assert all(n["text"] and n["source"] == "seed" for n in why[0]["neighbours"])
        named = [c["name"] for c in (await site.client.get("/api/categories/", headers=every)).json()]
        assert "Account" in named
        stats = (await site.client.get("/api/stats/", headers=every)).json()
        assert sum(stats["tickets"].values()) == stats["today"]["tickets"] == 1
        lines = (await site.client.get("/api/audit/", params={"ticket_id": made}, headers=every)).json()["results"]
        assert "ticket.decided" in [line["event"] for line in lines]
        older = (await site.client.get("/api/audit/", params={"limit": 1, "before": 3}, headers=every)).json()
        assert [line["seq"] for line in older["results"]] == [2]
        for path in ("HD-7K3M9QX2", "..%2f..%2fetc%2fpasswd", "x", "HD-7K3M9QX2'--"):
            for tail in ("/", "/messages/", "/why/"):
                missing = await site.client.get(f"{LIST}{path}{tail}", headers=every)
                assert missing.status_code == 404
                assert missing.json()["status"] == 404

    play(tmp_path, sink, scene)


def test_the_reference_loads_nothing_from_elsewhere(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        page = await site.client.get("/api/docs")
        assert page.status_code == 200
        assert "/api/tickets/submit/" in page.text
        assert "https://" not in page.text
        document = (await site.client.get("/api/openapi.json")).json()
        assert document["paths"][SUBMIT]["post"]["responses"]["422"]["content"].keys() == {"application/problem+json"}

    play(tmp_path, sink, scene)


def test_a_ticket_is_corrected_closed_and_reopened(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        every = site.token("submit", "read", "manage")
        made = (await site.client.post(SUBMIT, json=JOHN, headers=every)).json()["ticket"]
        path, wanted = f"{LIST}{made['ticket_id']}", "Bug" if made["department"] != "Engineering" else "Billing"
        corrected = await site.client.post(f"{path}/correct/", json={"category": wanted.lower()}, headers=every)
        assert corrected.status_code == 200
        assert (corrected.json()["predicted_category"], corrected.json()["confidence_score"]) == (wanted, 1.0)
        address = rows(tmp_path, "select address from tickets")[0]["address"]
        moved = await site.settled(lambda: [m for m in sink.mails if m.recipient == address])
        assert moved[0].message["X-Helpdesk-Category"] == wanted
        actors = rows(tmp_path, "select actor from audit_log where event = 'ticket.corrected'")
        assert actors == [{"actor": "token test"}]
        unknown = await site.client.post(f"{path}/correct/", json={"category": "Nonsense"}, headers=every)
        assert unknown.status_code == 409
        assert wanted in unknown.json()["detail"], "it says which there are"
        states = []
        for order in ("close", "close", "reopen", "reopen"):
            answer = await site.client.post(f"{path}/{order}/", headers=every)
            states.append(answer.json()["status"])
        assert states == ["closed", 409, "open", 409]

    play(tmp_path, sink, scene)
