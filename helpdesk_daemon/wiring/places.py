"""Where things are: files that come with the program, the data folder, the model."""

from __future__ import annotations

import sys
from pathlib import Path

from sqlalchemy import Engine

from helpdesk_daemon.adapters.model import export
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.migrate import migrate
from helpdesk_daemon.errors import ConfigError, StoreError
from helpdesk_daemon.settings import Settings


def shipped(name: str) -> Path:
    """A file or folder that comes with the program: beside the package in a wheel, above it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "shipped" / name
    return inside if inside.exists() else package.parent / name


def database(settings: Settings) -> Path:
    """The database file."""
    return settings.data_dir / "helpdesk.db"


def model_folder(settings: Settings) -> Path:
    """Where the exported model is: as configured, else one made at set-up, else the data folder."""
    if settings.model.folder is not None:
        return settings.model.folder
    prepared = prepared_model()
    return prepared if export.is_exported(prepared, model_of(settings)) else settings.data_dir / "model"


def model_of(settings: Settings) -> export.Model:
    """Which model the `[model]` table names."""
    table = settings.model
    return export.Model(table.name, table.weights, table.prefix, table.languages)


def prepared_model() -> Path:
    """Where `make setup` puts the exported model, for every data folder of this Python environment."""
    return Path(sys.prefix) / "share" / "helpdesk-daemon" / "model"


def open_store(settings: Settings) -> Engine:
    """Open the database, made or upgraded when needed.

    Raises:
        StoreError: it cannot be used.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(f"{settings.data_dir} cannot be made: {error.strerror}") from error
    engine = open_engine(database(settings))
    migrate(engine)
    return engine


def ensure_model(folder: Path, model: export.Model = export.SHIPPED) -> None:
    """Export a model when it is not there yet; takes some twenty seconds, once.

    Raises:
        ConfigError: what the export needs is not installed.
    """
    if export.is_exported(folder, model):
        return
    if model.weights is None and model.name != export.SHIPPED.name:
        raise ConfigError("settings.toml", "model.weights", f"{folder} is no export of {model.name}",
                          "Name the folder of its weights, or another `folder`")  # fmt: skip
    export.export(folder, model=model)
