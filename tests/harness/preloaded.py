"""What `forked` imports once: all that a command or a daemon of the tests may need, so that forks find it there."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from helpdesk_daemon import cli
from helpdesk_daemon.adapters.model.embedder import refuse_telemetry

refuse_telemetry()
for name in ("alembic.command", "helpdesk_daemon.app", "openvino", "rich.table", "tests.crash.child", "tokenizers"):
    import_module(name)
for found in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."):
    import_module(found.name)
