"""The REST API: its paths; each asks the services and shapes the answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from helpdesk_daemon.ports.web import Row, TicketFilter
from helpdesk_daemon.tickets.tracking import read_tracking_id
from helpdesk_daemon.web import shapes
from helpdesk_daemon.web.auth import Caller, may, services_of
from helpdesk_daemon.web.problems import answers
from helpdesk_daemon.web.services import Form, Services

REFUSED = answers(401, 403, 422, 429, 503)
router = APIRouter(prefix="/api", responses=REFUSED)
CanSubmit = Annotated[Caller, Depends(may("submit"))]
CanRead = Annotated[Caller, Depends(may("read"))]
CanManage = Annotated[Caller, Depends(may("manage"))]
Wired = Annotated[Services, Depends(services_of)]
TicketId = Annotated[str, InPath(description="Tracking ID, in any case", max_length=40, examples=["HD-7K3M9QX2"])]
Word = Annotated[str, Query(max_length=200, pattern=shapes.NO_CONTROLS)]
REPEAT = "A repeat with the same key gets the same answer, for two days"
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255, pattern=r"^[!-~]+$", description=REPEAT)]


async def found(services: Services, ticket_id: str) -> Row:
    """The ticket that a path names.

    Raises:
        HTTPException: 404, there is none.
    """
    ticket = read_tracking_id(ticket_id)
    row = await services.look(services.reading.ticket, ticket) if ticket else None
    if row is None:
        raise HTTPException(404, "There is no such ticket")
    return row


@router.post("/tickets/submit/", status_code=201, tags=["Submit"], responses=answers(400, 409, 413))
async def submit(given: shapes.Submission, services: Wired, caller: CanSubmit, key: Key = None) -> shapes.Submitted:
    """Submit a ticket. It goes the way of a mail: decided, forwarded, acknowledged to the customer."""
    form = Form(given.customer_name, given.customer_email, given.subject, given.description)
    kept = await services.submit(form, caller.id, key or "")
    if not kept.same:
        raise HTTPException(409, "This Idempotency-Key was used for another ticket")
    if kept.answer:
        return shapes.Submitted.model_validate_json(kept.answer)
    row = await services.decided(kept.ticket)
    ticket = shapes.ticket_of(row) if row else shapes.undecided(kept.ticket, given, services.clock.now())
    ticket.status = "new"  # what it is to who submits it; its forward may have left this moment
    answer = shapes.Submitted(ticket=ticket, classification=shapes.classification_of(ticket))
    if not key:
        return answer
    first = await services.keep(services.writing.answered, caller.id, key, answer.model_dump_json())
    return shapes.Submitted.model_validate_json(first)


@router.get("/tickets/", tags=["Read"])
async def tickets(
    services: Wired, caller: CanRead,
    status: Annotated[shapes.Status | None, Query()] = None,
    category: Word = "", department: Word = "",
    priority: Annotated[shapes.Priority | None, Query()] = None,
    q: Annotated[Word, Query(description="Stands in subject or address, or is the tracking ID")] = "",
    needs_review: Annotated[bool | None, Query()] = None,
    created_after: Annotated[shapes.At | None, Query()] = None,
    created_before: Annotated[shapes.At | None, Query()] = None,
    cursor: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> shapes.TicketPage:  # fmt: skip
    """List tickets, newest first."""
    try:
        after = shapes.read_cursor(cursor) if cursor else None
    except ValueError as error:
        raise RequestValidationError([{"type": "value_error", "loc": ("query", "cursor"), "msg": str(error)}]) from None
    wanted = TicketFilter(status or "", category, department, (priority or "").capitalize(), q, needs_review,
                          created_after, created_before)  # fmt: skip
    rows = await services.look(services.reading.tickets, wanted, after, limit + 1)
    more = shapes.cursor_of(rows[limit - 1]) if len(rows) > limit else None
    return shapes.TicketPage(results=[shapes.ticket_of(row) for row in rows[:limit]], next=more)


@router.get("/tickets/{ticket_id}/", tags=["Read"], responses=answers(404))
async def ticket(ticket_id: TicketId, services: Wired, caller: CanRead) -> shapes.Ticket:
    """One ticket."""
    return shapes.ticket_of(await found(services, ticket_id))


@router.get("/tickets/{ticket_id}/messages/", tags=["Read"], responses=answers(404))
async def messages(ticket_id: TicketId, services: Wired, caller: CanRead) -> list[shapes.Mail]:
    """The mails on a ticket, oldest first, what people keep among themselves included."""
    row = await found(services, ticket_id)
    rows = await services.look(services.reading.messages, row["id"])
    return [shapes.Mail(**{name: row[name] for name in shapes.Mail.model_fields}) for row in rows]


@router.get("/tickets/{ticket_id}/why/", tags=["Read"], responses=answers(404))
async def why(ticket_id: TicketId, services: Wired, caller: CanRead) -> list[shapes.Decision]:
    """How a ticket was routed, oldest decision first: rules that hit and the examples nearest to it."""
    row = await found(services, ticket_id)
    return [shapes.decision_of(each) for each in await services.look(services.reading.decisions, row["id"])]


async def _order(services: Services, caller: Caller, ticket_id: str, order: str, *words: str) -> shapes.Ticket:
    row = await found(services, ticket_id)
    await services.keep(services.orders, order, row["id"], caller.actor, words)
    services.wake()
    return shapes.ticket_of(await found(services, row["id"]))


@router.post("/tickets/{ticket_id}/correct/", tags=["Manage"], responses=answers(400, 404, 409, 413))
async def correct(ticket_id: TicketId, given: shapes.Correction, services: Wired, caller: CanManage) -> shapes.Ticket:
    """Give a ticket its right category: its department gets it, and later tickets are sorted by it."""
    return await _order(services, caller, ticket_id, "correct", given.category)


@router.post("/tickets/{ticket_id}/close/", tags=["Manage"], responses=answers(404, 409))
async def close(ticket_id: TicketId, services: Wired, caller: CanManage) -> shapes.Ticket:
    """Close a ticket; nobody is told."""
    return await _order(services, caller, ticket_id, "close")


@router.post("/tickets/{ticket_id}/reopen/", tags=["Manage"], responses=answers(404, 409))
async def reopen(ticket_id: TicketId, services: Wired, caller: CanManage) -> shapes.Ticket:
    """Open a closed ticket again."""
    return await _order(services, caller, ticket_id, "reopen")


@router.get("/categories/", tags=["Read"])
async def categories(services: Wired, caller: CanRead) -> list[shapes.Category]:
    """The categories of the present rules, and where their tickets go."""
    return [
        shapes.Category(
            name=name, department=route.department.name, priority=route.priority.value.lower(),  # type: ignore[arg-type]
            sla_hours=shapes.number(route.sla_hours),
        )
        for name, route in services.routing().categories.items()
    ]  # fmt: skip


@router.get("/stats/", tags=["Read"])
async def stats(services: Wired, caller: CanRead) -> shapes.Stats:
    """Figures of now and today."""
    return shapes.Stats(**await services.look(services.reading.stats, services.clock.now()))


@router.get("/audit/", tags=["Read"])
async def audit(
    services: Wired, caller: CanRead,
    ticket_id: Annotated[str, Query(max_length=40, description="Only lines about this ticket")] = "",
    event: Annotated[Word, Query(description="Only this event", examples=["ticket.decided"])] = "",
    before: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> shapes.AuditPage:  # fmt: skip
    """Lines of the audit log, newest first."""
    named = read_tracking_id(ticket_id) if ticket_id else ""
    if ticket_id and not named:
        return shapes.AuditPage(results=[], next=None)
    rows = await services.look(services.reading.audit, before, limit + 1, named, event)
    lines = [shapes.AuditLine(**{**row, "ticket": row["ticket"] or None}) for row in rows[:limit]]
    return shapes.AuditPage(results=lines, next=lines[-1].seq if len(rows) > limit else None)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The reference, written from the OpenAPI document; nothing is loaded from elsewhere."""
    from helpdesk_daemon.web.reference import reference

    return reference(request)
