"""What lies in deploy/ speaks of metrics, settings and paths that there are."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from helpdesk_daemon import metrics
from helpdesk_daemon.adapters.store.views.gauges import GAUGES
from helpdesk_daemon.cli.main import COMMANDS, EXIT_CONFIG
from helpdesk_daemon.settings import Settings
from helpdesk_daemon.stages.pulse import BEAT
from tests.harness.world import ROOT

DEPLOY = ROOT / "deploy"
SUFFIXES = ("_total", "_bucket", "_count", "_sum")


def known() -> set[str]:
    """Every name a scrape may hold."""
    counted = {name for family in metrics.registry.collect() for name in (family.name, *_samples(family.name))}
    return counted | {gauge.name for gauge in GAUGES} | {"helpdesk_build_info", "up"}


def _samples(name: str) -> list[str]:
    return [name + suffix for suffix in SUFFIXES]


def used(text: str) -> set[str]:
    return set(re.findall(r"\b(?:helpdesk|process)_[a-z_]+", text))


@pytest.mark.parametrize("name", ["prometheus-rules.yml", "prometheus-rules.test.yml", "grafana-dashboard.json"])
def test_every_metric_that_is_asked_for_is_there(name: str) -> None:
    asked = used((DEPLOY / name).read_text())
    assert len(asked) > 3
    assert asked <= known(), asked - known()


def test_the_dashboard_is_sound() -> None:
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)), "no panel lies over another"
    assert max(x for x, _ in cells) < 24
    assert all(target["expr"] for panel in panels for target in panel["targets"])


def test_what_alerts_say_to_do_are_commands() -> None:
    text = (DEPLOY / "prometheus-rules.yml").read_text()
    named = re.findall(r"helpdesk-daemon ([a-z-]+)", re.sub(r"[a-z]+ctl [^;\"]*", "", text))
    assert len(named) > 5
    assert set(named) <= set(COMMANDS)


def unit() -> dict[str, list[str]]:
    """By key, every value of the unit file."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "helpdesk-daemon.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def environment(path: Path) -> dict[str, str]:
    """Settings of ours that a file sets by environment."""
    return dict(re.findall(r"(HELPDESK_[A-Z_]+)=(\S+)", path.read_text()))


@pytest.mark.parametrize("name", ["helpdesk-daemon.service", "Dockerfile"])
def test_the_environment_names_settings_that_there_are(name: str) -> None:
    found = environment(DEPLOY / name)
    assert found.pop("HELPDESK_SETTINGS") == "/etc/helpdesk/settings.toml"
    assert found["HELPDESK_DATA_DIR"] == "/var/lib/helpdesk"
    for variable in found:
        table, _, key = variable.removeprefix("HELPDESK_").lower().partition("__")
        assert table in Settings.model_fields
        assert not key or key in type(getattr(Settings(), table)).model_fields


def test_the_unit_waits_for_the_daemon_and_watches_it() -> None:
    found = unit()
    assert found["Type"] == ["notify"]
    assert int(found["WatchdogSec"][0]) >= 3 * BEAT
    assert found["RestartPreventExitStatus"] == [str(EXIT_CONFIG)]
    assert (
        f"/var/lib/{found['StateDirectory'][0]}" == environment(DEPLOY / "helpdesk-daemon.service")["HELPDESK_DATA_DIR"]
    )


def test_the_unit_takes_away_what_the_daemon_does_not_need() -> None:
    found = unit()
    for key in ("NoNewPrivileges", "PrivateDevices", "PrivateTmp", "ProtectKernelModules", "RestrictNamespaces"):
        assert found[key] == ["yes"]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["ProtectSystem"] == ["strict"]
    assert found["User"] != ["root"]
    assert "MemoryDenyWriteExecute" not in found, "OpenVINO compiles the model to machine code"


def test_the_image_runs_as_nobody_special_and_without_torch() -> None:
    stages = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")
    assert len(stages) == 5
    final = stages[-1]
    assert "USER 10001:10001" in final
    assert "HEALTHCHECK" in final
    assert "/livez" in final
    assert "torch" not in final
    assert [number for number, stage in enumerate(stages) if "torch==" in stage] == [3]
    copied = [shlex.split(line) for line in final.splitlines() if line.startswith("COPY")]
    assert [words[1:3] for words in copied] == [["--from=build", "/opt/helpdesk"], ["--from=export", "/model"]]


def test_the_torch_that_is_exported_with_is_the_locked_one() -> None:
    (version,) = re.findall(r"torch==([\d.]+)", (DEPLOY / "Dockerfile").read_text())
    assert f"torch=={version}\n" in (ROOT / "requirements.lock").read_text()
