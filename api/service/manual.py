"""The page of routes: what OpenAPI says, written out; it runs no code and fetches nothing.

A viewer from elsewhere would run its code as whoever looks, who may approve changes here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from api.report.html import document

PATH = "/docs"
Described = Mapping[str, Any]


def add_manual(app: FastAPI) -> None:
    """Serve the page; it needs no key, as the shapes need none."""

    async def show(request: Request) -> HTMLResponse:
        return HTMLResponse(page_of(app.openapi()))

    app.router.routes.append(Route(PATH, show))


def page_of(described: Described) -> str:
    """Return the page about an OpenAPI document."""
    about = described["info"]
    head = (
        f"<h1>{escape(about['title'])} {escape(about['version'])}</h1>"
        f"<p>{escape(about.get('description', ''))}</p>"
        '<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p>'
    )
    routes = "".join(_routes(described["paths"]))
    shapes = "".join(
        f'<h3 id="{escape(name)}">{escape(name)}</h3>{_json(shape)}'
        for name, shape in described.get("components", {}).get("schemas", {}).items()
    )
    return document(about["title"], f"{head}<h2>Routes</h2>{routes}<h2>Shapes</h2>{shapes}")


def _routes(paths: Described) -> Iterator[str]:
    for path, operations in paths.items():
        for method, operation in operations.items():
            yield f"<h3><code>{escape(method.upper())} {escape(path)}</code></h3>"
            yield f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
            for parameter in operation.get("parameters", ()):
                yield _parameter(parameter)
            if body := operation.get("requestBody"):
                yield f"<p>Body:</p>{_json(body['content'])}"


def _parameter(parameter: Described) -> str:
    needed = ", needed" if parameter.get("required") else ""
    words = f" {escape(parameter['description'])}" if "description" in parameter else ""
    shape = json.dumps(parameter.get("schema", {}), ensure_ascii=False)
    where = f"{escape(parameter['in'])}{needed}"
    return (
        f"<p><code>{escape(parameter['name'])}</code> ({where}):{words}"
        f" <code>{escape(shape)}</code></p>"
    )


def _json(shape: Described) -> str:
    text = json.dumps(shape, indent=2, ensure_ascii=False)
    return f'<pre style="white-space:pre-wrap">{escape(text)}</pre>'
