"""`explain` and the stages reach the same verdict on the same bytes: one code path, seen from both ends."""

from __future__ import annotations

from pathlib import Path

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.wiring.voting import explainer_of
from tests.harness.sink import Sink
from tests.harness.world import ROOT, rows, write_settings
from tests.integration.conftest import daemon

ENDS = {"ticket": "ticket", "bounce": "ignored", "own": "ignored", "ignored": "ignored"}


def test_explain_says_what_the_stages_do(tmp_path: Path, sink: Sink) -> None:
    mails = [*sorted((ROOT / "data" / "samples").glob("*.eml")), *sorted((ROOT / "tests" / "messages").glob("*.eml"))]
    settings = write_settings(tmp_path, "maildir:inbox", sink.port)
    with daemon(settings, real_model=True) as (app, runner):
        for path in mails:  # one by one, so that no mail is a reply to an earlier one by accident of order
            deliver(tmp_path / "inbox", path.read_bytes())
            runner.run(app.once())
    explained = list(explainer_of(load_settings(settings)).explain([(p.name, p.read_bytes()) for p in mails]))
    decided = rows(
        tmp_path,
        "select a.state, a.reason, t.category, t.department, t.priority, t.not_acknowledged from arrivals a"
        " left join tickets t on t.id = a.ticket and a.state = 'ticket' order by a.id",
    )
    assert len(decided) == len(explained) == len(mails)
    for said, did in zip(explained, decided, strict=True):
        if did["state"] == "reply" or did["reason"].startswith("copy of"):
            continue  # explain has an empty desk: it knows no ticket and no earlier copy
        if said["verdict"] != "auto_reply":
            assert ENDS[said["verdict"]] == did["state"], said["file"]
        if did["state"] == "ticket":
            for name in ("category", "department", "priority"):
                assert said[name] == did[name], (said["file"], name)
            if "limit" not in did["not_acknowledged"]:
                assert said["acknowledge"] == (did["not_acknowledged"] == ""), said["file"]
