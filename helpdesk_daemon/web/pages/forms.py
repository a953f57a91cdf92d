"""What several pages share: reading a form with its files, checking it, and showing it again."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.mail.mime.names import safe_name
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.render import render
from helpdesk_daemon.web.shapes import Text

MOST_FILES, MOST_FIELDS = 10, 20
HONEYPOT = "website"  # hidden from people; whoever fills it is a program
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
SAID = {
    "string_too_short": "Please fill this in.", "missing": "Please fill this in.",
    "string_too_long": "This is too long.", "string_pattern_mismatch": "This cannot be used here.",
}  # fmt: skip
SAID_OF = {"email": "Please enter an address such as ada@example.com."}


class Message(BaseModel):
    """What a customer adds to a ticket."""

    text: Text


@dataclass(slots=True)
class Filled:
    """A form as it came.

    Attributes:
        values: of its text fields, by name.
        files: what was attached.
        wrong: by field, what is wrong with it, in words for people.
    """

    values: dict[str, str]
    files: tuple[Attachment, ...] = ()
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def by_program(self) -> bool:
        """Whether a field was filled in that people do not see."""
        return bool(self.values.get(HONEYPOT))


async def read(request: Request, limit: int) -> Filled:
    """Read a form of our own.

    Args:
        request: its POST.
        limit: bytes of all its files.

    Raises:
        HTTPException: 403, it is not ours; 400, it is none.
    """
    try:
        async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS) as form:
            values = {name: _plain(value) for name, value in form.items() if isinstance(value, str)}
            auth.check_form(request, values.get("csrf", ""))
            files = await _files(form)
    except (HTTPException, TimeoutError):
        raise
    except Exception as error:  # whatever a parser finds wrong with bytes of strangers
        raise HTTPException(400, "The form could not be read") from error
    filled = Filled(values, files)
    if sum(len(f.content) for f in files) > limit:
        filled.wrong["files"] = f"The files are too large: {limit // 1_000_000} MB together at most."
    return filled


def _plain(text: str) -> str:
    """Text without what no keyboard writes; line ends as in a mail."""
    return CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).encode("utf-8", "replace").decode()


async def _files(form: FormData) -> tuple[Attachment, ...]:
    found: list[Attachment] = []
    for value in form.getlist("files"):
        if isinstance(value, UploadFile) and (value.filename or value.size):
            kind = mimetypes.guess_type(value.filename or "")[0] or "application/octet-stream"
            name = safe_name(value.filename or "", kind, len(found) + 1)
            found.append(Attachment(name, kind, await value.read()))
    return tuple(found)


def check(filled: Filled, shape: type[BaseModel], names: Mapping[str, str]) -> BaseModel | None:
    """The values of a form as a shape; None, and what is wrong, when it has not that shape.

    Args:
        filled: the form.
        shape: what it must be.
        names: of the shape's fields, those of the form.
    """
    try:
        made: BaseModel = TypeAdapter(shape).validate_python(
            {name: filled.values.get(typed, "") for name, typed in names.items()}
        )
    except ValidationError as error:
        for each in error.errors():
            typed = names[str(each["loc"][0])]
            empty = not filled.values.get(typed, "").strip()
            said = (
                SAID["missing"] if empty else SAID_OF.get(typed) or SAID.get(each["type"], "This cannot be used here.")
            )
            filled.wrong.setdefault(typed, said)
        return None
    return made if not filled.wrong else None


def show(request: Request, template: str, values: Mapping[str, object], status: int = 200) -> Response:
    """A page with a form on it, that only we can have made."""
    nonce, token = auth.form_token(request)
    return auth.keep_nonce(request, render(request, template, {"csrf": token, **values}, status), nonce)
