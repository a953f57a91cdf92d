"""`/admin/rules/`: the effective rules; an edit is checked and tried on old mail before it is saved."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.exceptions import HTTPException
from starlette.responses import Response

from helpdesk_daemon.errors import Refused
from helpdesk_daemon.ports.console import RulesText
from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.triage.rules import Conditions, Routing, Rule, Setting
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.pages.admin.common import Admin, Viewer, done, said
from helpdesk_daemon.web.visitor import Visitor, page

router = APIRouter(prefix="/admin/rules", include_in_schema=False)
MOST = 200_000  # characters of a file
SHOWN = 40  # mails that would go elsewhere
Numbered = InPath(ge=0, le=1_000)
PARTS = {"confidence_below": "confidence under", "confidence_at_least": "confidence from"}


def words_of(part: Conditions | Setting) -> Iterator[tuple[str, str]]:
    """What a rule asks or sets, in words: name and values."""
    for name in part.__dataclass_fields__:
        value = getattr(part, name)
        if value is None or value in ((), {}):
            continue
        if isinstance(value, dict):
            yield from ((f"header {header}", _listed(patterns)) for header, patterns in value.items())
        else:
            yield PARTS.get(name, name.replace("_", " ")), _listed(value)


def _listed(value: object) -> str:
    if isinstance(value, tuple):
        return " or ".join(_listed(each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    shown = (
        getattr(value, "pattern", None) or getattr(value, "name", None) if not isinstance(value, Priority) else value
    )
    return f"{value:g}" if isinstance(value, float) else str(shown or value)


def _described(rule: Rule) -> dict[str, object]:
    return {"name": rule.name, "when": list(words_of(rule.when)), "then": list(words_of(rule.then))}


async def _file(request: Request, number: int) -> tuple[RulesText, list[RulesText]]:
    services = auth.services_of(request)
    files = await services.look(services.console.rules.files)
    if number >= len(files):
        raise HTTPException(404, "There is no such file")
    return files[number], files


@router.get("/")
async def first(request: Request, visitor: Viewer) -> Response:
    """The rules of the first mailbox."""
    return await shown(request, visitor, 0)


@router.get("/{number}/")
async def shown(request: Request, visitor: Viewer, number: int = Numbered) -> Response:
    """The effective rules of a file."""
    services = auth.services_of(request)
    file, files = await _file(request, number)
    found = await services.look(services.console.rules.parsed, file, file.text)
    routing = found if isinstance(found, Routing) else None
    values = {
        "file": file, "files": files, "number": number, "routing": routing, "said": said(request),
        "wrong": [] if routing else found, "priorities": [p.value for p in Priority],
        "rules": [_described(rule) for rule in routing.rules] if routing else [],
        "may": visitor.user.may("admin") and file.editable,
        "in_use": routing is not None and services.routing().version == file.version,
    }  # fmt: skip
    return await page(request, visitor, "admin/rules.html", values)


@router.get("/{number}/edit/")
async def edit(request: Request, visitor: Admin, number: int = Numbered) -> Response:
    """The whole file, to be edited."""
    file, _ = await _file(request, number)
    return await page(request, visitor, "admin/rules_edit.html", {"file": file, "number": number, "text": file.text})


def _typed(visitor: Visitor) -> str:
    """The text of a form; browsers send it with the line ends of mail."""
    text = str(visitor.form.get("text", ""))[:MOST].replace("\r\n", "\n")
    return text if text.endswith("\n") or not text else f"{text}\n"


@router.post("/{number}/preview/")
async def preview(request: Request, visitor: Admin, number: int = Numbered) -> Response:
    """What is wrong or odd about a text, and what it would change."""
    return await _preview(request, visitor, number, _typed(visitor), visitor.typed("version", 64))


async def _preview(request: Request, visitor: Visitor, number: int, text: str, version: str) -> Response:
    services = auth.services_of(request)
    desk, (file, _) = services.console.rules, await _file(request, number)
    findings = await services.console.slow(desk.odd, file, text)
    sound = not any(finding.kind == "error" for finding in findings)
    now_sound = isinstance(await services.look(desk.parsed, file, file.text), Routing)
    found = await services.console.slow(desk.compared, file, text) if sound and now_sound else None
    values = {
        "file": file, "number": number, "text": text, "version": version or file.version, "findings": findings,
        "sound": sound, "compared": found, "differences": found.new[:SHOWN] if found else [],
        "lines": list(_diff(file.text, text)), "changed": text != file.text,
    }  # fmt: skip
    return await page(request, visitor, "admin/rules_preview.html", values)


def _diff(before: str, after: str) -> Iterator[tuple[str, str]]:
    """Lines of a unified diff, each with its kind."""
    kinds = {"+": "add", "-": "del", "@": "hunk"}
    for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]:
        yield kinds.get(line[:1], "same"), line


@router.post("/{number}/category/")
async def edit_category(request: Request, visitor: Admin, number: int = Numbered) -> Response:
    """Other values for a category, shown before they are saved."""
    hours = _hours(visitor.typed("sla_hours", 20))
    values = {"department": visitor.typed("department"), "priority": visitor.typed("priority", 10), "sla_hours": hours}
    return await _edited(request, visitor, number, "category", values)


@router.post("/{number}/department/")
async def edit_department(request: Request, visitor: Admin, number: int = Numbered) -> Response:
    """Another address or other agents for a department, shown before they are saved."""
    agents = [word for word in visitor.typed("agents", 5_000).replace(",", " ").split() if word]
    return await _edited(
        request, visitor, number, "department", {"address": visitor.typed("address"), "agents": agents}
    )


async def _edited(
    request: Request, visitor: Visitor, number: int, table: str, values: Mapping[str, object]
) -> Response:
    services, version = auth.services_of(request), visitor.typed("version", 64)
    file, _ = await _file(request, number)
    if version != file.version:
        raise Refused("the file was saved by somebody else meanwhile: open the rules again")
    text = services.console.rules.edited(file.text, table, visitor.typed("name"), values)
    return await _preview(request, visitor, number, text, version)


def _hours(typed: str) -> float | int:
    try:
        value = float(typed)
    except ValueError:
        raise Refused(f"{typed!r} is no number of hours") from None
    return int(value) if value.is_integer() else value


@router.post("/{number}/save/")
async def save(request: Request, visitor: Admin, number: int = Numbered) -> Response:
    """Save a text that was shown."""
    services = auth.services_of(request)
    file, _ = await _file(request, number)
    text, version = _typed(visitor), visitor.typed("version", 64)
    await services.keep(services.console.rules.save, file, text, version, visitor.user.email)
    return done(f"/admin/rules/{number}/", "saved")


@router.post("/{number}/edit/")
async def edit_again(request: Request, visitor: Admin, number: int = Numbered) -> Response:
    """Back to the editor with what was typed."""
    file, _ = await _file(request, number)
    return await page(
        request, visitor, "admin/rules_edit.html", {"file": file, "number": number, "text": _typed(visitor)}
    )
