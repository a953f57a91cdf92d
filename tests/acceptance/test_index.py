"""`index` as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.command import document, out, run
from tests.harness.endee import EndeeServer

TOKEN = {"ENDEE_TOKEN": "secret"}


def write(folder: Path, url: str, kind: str = "endee") -> None:
    table = f'[index]\nkind = "{kind}"\nurl = "{url}"\ntoken_env = "ENDEE_TOKEN"\ntimeout = 30\n'
    (folder / "settings.toml").write_text(f'data_dir = "data"\n{table}')


@pytest.mark.timeout(300)
def test_load_look_take_over(tmp_path: Path) -> None:
    with EndeeServer(1) as server:
        write(tmp_path, server.url)
        early = run(tmp_path, "index", "status", env=TOKEN)
        assert early.returncode == 78
        assert "no database yet" in early.stderr.decode()
        assert "1260 sent, 0 taken out, 1260 in all; recall 1.000" in out(run(tmp_path, "index", "sync", env=TOKEN))
        found = document(run(tmp_path, "index", "status", "--json", env=TOKEN))
        assert {key: found[key] for key in ("generation", "count", "sent", "to_send", "recall", "trouble")} == {
            "generation": 1, "count": 1260, "sent": 1260, "to_send": 0, "recall": 1.0, "trouble": "",
        }  # fmt: skip
        checked = run(tmp_path, "check", "--network", env=TOKEN).stdout.decode()
        assert f"{server.url}, API v1, helpdesk: 1260 vectors" in checked
        shown = out(run(tmp_path, "index", "status", env=TOKEN))
        assert "Recall at 20" in shown
        assert "1.000" in shown
        server.kill()
        server.start()
        lost = run(tmp_path, "index", "status", "--json", env=TOKEN)
        assert lost.returncode == 1
        assert json.loads(lost.stdout)["trouble"] == "it holds 0 of 1260: `helpdesk-daemon index sync`"
        assert "it lost vectors" in out(run(tmp_path, "index", "sync", env=TOKEN))
        assert server.count("helpdesk") == 1260
        assert "asked for" in out(run(tmp_path, "index", "rebuild", env=TOKEN))


def test_what_cannot_be_done_is_said_with_the_next_step(tmp_path: Path) -> None:
    write(tmp_path, "http://127.0.0.1:9")
    down = run(tmp_path, "index", "sync", env=TOKEN)
    assert down.returncode == 1
    assert "cannot be reached" in down.stderr.decode()
    unset = run(tmp_path, "index", "sync")
    assert unset.returncode == 78
    assert "ENDEE_TOKEN" in unset.stderr.decode()
    write(tmp_path, "http://127.0.0.1:9", "exact")
    exact = run(tmp_path, "index", "sync", env=TOKEN)
    assert exact.returncode == 78
    assert 'kind = "endee"' in exact.stderr.decode()
    write(tmp_path, "http://127.0.0.1:9/api/v1")
    path = run(tmp_path, "index", "status", env=TOKEN)
    assert path.returncode == 78
    assert "index.url" in path.stderr.decode()
    assert "no path" in path.stderr.decode()
