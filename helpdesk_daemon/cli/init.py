"""`init`: a few questions, each connection tried at once, and the settings for them are written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import typed_command
from helpdesk_daemon.errors import HelpdeskError

if TYPE_CHECKING:
    from helpdesk_daemon.cli.setup.files import Answers
    from helpdesk_daemon.cli.setup.flags import Flags
    from helpdesk_daemon.cli.setup.talk import Talk

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--address", help="Customers write to it")
@click.option("--name", help="Who we are to customers")
@click.option("--mailbox", help="imaps://HOST/FOLDER, a provider's name, or maildir:PATH as seen from FOLDER")
@click.option("--user", help="Signs in there [the address]")
@click.option("--password-file", type=FILE, help="Holds that password")
@click.option("--start", help="Mail already there: now, all, or a date [now]")
@click.option("--smtp", help="smtps://HOST, smtp://HOST, a provider's name, or maildir:PATH")
@click.option("--smtp-user", help="Signs in there; - for nobody [the same user]")
@click.option("--smtp-password-file", type=FILE, help="Holds that password [the same password]")
@click.option("--operator", help="Hears of trouble; - for nobody [postmaster@…]")
@click.option("--department", multiple=True, metavar="NAME=ADDRESS", help="Address of a department; may be repeated")
@click.option("--agents", multiple=True, help="Who may answer: an address, or @domain; may be repeated [@domain]")
@click.option("--plus/--no-plus", default=None, help="support+anything@ reaches the mailbox, or does not; not probed")
@click.option("--probe/--no-probe", default=None, help="Find that out by one test mail, or do not")
@click.option("--ca-file", type=FILE, help="Certificates to trust besides the system's")
@click.option("--test/--no-test", default=True, help="Try the connections [--test]")
@click.option("--overwrite", is_flag=True, help="Replace settings that are there; the old ones are kept as .old")
@click.option("--yes", is_flag=True, help="Ask nothing: take the flags and the defaults")
@click.pass_context
def init(ctx: click.Context, /, folder: Path, overwrite: bool, yes: bool, **given: Any) -> None:
    """Set up a FOLDER for a real mailbox: asks, tries each connection, writes commented settings.

    Nothing is written before the last question. Mail already in the mailbox is left alone unless you say otherwise.
    """
    from helpdesk_daemon.cli.setup.files import Answers
    from helpdesk_daemon.cli.setup.flags import Flags
    from helpdesk_daemon.cli.setup.mailbox import ask_mailbox
    from helpdesk_daemon.cli.setup.people import ask_people
    from helpdesk_daemon.cli.setup.plus import ask_plus_addressing
    from helpdesk_daemon.cli.setup.sending import ask_smtp
    from helpdesk_daemon.cli.setup.talk import Talk

    flags, talk, answers = Flags(**given), Talk(yes), Answers()
    answers.ca_file = str(flags.ca_file.resolve()) if flags.ca_file else ""
    _may_write(folder, overwrite, talk)
    if not yes:
        click.echo("Enter takes what stands in brackets. Ctrl-C stops, and leaves nothing behind.")
    _ask_identity(talk, flags, answers)
    ask_mailbox(talk, flags, answers, folder)
    ask_smtp(talk, flags, answers)
    ask_people(talk, flags, answers)
    key = ask_plus_addressing(talk, flags, answers, folder)
    settings = _write(talk, answers, folder, key)
    _check(ctx, settings)


def _may_write(folder: Path, overwrite: bool, talk: Talk) -> None:
    existing = folder / "settings.toml"
    if not existing.exists() or overwrite:
        return
    if talk.yes:
        raise click.UsageError(f"{existing} exists. Name another folder, or add --overwrite")
    if not click.confirm(f"{existing} exists. Replace it? The old one is kept as settings.toml.old", default=False):
        raise click.Abort


def _ask_identity(talk: Talk, flags: Flags, answers: Answers) -> None:
    from helpdesk_daemon.cli.setup.connecting import email

    talk.head("Who you are to customers")
    answers.address = talk.ask("Address they write to", email, "--address", flags.address)
    domain = answers.address.rpartition("@")[2]
    default = f"{domain.split('.')[0].capitalize()} Support"
    answers.name = talk.ask("Name they see", str, "--name", flags.name, default)


def _write(talk: Talk, answers: Answers, folder: Path, key: str) -> Path:
    from helpdesk_daemon.cli.setup.files import routing_text, settings_text, write_all
    from helpdesk_daemon.wiring.places import shipped

    files = {"rules/routing.toml": routing_text(shipped("rules/routing.toml").read_text(encoding="utf-8"), answers)}
    files["rules/routing.schema.json"] = shipped("rules/routing.schema.json").read_text(encoding="utf-8")
    if answers.mailbox_user:
        files["secrets/imap"] = answers.mailbox_password + "\n"
    if answers.smtp_secret:
        files[answers.smtp_secret] = answers.smtp_password + "\n"
    if key:
        files["var/keys/signing.keys"] = key + "\n"
    files["settings.toml"] = settings_text(shipped("settings.toml").read_text(encoding="utf-8"), answers)
    talk.head("Written")
    try:
        written = write_all(folder, files)
    except OSError as error:
        raise HelpdeskError(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    for path in written:
        private = "  only this user can read it" if path.stat().st_mode & 0o077 == 0 else ""
        talk.say(f"{os.path.relpath(path)}{private}")
    return folder / "settings.toml"


def _check(ctx: click.Context, settings: Path) -> None:
    from helpdesk_daemon.cli.check import check

    click.echo()
    ctx.find_root().obj = settings
    here = settings.resolve() == Path("settings.toml").resolve()
    command = typed_command() + ("" if here else f" --settings {os.path.relpath(settings)}")
    try:
        ctx.invoke(check, network=False, probe=False, json_=False)
    finally:
        click.echo()
        click.secho("Next: ", bold=True, nl=False)
        click.echo(f"{command} run")
