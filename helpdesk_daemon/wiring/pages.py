"""The web server, and what people order by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Clock
from helpdesk_daemon.ports.web import Orders
from helpdesk_daemon.settings import Settings
from helpdesk_daemon.tickets.ticket import Ticket
from helpdesk_daemon.tickets.tracking import Signer
from helpdesk_daemon.wiring.console import console_of
from helpdesk_daemon.wiring.places import database

if TYPE_CHECKING:
    from helpdesk_daemon.stages.desks import Desks
    from helpdesk_daemon.web.server import Web


def orders_of(engine: Engine, clock: Clock, desks: Callable[[], Desks]) -> Orders:
    """What people order about one ticket, planned as the commands plan it, each in one transaction."""
    from helpdesk_daemon.adapters.store.mail.decisions import Decisions
    from helpdesk_daemon.ports import Known, Outcome, Question
    from helpdesk_daemon.stages import orders

    plans: dict[str, Callable[..., list[Outcome]]] = {
        "correct": orders.corrected, "close": orders.closed, "reopen": orders.reopened, "reroute": orders.rerouted,
        "forward": orders.forwarded_again, "acknowledge": orders.acknowledged_again,
    }  # fmt: skip
    store = Decisions(engine, clock)

    def carry_out(order: str, ticket: str, actor: str, words: Sequence[str] = ()) -> None:
        def planned(known: Known) -> list[Outcome]:
            named = known.tickets.get(ticket)
            desk = desks().of(named.mailbox if named else "")
            return plans[order](desk, known, actor, clock.now(), ticket, *words)

        about = store.known([Question(0, "", (ticket,), (), ())]).tickets
        people = tuple(each.requester_email for each in about.values())
        store.operate(Question(0, "", (ticket,), (), people, stories=(ticket,)), planned)

    return carry_out


def web_of(
    settings: Settings, engine: Engine, clock: Clock, signer: Signer, desks: Callable[[], Desks],
    wake: Callable[[], None],
) -> Web:  # fmt: skip
    """The web server, on a thread for looking and one for keeping of its own.

    Raises:
        ConfigError: its address cannot be listened at.
    """
    from helpdesk_daemon.adapters.keys import load_digest_key
    from helpdesk_daemon.adapters.store.access.web import WebWrites
    from helpdesk_daemon.adapters.store.views.dashboard import Dashboard
    from helpdesk_daemon.adapters.store.views.web_reading import WebReads
    from helpdesk_daemon.lanes import Lane
    from helpdesk_daemon.web.gate import Gate
    from helpdesk_daemon.web.live import Live
    from helpdesk_daemon.web.server import Web
    from helpdesk_daemon.web.services import Services, Terms

    def link(ticket: Ticket, recipient: str, url: str) -> Outgoing:
        return desks().of(ticket.mailbox).composer.link(ticket, recipient, url, clock.now())

    table, first = settings.web, settings.mailbox[0].identity
    looking = open_engine(database(settings), readonly=True)
    zone, watching = ZoneInfo(settings.digest.zone), settings.watching
    board = Dashboard(looking, zone, timedelta(days=watching.window_days), watching.closed_weight)
    reads, look = WebReads(looking), Lane("web-look")
    services = Services(
        reading=reads, tokens=reads, writing=WebWrites(engine, clock, desks().first.limits.mail, link),
        look=look, keep=Lane("web-keep"), clock=clock, signer=signer,
        key=load_digest_key(settings.data_dir), routing=lambda: desks().first.routing,
        addresses={"": first.address} | {box.name: box.identity.address for box in settings.mailbox},
        name=first.name, wake=wake, orders=orders_of(engine, clock, desks),
        terms=Terms(table.base_url, table.open_submit, table.submissions_hourly, table.requests_minutely,
                    table.token_requests_minutely, int(table.attachments_mb * 1_000_000)),
        gate=Gate(clock), console=console_of(settings, engine, looking, clock),
        live=Live(board, look, Lane("web-count"), clock),
    )  # fmt: skip
    return Web(services, table.host, table.port, table.proxies)
