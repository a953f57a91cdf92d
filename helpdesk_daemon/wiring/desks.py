"""The rules and desks of the mailboxes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from helpdesk_daemon.adapters.rules.file import load_routing
from helpdesk_daemon.outgoing.limits import Limits, Rate
from helpdesk_daemon.settings import MailboxTable, Settings
from helpdesk_daemon.tickets.tracking import Signer
from helpdesk_daemon.triage.rules import Routing
from helpdesk_daemon.wiring.places import shipped

if TYPE_CHECKING:
    from helpdesk_daemon.stages.case import Desk
    from helpdesk_daemon.stages.desks import Desks


def routing_of(settings: Settings, box: MailboxTable | None = None) -> Routing:
    """The routing rules of a mailbox, the first when None.

    Raises:
        ConfigError: they are not sound.
    """
    return load_routing(rules_of(box or settings.mailbox[0]), settings.polled)


def rules_of(box: MailboxTable) -> Path:
    """The file with the rules of a mailbox."""
    return box.rules or shipped("rules/routing.toml")


def rules_files(settings: Settings) -> dict[Path, list[str]]:
    """Every file with rules, and the names of the mailboxes that it is for."""
    found: dict[Path, list[str]] = {}
    for box in settings.mailbox:
        found.setdefault(rules_of(box), []).append(box.name)
    return found


def routings_of(settings: Settings) -> dict[str, Routing]:
    """The routing rules of every mailbox, by its name.

    Raises:
        ConfigError: those of one are not sound.
    """
    return {box.name: routing_of(settings, box) for box in settings.mailbox}


def desks_of(settings: Settings, routings: Mapping[str, Routing], signer: Signer) -> Desks:
    """The desk of each mailbox, with its rules."""
    from helpdesk_daemon.stages.desks import Desks

    receivers: dict[str, tuple[str, ...]] = {}
    for box in settings.mailbox:
        for address in (box.identity.address, *box.identity.also):
            receivers[address] = (*receivers.get(address, ()), box.name)
    desks = {box.name: desk_of(settings, routings[box.name], signer, box) for box in settings.mailbox}
    return Desks(desks, receivers)


def desk_of(settings: Settings, routing: Routing, signer: Signer, box: MailboxTable | None = None) -> Desk:
    """Everything planning needs for a mailbox, the first when None, as values."""
    from helpdesk_daemon.adapters.templates import Templates
    from helpdesk_daemon.mail.screening.table import Policy
    from helpdesk_daemon.outgoing.compose import Composer, Identity
    from helpdesk_daemon.stages.case import Desk

    box = box or settings.mailbox[0]
    table, limits, screening = box.identity, settings.limits, box.screening
    identity = Identity(table.name, table.address, table.plus_addressing, box.name)
    folders = [f for f in (box.templates, settings.templates, shipped("templates")) if f is not None]
    loop_value = signer.loop_value(settings.identity.address)  # one for all mailboxes
    return Desk(
        routing=routing,
        policy=Policy(
            own_addresses=settings.own_addresses,
            is_own_id=lambda identifier: signer.read_message_id(identifier) is not None,
            loop_value=loop_value,
            own_lists=frozenset(name.lower() for name in screening.own_lists),
            authserv_id=screening.authserv_id,
            auto_replies=screening.auto_replies,
            auto_generated=screening.auto_generated,
            people=frozenset(name.lower() for name in screening.people),
            complaints=screening.complaints,
            forged=screening.forged,
            spam=screening.spam,
            spam_score=screening.spam_score,
        ),
        composer=Composer(
            identity,
            signer,
            Templates(folders, table.language),
            loop_value,
            box.smtp.null_sender,
            settings.web.base_url,
        ),
        signer=signer,
        limits=Limits(
            Rate(limits.per_address_burst, limits.per_address_hourly),
            Rate(limits.per_ticket_burst, limits.per_ticket_hourly),
            Rate(limits.total_burst, limits.total_hourly),
            Rate(limits.conversation_burst, limits.conversation_hourly),
            Rate(limits.sender_burst, limits.sender_hourly),
            Rate(limits.mail_burst, limits.mail_hourly),
        ),
        ack_max_age=timedelta(hours=screening.ack_max_age_hours),
        reopen_within=timedelta(days=screening.reopen_days),
        operator=settings.operator or "",
        confirms=settings.model.confirmation_weight > 0,
        tells_known=settings.watching.tell_known,
    )
