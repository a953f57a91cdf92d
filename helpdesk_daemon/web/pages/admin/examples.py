"""`/admin/examples/`: the labelled tickets that the classifier goes by: looked through, added, withdrawn, imported."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from helpdesk_daemon.errors import ConfigError, HelpdeskError, Refused
from helpdesk_daemon.log import get
from helpdesk_daemon.mail.mime.names import safe_name
from helpdesk_daemon.ports.console import ExampleFilter
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.pages.admin.common import PAGE, Admin, Agent, Number, Viewer, Word, done, further, said, split
from helpdesk_daemon.web.services import Services
from helpdesk_daemon.web.visitor import Visitor, page

router = APIRouter(prefix="/admin/examples", include_in_schema=False)
SOURCES = ("seed", "import", "correction", "confirmation")
STATES = ("active", "withdrawn", "all")
COLUMNS = ("subject", "body", "category")
_running: set[asyncio.Task[None]] = set()


@router.get("/")
async def listed(
    request: Request, visitor: Viewer, source: Word = "", person: Word = "", category: Word = "",
    state: Word = "active", before: Number = 0,
) -> Response:  # fmt: skip
    """Examples, newest first."""
    services = auth.services_of(request)
    state = state if state in STATES else "active"
    wanted = ExampleFilter(source if source in SOURCES else "", person.strip(), category, state)
    found = await services.look(services.console.examples.listed, wanted, before, PAGE + 1)
    rows, place = split(found, lambda row: row["id"])
    values = {
        "rows": rows, "older": further(request, before=place) if place else "", "wanted": wanted, "said": said(request),
        "sources": SOURCES, "states": STATES, "categories": list(services.routing().categories),
        "counted": await services.look(services.console.examples.counted),
    }  # fmt: skip
    return await page(request, visitor, "admin/examples.html", values)


@router.post("/add/")
async def add(request: Request, visitor: Agent) -> Response:
    """Let a text vote."""
    services = auth.services_of(request)
    subject, body, category = visitor.typed("subject"), visitor.typed("body", 20_000), visitor.typed("category")
    await services.keep(services.console.examples.add, subject, body, category, visitor.user.email)
    return done("/admin/examples/", "example")


@router.post("/withdraw/")
async def withdraw(request: Request, visitor: Agent) -> Response:
    """Let examples vote no more."""
    services = auth.services_of(request)
    numbers, actor = visitor.numbers("id"), visitor.user.email
    count = await services.keep(services.console.examples.withdraw, numbers, actor)
    return done("/admin/examples/", "withdrawn" if count else "nothing")


@router.post("/restore/")
async def restore(request: Request, visitor: Agent) -> Response:
    """Let withdrawn examples vote again."""
    services = auth.services_of(request)
    numbers, actor = visitor.numbers("id"), visitor.user.email
    count = await services.keep(services.console.examples.restore, numbers, actor)
    return done("/admin/examples/?state=withdrawn", "restored" if count else "nothing")


@router.get("/import/")
async def importing(request: Request, visitor: Admin) -> Response:
    """The form for a file, and how far imports are."""
    return await _import_page(request, visitor)


async def _import_page(request: Request, visitor: Visitor, wrong: str = "") -> Response:
    services = auth.services_of(request)
    counted = await services.look(services.console.examples.counted)
    values = {
        "wrong": wrong, "imports": counted["imports"][::-1][:20], "columns": COLUMNS, "said": said(request),
        "categories": list(services.routing().categories), "most": services.terms.attachments // 1_000_000,
        "typed": {name: visitor.typed(name, 5_000) for name in (*COLUMNS, "renamed", "skip")},
    }  # fmt: skip
    return await page(request, visitor, "admin/import.html", values, 422 if wrong else 200)


@router.post("/import/")
async def import_(request: Request, visitor: Admin) -> Response:
    """Check a file, and import it on a thread of its own; its progress is in the database."""
    services = auth.services_of(request)
    upload = visitor.form.get("file")
    if not isinstance(upload, UploadFile) or not upload.filename:
        return await _import_page(request, visitor, "Choose a CSV file")
    name, content = safe_name(upload.filename, "text/csv", 1), await upload.read()
    columns = {column: typed for column in COLUMNS if (typed := visitor.typed(column))}
    pairs = [line.partition("=") for line in visitor.typed("renamed", 5_000).splitlines() if "=" in line]
    renamed = {label.strip(): category.strip() for label, _, category in pairs}
    try:
        prepared = services.console.examples.prepared
        run = await services.console.slow(
            prepared, name, content, columns, renamed, bool(visitor.typed("skip")), visitor.user.email
        )
    except (ConfigError, Refused) as error:
        return await _import_page(request, visitor, error.problem if isinstance(error, ConfigError) else str(error))
    task = asyncio.create_task(_run(services, run))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return done("/admin/examples/import/", "importing")


async def _run(services: Services, run: object) -> None:
    assert callable(run)
    try:
        await services.console.slow(run)
    except HelpdeskError as error:
        get("web").error("import.failed", error=str(error))
