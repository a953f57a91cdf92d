"""Whether support+anything@ reaches the mailbox."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from helpdesk_daemon.adapters.keys import load_signer
from helpdesk_daemon.adapters.probe import can_probe, make_probe
from helpdesk_daemon.cli.setup import connecting
from helpdesk_daemon.cli.setup.files import Answers
from helpdesk_daemon.cli.setup.flags import Flags
from helpdesk_daemon.cli.setup.talk import Talk
from helpdesk_daemon.errors import HelpdeskError
from helpdesk_daemon.tickets.tracking import Signer


def ask_plus_addressing(talk: Talk, flags: Flags, answers: Answers, folder: Path) -> str:
    """Find out whether support+anything@ works; the signing key that was used for it, empty when none was made."""
    local, _, domain = answers.address.rpartition("@")
    if flags.plus is not None:
        answers.plus_addressing = flags.plus
        return ""
    if not flags.test or not can_probe(connecting.transport_for(answers)):
        return ""
    talk.head(f"Does mail to {local}+anything@{domain} reach this mailbox?")
    talk.say("Replies find their ticket by such addresses; without them, by marks in their headers.")
    if not talk.confirm("Send one test mail to find out? It is deleted again", True, flags.probe):
        answers.plus_addressing = False
        talk.note("written as plus_addressing = false, the safe choice; `check --probe` finds out later")
        return ""
    key, data = "", folder / "var"
    if (data / "keys" / "signing.keys").exists():
        signer = load_signer(data)
    else:
        key = secrets.token_hex(32)
        signer = Signer((bytes.fromhex(key),))
    probe = make_probe(answers.address, signer.loop_value(answers.address), datetime.now(UTC))
    box = connecting.mailbox_for(answers, folder)
    talk.say("Sending it, then waiting up to 30 seconds …")
    try:
        said = connecting.probed(box, [box.folder], connecting.transport_for(answers), probe)
    except HelpdeskError as error:
        said = str(error)
    answers.plus_addressing = isinstance(said, float)
    if isinstance(said, float):
        talk.good(f"yes, after {max(1, round(said))} s; the mail is deleted again")
    else:
        talk.note(f"no: {said}. Written as plus_addressing = false; if mail is slow here, `check --probe` asks again")
    return key
