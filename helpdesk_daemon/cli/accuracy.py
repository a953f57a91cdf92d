"""`accuracy`: how well routing goes, by what people corrected, confirmed and closed."""

from __future__ import annotations

import base64
import dataclasses
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import as_json, current_schema, print_json, print_rows, reading, settings_of

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from helpdesk_daemon.ports.watching import Accuracy, Crowd, Standing
    from helpdesk_daemon.settings import Settings
    from helpdesk_daemon.triage.watching.estimates import Share

COLUMNS = {
    "name": "Name", "right": "Right", "interval": "95 %", "judged": "Judged", "corrected": "Moved", "closed": "Closed",
    "most": "At most", "note": "Note",
}  # fmt: skip
CROWD_COLUMNS = {"id": "ID", "kind": "Kind", "began_at": "Since", "count": "Tickets", "words": "Words in subjects"}


@click.command()
@click.option(
    "--days", type=click.FloatRange(min=1), help="How far back people's verdicts count [[watching] window_days]"
)
@click.option("--crowd", type=int, help="Only the tickets of this crowd, one a line")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write this month's report so far here")
@as_json
@click.pass_context
def accuracy(ctx: click.Context, days: float | None, crowd: int | None, html: Path | None, json_: bool) -> None:
    """How often routing was right, and what changed lately.

    "Right" is the share of those tickets that people judged: corrected, confirmed, or closed as they were. Nobody
    corrects what is right, so corrections alone say too little, and "At most" is what they say: the share of all
    recent tickets that nobody moved.
    """
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.observing.accuracy import accuracy_of, crowd_tickets_of

    settings = settings_of(ctx)
    engine = current_schema(reading(ctx))
    if crowd is not None:
        found = crowd_tickets_of(engine, crowd)
        if not found:
            raise click.BadParameter(f"There is no crowd {crowd}.", param_hint="--crowd")
        print_json(found) if json_ else click.echo("\n".join(found))
        return
    if html is not None:
        html.write_text(_page(settings, engine), encoding="utf-8")
        click.echo(f"Wrote {html}")
        return
    window = timedelta(days=days or settings.watching.window_days)
    known = accuracy_of(engine, SystemClock().now(), window, settings.watching.closed_weight)
    if json_:
        print_json(dataclasses.asdict(known))
        return
    _print(known)


def _page(settings: Settings, engine: Engine) -> str:
    """The report of the present month so far, with its pictures inside."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.keys import load_signer
    from helpdesk_daemon.adapters.store.telling.reports import Reports
    from helpdesk_daemon.stages.report import pictures, span_of, values_of
    from helpdesk_daemon.wiring.accounts import digest_plan_of
    from helpdesk_daemon.wiring.desks import desk_of, routing_of

    plan, now = digest_plan_of(settings), SystemClock().now()
    first = now.astimezone(plan.zone).date().replace(day=1)
    since, _, weeks = span_of(first, plan)
    weeks = [week for week in weeks if week[1] <= now]
    month = Reports(engine, SystemClock(), settings.watching.closed_weight).month(f"{first:%Y-%m}", since, now, weeks)
    composer = desk_of(settings, routing_of(settings), load_signer(settings.data_dir)).composer
    _, page = composer.render("report", values_of(month, composer, socket.gethostname()))
    for picture in pictures(month):
        inside = base64.b64encode(picture.content).decode()
        page = (page or "").replace(f"cid:{picture.content_id}", f"data:image/png;base64,{inside}")
    return page or ""


def _print(known: Accuracy) -> None:
    days = (known.until - known.since).days
    _summary(known, days)
    nothing = "Nobody judged a ticket yet: `tickets correct`, `tickets close`, or #category and #close by mail do."
    named = [_row(standing) for standing in known.departments]
    print_rows(named, COLUMNS, f"By department, last {days} days", nothing)
    if named:
        print_rows([_row(standing) for standing in known.categories], COLUMNS, "By category", "")
    if known.crowds:
        print_rows([_crowd(crowd) for crowd in known.crowds], CROWD_COLUMNS, "Resemble each other", "")


def _summary(known: Accuracy, days: int) -> None:
    lines = [
        ("Routed right", f"{_percent(known.overall.accuracy)}  ({_interval(known.overall.accuracy)})"),
        ("To review", f"{_percent(known.review)} of the latest {known.recent} mails"),
        ("Suggestions right", f"{_percent(known.suggested.accuracy)}  ({_interval(known.suggested.accuracy)})"),
    ]
    if known.said is not None and known.was is not None:
        lines.append(("Confidence", f"said {known.said:.0%}, was {known.was:.0%}; error {known.error:.1%}"))
    for name, since in known.alarms.items():
        lines.append(("ALARM", f"{name} since {since:%d %b %H:%M} UTC"))
    for head, words in lines:
        click.secho(f"{head:<19}", bold=True, fg="red" if head == "ALARM" else None, nl=False)
        click.echo(words)


def _row(standing: Standing) -> dict[str, Any]:
    judged = standing.judged
    return {
        "name": standing.name, "right": _percent(standing.accuracy), "interval": _interval(standing.accuracy),
        "judged": judged.corrected + judged.confirmed + judged.closed, "corrected": judged.corrected,
        "closed": judged.closed, "most": _percent(standing.untouched),
        "note": f"worse since {standing.alarmed_at:%d %b}" if standing.alarmed_at else "",
    }  # fmt: skip


def _crowd(crowd: Crowd) -> dict[str, Any]:
    return dataclasses.asdict(crowd) | {"words": ", ".join(crowd.words)}


def _percent(share: Share) -> str:
    return "–" if share.value is None else f"{share.value:.1%}".replace("%", " %")


def _interval(share: Share) -> str:
    return "nothing judged" if share.value is None else f"{100 * share.low:.1f} to {100 * share.high:.1f}"
