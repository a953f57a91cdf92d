"""A daemon in this process over real servers: Dovecot, SMTP, SQLite, and the real model where it matters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpdesk_daemon import log
from helpdesk_daemon.app import App, running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.wiring.places import ensure_model, prepared_model
from tests.harness.dovecot import Dovecot
from tests.harness.fakes import HashEmbedder
from tests.harness.sink import Sink


@pytest.fixture(autouse=True)
def _quiet() -> None:
    log.setup("error", "json")


@pytest.fixture(scope="session", autouse=True)
def _model() -> None:
    ensure_model(prepared_model())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Dovecot]:
    with Dovecot(tmp_path / "dovecot") as dovecot:
        dovecot.append([])
        yield dovecot


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as accepting:
        yield accepting


@contextmanager
def daemon(settings: Path, real_model: bool = False) -> Iterator[tuple[App, asyncio.Runner]]:
    """An App on settings; without `real_model` the embedder is a double without meaning."""
    parts = Parts() if real_model else Parts(embedder=HashEmbedder())
    with running(load_settings(settings), parts) as wired:
        yield wired


def once(settings: Path) -> int:
    """Drain every stage in a daemon that ends; how many mails were new."""
    with daemon(settings) as (app, runner):
        return runner.run(app.once())
