"""A second opinion on whom a bounce names: flufl.bounce, kept from what makes it raise or crawl."""

from __future__ import annotations

from collections.abc import Iterable
from email.message import Message as Part

from helpdesk_daemon.mail.message import Headers

CHARS = 8_000  # some of its patterns take quadratic time on a line, so lines and their sum are bounded
LINE = 200


def flufl_recipients(fields: Headers, content_type: str, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Delayed and failed recipients that flufl.bounce finds, lower-cased and sorted.

    Args:
        fields: header fields of the bounce.
        content_type: its media type.
        text: its body.
    """
    from flufl.bounce import all_failures

    try:
        delayed, failed = all_failures(_plainly(fields, content_type, text))
        return _addresses(delayed), _addresses(failed)
    except Exception:  # it raises all sorts on odd mail
        return (), ()


def _addresses(found: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(sorted(address.decode("ascii").strip(".'").lower() for address in found if b"@" in address))


def _plainly(fields: Headers, content_type: str, text: str) -> Part:
    """The mail as flufl.bounce wants it, made of what was read already."""
    lines = [line[:LINE] for line in text[:CHARS].split("\n")]
    leaf = Part()
    leaf["Content-Type"] = "text/plain"
    leaf["Content-Description"] = "notification"
    leaf.set_payload("\n".join(lines).encode("ascii", "replace").decode("ascii"))
    whole = leaf
    if content_type.startswith("multipart/"):
        whole = Part()
        whole["Content-Type"] = "multipart/mixed"
        whole.attach(leaf)
    for name in ("From", "Subject", "X-Mailer"):
        if name in fields:
            whole[name] = fields.get(name)[:LINE].encode("ascii", "replace").decode("ascii")
    return whole
