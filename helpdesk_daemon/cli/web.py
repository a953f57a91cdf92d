"""`web`: the API and the pages alone, beside a daemon that decides and sends."""

from __future__ import annotations

import asyncio

import click

from helpdesk_daemon.cli.common import settings_of


@click.command()
@click.option("--host", help="Address to listen at [as in settings]")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen at [as in settings]")
@click.pass_context
def web(ctx: click.Context, host: str | None, port: int | None) -> None:
    """Serve the API and the pages only; `run` serves them itself where [web] is enabled.

    What is submitted here is decided by the daemon, within half a minute.
    """
    from helpdesk_daemon import log
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.keys import load_signer
    from helpdesk_daemon.web.server import serve
    from helpdesk_daemon.wiring.desks import desks_of, routings_of
    from helpdesk_daemon.wiring.pages import web_of
    from helpdesk_daemon.wiring.places import open_store

    settings, clock = settings_of(ctx), SystemClock()
    settings.web.host, settings.web.port = host or settings.web.host, settings.web.port if port is None else port
    log.setup(settings.log.level, settings.log.format)
    signer = load_signer(settings.data_dir)
    desks = desks_of(settings, routings_of(settings), signer)
    serving = web_of(settings, open_store(settings), clock, signer, lambda: desks, lambda: None)
    asyncio.run(serve(serving))
