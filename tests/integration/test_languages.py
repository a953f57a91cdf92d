"""Mail in the customer's language: detected, acknowledged in it, and not sorted by a model that cannot read it."""

from __future__ import annotations

import email
import re
from dataclasses import replace
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from helpdesk_daemon.adapters.model.language import language_of
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.stages.languages import reserve
from helpdesk_daemon.triage.decide import doubt_of, earned_by
from helpdesk_daemon.triage.threshold import Curve
from helpdesk_daemon.triage.vote import Neighbour, Standing, Vote
from tests.harness.world import rows, write_settings
from tests.integration.conftest import daemon

GERMAN = ("Rechnung doppelt", "mir wurde im März zweimal derselbe Betrag von der Karte abgebucht. Bitte erstatten Sie "
          "mir eine der beiden Zahlungen zurück.")  # fmt: skip
POLISH = ("Faktura", "proszę o poprawienie faktury za marzec, ponieważ kwota jest naliczona dwa razy.")
ENGLISH = ("Charged twice", "My card was charged twice for the March invoice. Please refund one payment.")


def play(folder: Path, *mails: tuple[str, str], more: str = "") -> list[dict[str, Any]]:
    """The tickets that mails become, each with what its sender is told."""
    (folder / "inbox" / "new").mkdir(parents=True, exist_ok=True)
    for number, (subject, text) in enumerate(mails):
        made = email.message.EmailMessage()
        made["From"], made["To"] = f"Ada <a{number}@customer.example>", "support@helpdesk.example"
        made["Subject"], made["Message-ID"] = subject, f"<{subject.split()[0]}{number}@customer.example>"
        made.set_content(text)
        (folder / "inbox" / "new" / f"{subject.split()[0]}.mail").write_bytes(made.as_bytes())
    settings = folder / "settings.toml"
    if not settings.exists():
        write_settings(folder, f"maildir:{folder}/inbox", 1, more=more)
        settings.write_text(re.sub(r'url = "smtp://.*"', f'url = "maildir:{folder}/out"', settings.read_text()))
    with daemon(settings, real_model=True) as (app, runner):
        runner.run(app.once())
    found = rows(folder, "select t.*, d.language, d.review_reason from tickets t join decisions d on d.ticket = t.id "
                 "order by t.rowid")  # fmt: skip
    for row in found:
        told = rows(folder, "select mime from outbox where kind = 'acknowledgement' and ticket = ?", row["id"])
        row["told"] = email.message_from_bytes(told[0]["mime"], policy=default)
    return found


def test_each_is_answered_in_its_language_and_only_what_the_model_reads_is_sorted(tmp_path: Path) -> None:
    german, polish, english = play(tmp_path, GERMAN, POLISH, ENGLISH)
    assert [t["language"] for t in (german, polish, english)] == ["de", "pl", "en"]
    assert [t["needs_review"] for t in (german, polish, english)] == [1, 1, 0]
    assert "written in de" in german["review_reason"]
    plain, html = (german["told"].get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "wir haben Ihre Nachricht erhalten" in plain
    assert "Vorgangsnummer" in html
    assert re.search(r"Antwort bis: +\d{4}-\d\d-\d\d, \d\d:\d\d UTC", plain)
    for other in (polish, english):
        assert "we have received your message" in other["told"].get_body(("plain",)).get_content()
    detail = rows(tmp_path, "select detail from audit_detail join audit_log using (seq) where event = 'ticket.decided'")
    assert '"language": "de"' in detail[0]["detail"]


def test_a_model_made_for_all_languages_is_trusted_by_its_examples_alone(tmp_path: Path) -> None:
    (german,) = play(tmp_path, GERMAN, more="[model]\nsecond_opinions = false\nlanguages = []\n")
    assert "written in de" not in german["review_reason"]


def test_a_vote_by_examples_in_the_language_stands() -> None:
    def vote(*texts: str) -> Vote:
        near = tuple(Neighbour(n, "Billing", 0.8, "import", "", text) for n, text in enumerate(texts))
        return Vote("Billing", 0.9, (("Billing", 1.0),), near)

    german, english = "Bitte korrigieren Sie meine Rechnung", "Please correct my invoice for March"
    mixed = vote(german, english, german, english, german)
    assert reserve(mixed, "de", ("en",), language_of) is mixed
    few = reserve(vote(german, english, german, english, english, german), "de", ("en",), language_of)
    assert few is not None
    assert few.foreign == "de"
    sure = replace(few, standing=Standing(curve=Curve((0.5,) * 40, (True,) * 40)), support=99)
    assert "written in de" in doubt_of(sure, 0.5)
    assert earned_by(sure) == 0.0, "no rules tried later find it sure either"
    assert earned_by(replace(sure, foreign="")) > 0.5
    for language, spoken in (("", ("en",)), ("en", ("en",)), ("de", ())):
        assert reserve(few, language, spoken, language_of) is few
    assert reserve(None, "de", ("en",), language_of) is None


def test_labels_in_german_make_german_mail_sure(tmp_path: Path) -> None:
    (first,) = play(tmp_path, GERMAN)
    engine = open_engine(tmp_path / "data" / "helpdesk.db")
    with transaction(engine) as connection:
        for number in range(25):
            connection.exec_driver_sql(
                "insert into examples (text, category, source, created_at, digest, model, ticket, actor, active) "
                "values (?, 'Billing', 'import', '2026-01-01T00:00:00.000Z', ?, '', '', '', 1)",
                (f"Rechnung {number} doppelt, zweimal derselbe Betrag von der Karte abgebucht", f"d{number}"),
            )
    engine.dispose()
    (_, later) = play(tmp_path, ("Doppelte Rechnung", GERMAN[1]))
    assert first["needs_review"] == 1
    assert later["category"] == "Billing"
    assert "written in" not in later["review_reason"]


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_shipped_templates_of_a_language_are_whole(language: str) -> None:
    folder = Path(__file__).parents[2] / "templates"
    for kind in ("txt", "html"):
        english = (folder / "en" / f"acknowledgement.{kind}").read_text()
        other = (folder / language / f"acknowledgement.{kind}").read_text()
        tags = re.compile(r"\{[{%].*?[%}]\}")
        plain = [re.sub(r'"\(.*?\)"', "", tag).replace("moment", "when") for tag in tags.findall(other)]
        assert plain == [re.sub(r'"\(.*?\)"', "", tag) for tag in tags.findall(english)]
