"""Signing in: what a session is, who it lets in where, and what strangers try."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from helpdesk_daemon.adapters import passwords
from helpdesk_daemon.outgoing.limits import Rate
from helpdesk_daemon.web.pages import sign_in
from helpdesk_daemon.web.visitor import SESSION_COOKIE, way_on
from tests.harness.sink import Sink
from tests.harness.staff import PASSWORD, account, enter
from tests.harness.web import WEB, Site, play
from tests.harness.world import rows


def test_who_signed_in_is_let_in_until_they_sign_out(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        email = account(site)
        refused = await site.client.get("/admin/tickets/?text=late")
        assert (refused.status_code, refused.headers["location"]) == (
            303,
            "/sign-in/?next=/admin/tickets/%3Ftext%3Dlate",
        )
        answer = await site.form(
            "/sign-in/", {"email": email.upper(), "password": PASSWORD}, page=refused.headers["location"]
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/tickets/?text=late")
        flags = answer.headers["set-cookie"]
        assert "HttpOnly" in flags
        assert "SameSite=lax" in flags
        shown = await site.client.get("/admin/tickets/")
        assert email in shown.text
        kept = rows(tmp_path, "select * from sessions")
        secret = site.client.cookies[SESSION_COOKIE]
        assert secret not in str(kept)
        assert rows(tmp_path, "select password from users")[0]["password"].startswith("$argon2id$")
        token = re.findall(r'name="csrf" value="([^"]*)"', shown.text)[0]
        out = await site.client.post("/sign-out/", data={"csrf": token})
        assert out.headers["location"] == "/sign-in/"
        again = await site.client.get("/admin/tickets/", headers={"Cookie": f"{SESSION_COOKIE}={secret}"})
        assert again.status_code == 303, "the session is over, not only the cookie"
        log = rows(tmp_path, "select event, actor from audit_log where event like 'session.%'")
        assert [(line["event"], line["actor"]) for line in log] == [
            ("session.started", "person"),
            ("session.ended", "person"),
        ]

    play(tmp_path, sink, scene)


def test_nobody_learns_who_has_an_account(tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(site: Site) -> None:
        email = account(site)
        compared: list[str] = []
        monkeypatch.setattr(passwords, "_hasher", Counting(passwords._hasher, compared))
        answers = [
            await site.form("/sign-in/", {"email": who, "password": word})
            for who, word in ((email, "a wrong password"), ("nobody@x.example", PASSWORD), ("", ""), (email, ""))
        ]
        assert {a.status_code for a in answers} == {422}
        texts = {re.sub(r'(value|name="csrf" value)="[^"]*"', "", a.text) for a in answers}
        assert len(texts) == 1
        assert len(compared) == 4, "a password is compared for nobody too, so that it takes as long"
        assert len({text.split("$")[3] for text in compared}) == 1, "with the same cost"

    play(tmp_path, sink, scene)


class Counting:
    """Argon2, counting."""

    def __init__(self, genuine: PasswordHasher, seen: list[str]) -> None:
        self._genuine, self._seen = genuine, seen

    def verify(self, kept: str, password: str) -> bool:
        self._seen.append(kept)
        return bool(self._genuine.verify(kept, password))


def test_tries_are_limited_by_name_and_by_address(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        email = account(site)
        tries = [await enter(site, email, "a wrong password") for _ in range(11)]
        assert tries == [422] * 10 + [429]
        assert await enter(site, email) == 429, "the right one neither"
        others = [await enter(site, f"{n}@x.example", "a wrong password") for n in range(10)]
        assert others[-1] == 429
        assert others.count(422) == 8, "twenty of one address; two were spent on the name in the end"

    play(tmp_path, sink, scene)


def test_tries_from_many_addresses_are_limited_by_name(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(site: Site) -> None:
        monkeypatch.setattr(sign_in, "OF_NAME", Rate(5, 5))
        email, found = account(site), []
        for number in range(6):
            site.client.headers["X-Forwarded-For"] = f"203.0.113.{number}"
            found.append(await enter(site, email, "a wrong password"))
        assert found == [422] * 5 + [429]

    play(tmp_path, sink, scene, WEB + 'proxies = ["127.0.0.1"]\n')


def test_a_session_is_never_one_that_somebody_else_chose(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        email = account(site)
        site.client.cookies.set(SESSION_COOKIE, "chosen-by-eve")
        assert (await site.client.get("/admin/tickets/")).status_code == 303
        assert await enter(site, email) == 303
        secrets = {c.value for c in site.client.cookies.jar if c.name == SESSION_COOKIE}
        assert (
            await site.client.get("/admin/tickets/", headers={"Cookie": f"{SESSION_COOKIE}=chosen-by-eve"})
        ).status_code == 303
        first = next(iter(secrets - {"chosen-by-eve"}))
        second = await site.form("/sign-in/", {"email": email, "password": PASSWORD}, page="/track/")
        assert second.status_code == 303
        fresh = re.findall(rf"{SESSION_COOKIE}=([\w-]{{40,}})", second.headers["set-cookie"])
        assert fresh
        assert fresh[0] != first
        assert (
            await site.client.get("/admin/tickets/", headers={"Cookie": f"{SESSION_COOKIE}={first}"})
        ).status_code == 303

    play(tmp_path, sink, scene)


def test_forms_of_others_are_refused(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        email = account(site)
        assert await enter(site, email) == 303
        shown = await site.client.get("/admin/tickets/")
        token = re.findall(r'name="csrf" value="([^"]*)"', shown.text)[0]
        for data, headers in (
            ({}, {}),
            ({"csrf": "x" * 32}, {}),
            ({"csrf": token}, {"Origin": "https://evil.example"}),
            ({"csrf": token}, {"Sec-Fetch-Site": "cross-site"}),
        ):
            refused = await site.client.post("/sign-out/", data=data, headers=headers)
            assert refused.status_code == 403, (data, headers)
        form = await site.client.get("/track/")
        public = re.findall(r'name="csrf" value="([^"]*)"', form.text)[0]
        assert (await site.client.post("/sign-out/", data={"csrf": public})).status_code == 403
        assert (await site.client.get("/admin/tickets/")).status_code == 200
        bare = await site.client.post("/sign-in/", data={"email": email, "password": PASSWORD})
        assert bare.status_code == 403, "nor can anybody be signed in by another site"

    play(tmp_path, sink, scene)


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb", "evil", "/" * 3],
)
def test_after_signing_in_nobody_is_led_away(wanted: str) -> None:
    assert way_on(wanted) == "/admin/tickets/"
    assert way_on("/admin/tickets/HD-00000000/?a=b") == "/admin/tickets/HD-00000000/?a=b"
