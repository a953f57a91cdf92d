"""Jinja2 templates of outgoing mail: the operator's folder first, then the shipped ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import nh3
from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
    select_autoescape,
)

from helpdesk_daemon.mail.body.html_quotes import is_too_deep
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.mime.headers import one_line

HIDING = {"details", "summary", "bdo", "map", "area"}  # they fold text away, turn it, hide where a click leads
LONGEST_NAME = 60  # characters
NO_NAME = re.compile(r"https?:|www\.|[/@<>]|\.[a-z]{2,}\b", re.IGNORECASE)
FALLBACK = "en"
LANGUAGE = re.compile(r"[a-z]{2}")  # ISO 639-1: the name of a folder
MAX_HTML = 2_000_000  # characters of a stranger's HTML that are cleaned and shown
SCHEMES = {"http", "https", "mailto", "tel", "cid"}
DROPPED = {"script", "style", "title"}  # elements whose content goes, too
# What carries meaning when an agent emphasises or quotes; nothing here loads, moves or hides.
STYLES = {"color", "background-color", "font-weight", "font-style", "text-decoration", "text-align", "margin"}
ATTRIBUTES = {name: set(values) for name, values in nh3.ALLOWED_ATTRIBUTES.items()} | {"*": {"style", "dir", "lang"}}
PARAGRAPH = re.compile(r"<p class=[\"']?(?:Mso\w{1,30}|x_Mso\w{1,30})[\"']?", re.IGNORECASE)


def _local(at: datetime, zone: str) -> tuple[datetime, str]:
    """A moment in `zone`, where one is named, and what that zone is called then."""
    local = at.astimezone(ZoneInfo(zone)) if zone else at
    name = local.tzname() or ""
    return local, f"UTC{name}" if name[:1] in ("+", "-") else name  # some zones have no letters of their own


def when(at: datetime, zone: str = "") -> str:
    """A moment as people read it in English, with its zone; in `zone` where one is named."""
    local, name = _local(at, zone)
    return f"{local:%A, %-d %B %Y, %H:%M} {name}"


def moment(at: datetime, zone: str = "") -> str:
    """A moment without words but its zone, for templates in any language."""
    local, name = _local(at, zone)
    return f"{local:%Y-%m-%d, %H:%M} {name}"


def plain_name(name: str) -> str:
    """A name as we repeat it to whoever is said to have it; empty when it is an advertisement rather than a name."""
    return "" if len(name) > LONGEST_NAME or NO_NAME.search(name) else name


def _kept(tag: str, attribute: str, value: str) -> str | None:
    """An attribute's value, None to leave it out: pictures come with the mail, none is fetched, which would tell the
    sender who reads it, when and where.
    """  # noqa: D205
    return None if attribute == "src" and not value.lower().startswith("cid:") else value


def safe_html(message: Message) -> str:
    """The HTML a stranger sent, without anything that acts, loads or hides; empty when only its text can be shown."""
    if not message.html or len(message.html) > MAX_HTML or is_too_deep(message.html):
        return ""
    return nh3.clean(
        message.html, tags=nh3.ALLOWED_TAGS - HIDING, attribute_filter=_kept, url_schemes=SCHEMES,
        clean_content_tags=DROPPED, link_rel="noopener noreferrer nofollow",
    )  # fmt: skip


def clean_html(html: str) -> str:
    """HTML of one of our own people, harmless and balanced, with its emphasis kept."""
    html = PARAGRAPH.sub('<p style="margin:0"', html)  # Word sets these margins in a style sheet, which goes
    return nh3.clean(
        html, tags=nh3.ALLOWED_TAGS - HIDING, attributes=ATTRIBUTES, attribute_filter=_kept,
        filter_style_properties=STYLES, url_schemes=SCHEMES, clean_content_tags=DROPPED,
    )  # fmt: skip


class Templates:
    """`Render` on template folders; `NAME.txt` is required, `NAME.html` optional and of the same language.

    Args:
        folders: searched in order.
        language: subfolder of each, such as `de`; `en` is searched after it.
    """

    def __init__(self, folders: list[Path], language: str = "en") -> None:
        self._folders, self._language = folders, language
        self._environment = lru_cache(maxsize=64)(self._made)
        self._get = lru_cache(maxsize=256)(self._load)

    def _made(self, language: str) -> Environment:
        """Templates of a language first, then those of the identity's, the operator's of none, and English ones."""
        parts = dict.fromkeys([language or self._language, self._language, "", FALLBACK])
        environment = Environment(
            loader=FileSystemLoader([f / part for part in parts for f in self._folders]),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,  # else each `include` asks the disk; the templates themselves are kept anyway
        )
        environment.filters |= {
            "when": when,
            "moment": moment,
            "safe_html": safe_html,
            "plain_name": plain_name,
            "one_line": one_line,
        }
        return environment

    def _load(self, name: str, language: str) -> tuple[Template, Template | None]:
        environment = self._environment(language)
        plain = environment.get_template(f"{name}.txt")
        try:
            html = environment.get_template(f"{name}.html")
        except TemplateNotFound:
            return plain, None
        return plain, html if _language(html) == _language(plain) else None

    def __call__(self, name: str, values: Mapping[str, object], language: str = "") -> tuple[str, str]:
        """See `Render`.

        Raises:
            TemplateNotFound: there is no `NAME.txt`.
        """
        plain, html = self._get(name, language if LANGUAGE.fullmatch(language) else "")
        return plain.render(values), html.render(values) if html else ""

    def clean(self, html: str) -> str:
        """See `Render.clean`."""
        return clean_html(html)


def _language(template: Template) -> str:
    """Name of the folder a template lies in."""
    return Path(str(template.filename)).parent.name
