"""The command `helpdesk-daemon` and its subcommands, loaded only when named."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path

import click

from helpdesk_daemon import __version__
from helpdesk_daemon.errors import AlreadyRunning, ConfigError, HelpdeskError

PACKAGE = "helpdesk_daemon.cli"
COMMANDS = {
    "run": "run:run",
    "once": "run:once",
    "demo": "demo:demo",
    "init": "init:init",
    "check": "check:check",
    "status": "status:status",
    "explain": "explain:explain",
    "rules": "rules:rules",
    "tickets": "tickets:tickets",
    "outbox": "outbox:outbox",
    "arrivals": "arrivals:arrivals",
    "quarantine": "arrivals:quarantine",
    "suppressions": "suppressions:suppressions",
    "incidents": "alerts:incidents",
    "alerts": "alerts:alerts",
    "audit": "audit:audit",
    "web": "web:web",
    "tokens": "tokens:tokens",
    "users": "users:users",
    "keys": "keys:keys",
    "erase": "erase:erase",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "migrate": "migrate:migrate",
    "index": "index:index",
    "examples": "examples:examples",
    "evaluate": "evaluate:evaluate",
    "accuracy": "accuracy:accuracy",
    "model": "model:model",
    "sign-in": "sign_in:sign_in",
}
EXIT_FINDINGS, EXIT_CONFIG = 1, 78


class LazyGroup(click.Group):
    """A group that imports a subcommand's module when it is used."""

    lazy: Mapping[str, str] = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in self.lazy:
            return None
        module, _, name = self.lazy[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)
        return command


def default_settings() -> Path:
    """The settings file when none is named."""
    return Path(os.environ.get("HELPDESK_SETTINGS", "settings.toml"))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="helpdesk-daemon")
@click.option("--settings", "settings_file", type=click.Path(path_type=Path), help="Settings file [./settings.toml]")
@click.pass_context
def cli(ctx: click.Context, settings_file: Path | None) -> None:
    """Turns a support mailbox into routed, acknowledged, tracked tickets.

    Try `helpdesk-daemon demo` first.
    """
    ctx.obj = settings_file


def main() -> None:
    """Run the command; failures the operator can mend are one line on standard error."""
    try:
        code = cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from error
    except click.Abort:
        raise SystemExit(130) from None
    except ConfigError as error:
        click.secho(f"Configuration: {error}", fg="red", err=True)
        raise SystemExit(EXIT_CONFIG) from None
    except AlreadyRunning as error:
        click.secho(f"Already running: {error}", fg="red", err=True)
        raise SystemExit(EXIT_FINDINGS) from None
    except HelpdeskError as error:
        click.secho(f"Stopped: {error}", fg="red", err=True)
        raise SystemExit(EXIT_FINDINGS) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(EXIT_FINDINGS) from None
    raise SystemExit(code if isinstance(code, int) else 0)
