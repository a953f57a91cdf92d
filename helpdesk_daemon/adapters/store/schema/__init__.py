"""Tables as SQLAlchemy sees them, a module a subject; `metadata` knows them all."""

from helpdesk_daemon.adapters.store.schema import (
    deciding,
    labels,
    log,
    mail,
    pages,
    sla,
    telling,
    tickets,
    watching,
)
from helpdesk_daemon.adapters.store.schema.columns import metadata

__all__ = ["deciding", "labels", "log", "mail", "metadata", "pages", "sla", "telling", "tickets", "watching"]
