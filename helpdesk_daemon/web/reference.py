"""The API reference as a page: the OpenAPI document, read by a template."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request
from starlette.responses import Response

from helpdesk_daemon.web.render import render

METHODS = ("get", "post", "put", "patch", "delete")


def reference(request: Request) -> Response:
    """The page for the document of the application that serves a request."""
    document: dict[str, Any] = request.app.openapi()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                groups.setdefault(operation["tags"][0], []).append(_operation(method, path, operation, document))
    return render(request, "reference.html", {"about": document["info"], "groups": groups})


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    good: dict[str, Any] = next((r for status, r in operation["responses"].items() if status.startswith("2")), {})
    status = next((status for status in operation["responses"] if status.startswith("2")), "")
    shape = good.get("content", {}).get("application/json", {}).get("schema", {})
    return {
        "id": operation["operationId"], "method": method.upper(), "path": path, "title": operation["description"],
        "parameters": [_parameter(p) for p in operation.get("parameters", [])],
        "body": _example(body, document) if body else "", "status": status, "answer": _example(shape, document),
        "failures": {s: r["description"] for s, r in operation["responses"].items() if not s.startswith("2")},
    }  # fmt: skip


def _parameter(given: dict[str, Any]) -> dict[str, Any]:
    schema = given["schema"]
    options = [s for s in schema.get("anyOf", [schema]) if s.get("type") != "null"]
    values = [str(v) for s in options for v in s.get("enum", [])]
    return {
        "name": given["name"], "where": given["in"], "required": given.get("required", False),
        "kind": " or ".join(values) or options[0].get("format") or options[0].get("type", ""),
        "about": given.get("description") or schema.get("description", ""),
    }  # fmt: skip


def _example(schema: dict[str, Any], document: dict[str, Any]) -> str:
    return json.dumps(_value(schema, document), indent=2, ensure_ascii=False)


def _value(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """A value of a schema that shows its form."""
    if "$ref" in schema:
        return _value(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "example" in schema or schema.get("examples"):
        return schema.get("example", (schema.get("examples") or [None])[0])
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _value(next(s for s in schema["anyOf"] if s.get("type") != "null"), document)
    kind = schema.get("type")
    if kind == "object":
        return {name: _value(part, document) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_value(schema["items"], document)]
    moment = "2026-11-22T14:46:00Z" if schema.get("format") == "date-time" else "text"
    return {"string": moment, "integer": 1, "number": 0.97, "boolean": False}.get(str(kind))
