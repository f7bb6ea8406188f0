"""The web application: every router below web/routers, behind one guard."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from web import errors, pages, routers, security
from web.deps import Services
from web.security import Security
from web.shell import Shell

YEAR_S = 31_536_000


class _Static(StaticFiles):
    """Files with their hash in the address are kept by browsers; others are asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        hashed = scope["query_string"].startswith(b"v=")
        response.headers["cache-control"] = (
            f"public, max-age={YEAR_S}, immutable" if hashed else "no-cache"
        )
        return response


def router_modules() -> Iterator[ModuleType]:
    """All modules of web/routers, by name."""
    for found in sorted(pkgutil.iter_modules(routers.__path__), key=lambda module: module.name):
        yield import_module(f"{routers.__name__}.{found.name}")


def routes() -> Iterator[APIRoute]:
    """Every route of every router module."""
    for module in router_modules():
        router: APIRouter = module.router
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield route


def create_app(services: Services) -> FastAPI:
    """The application; a router module gives ``router`` and, if it likes, ``NAV`` entries."""
    app = FastAPI(
        title="乡音 Xiangyin",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(security.guard)],
    )
    app.state.services = services
    app.state.security = Security(services.settings)
    app.state.templates = pages.make_environment(
        services.settings.zone, services.settings.station_name
    )
    menu: list[pages.Nav] = []
    for module in router_modules():
        router: APIRouter = module.router
        app.include_router(router)
        menu.extend(getattr(module, "NAV", ()))
    app.state.menu = sorted(menu, key=lambda entry: entry.order)
    app.mount("/static", _Static(directory=pages.STATIC))
    errors.install(app)
    app.add_middleware(
        Shell, settings=services.settings, session_cookie=app.state.security.session_cookie
    )
    return app
