"""The application: API, pages and assets under one roof."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from helpdesk_daemon import __version__
from helpdesk_daemon.web import api, problems
from helpdesk_daemon.web.pages import dashboard, sign_in, submit, track
from helpdesk_daemon.web.pages.admin import routers
from helpdesk_daemon.web.safety import Safety
from helpdesk_daemon.web.services import Services

HERE = Path(__file__).parent
ABOUT = (
    "Send a token in the header Authorization: Bearer TOKEN. One is made with the command tokens create. "
    "Failures are problem details (RFC 9457)."
)


class Assets(StaticFiles):
    """Files that never change within a version."""

    def file_response(self, *args, **kwargs) -> Response:  # type: ignore[no-untyped-def]
        """A file that browsers may keep."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response


def build(services: Services) -> ASGIApp:
    """The application on its services."""
    app = FastAPI(
        title="Helpdesk API", version=__version__, description=ABOUT, openapi_url="/api/openapi.json", docs_url=None,
        redoc_url=None, separate_input_output_schemas=False,
    )  # fmt: skip
    app.state.services = services
    problems.install(app)
    app.include_router(api.router)
    app.include_router(submit.router)
    app.include_router(track.router)
    app.include_router(sign_in.router)
    app.include_router(dashboard.router)
    for router in routers:
        app.include_router(router)
    app.router.routes.append(Mount("/static", Assets(directory=HERE / "static"), name="static"))
    app.add_route("/", lambda request: RedirectResponse("/submit/"), include_in_schema=False)
    _describe(app)
    return Safety(app, services.terms.attachments, services.terms.base_url.startswith("https:"))


def _describe(app: FastAPI) -> None:
    """Put the shape of failures into the OpenAPI document."""
    document = app.openapi()
    shapes = document.setdefault("components", {}).setdefault("schemas", {})
    wrong = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    shapes |= wrong.pop("$defs", {}) | {"Problem": wrong}
    for name in ("HTTPValidationError", "ValidationError"):
        shapes.pop(name, None)
