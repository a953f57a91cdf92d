"""Tokens of the API: made, listed and revoked; only a digest of each is kept.

A token has 256 random bits, so nobody finds it from its SHA-256; a slow hash, as for passwords, would only slow down
every request.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, insert, select, update

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.pages import api_tokens
from helpdesk_daemon.ports import Audit, Clock
from helpdesk_daemon.ports.web import token_digest

PREFIX = "hdt_"  # lets scanners for leaked secrets find ours


def create(engine: Engine, clock: Clock, name: str, scopes: Sequence[str], actor: str) -> str:
    """Make a token.

    Returns:
        The token; it is told this once.
    """
    token, now = PREFIX + secrets.token_urlsafe(32), clock.now()
    values = {"name": name, "digest": token_digest(token), "scopes": " ".join(scopes), "created_at": now,
              "created_by": actor}  # fmt: skip
    with transaction(engine) as connection:
        number = connection.execute(insert(api_tokens).values(values)).inserted_primary_key
        detail = {"token": number[0] if number else 0, "name": name, "scopes": list(scopes)}
        audit.append(connection, [Audit("token.created", detail, actor=actor)], now)
    return token


def token_list(engine: Engine, revoked: bool) -> list[dict[str, Any]]:
    """Tokens, oldest first; `revoked` adds those that are."""
    wanted = select(*(c for c in api_tokens.c if c.name != "digest")).order_by(api_tokens.c.id)
    with transaction(engine) as connection:
        rows = connection.execute(wanted if revoked else wanted.where(api_tokens.c.revoked_at.is_(None)))
        return [dict(row) for row in rows.mappings()]


def revoke(engine: Engine, clock: Clock, number: int, actor: str) -> bool:
    """End a token; False when there is none with this number, or it was ended before."""
    now, here = clock.now(), (api_tokens.c.id == number, api_tokens.c.revoked_at.is_(None))
    with transaction(engine) as connection:
        ended = connection.execute(update(api_tokens).where(*here).values(revoked_at=now)).rowcount
        if ended:
            audit.append(connection, [Audit("token.revoked", {"token": number}, actor=actor)], now)
    return bool(ended)
