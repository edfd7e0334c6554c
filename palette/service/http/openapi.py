"""OpenAPI schema: the columns of each loaded model, as JSON types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from palette._version import __version__
from palette.service.models.served_model import Model

__all__ = ["build_openapi"]

INTEGERS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
ARRAY = re.compile(r"array<(.+)>")
NOT_FINITE = {"enum": ["NaN", "Infinity", "-Infinity"]}
TIME = {"type": "string", "format": "date-time"}
PROBLEM = {
    "type": "object",
    "required": ["error", "kind"],
    "properties": {"error": {"type": "string"}, "kind": {"type": "string"}},
}
SPARSE = {
    "type": "object",
    "required": ["size", "indices", "values"],
    "properties": {
        "size": {"type": "integer", "minimum": 0},
        "indices": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "values": {"type": "array", "items": {"type": "number"}},
    },
}
ERRORS = {
    "400": "The body is invalid.",
    "401": "The token is missing or unknown.",
    "408": "The body arrived too slowly.",
    "413": "The body is too large, or has too many rows.",
    "422": "The row cannot be scored, or is rejected.",
    "503": "The store failed.",
}
ADMINISTRATION = {
    ("/v1/models", "get"): "Loaded models.",
    ("/healthz", "get"): "Whether the process is alive.",
    ("/readyz", "get"): "Whether the models are loaded and the store answers.",
    ("/metrics", "get"): "Metrics for Prometheus.",
}


def json_type(dtype: str) -> dict[str, Any]:
    """Return the schema of a Spark type's values, without null.

    Examples
    --------
    >>> json_type("array<boolean>")
    {'type': 'array', 'items': {'anyOf': [{'type': 'boolean'}, {'type': 'null'}]}}
    >>> json_type("")
    {}
    """
    if dtype in INTEGERS:
        half = 1 << (INTEGERS[dtype] - 1)
        return {"type": "integer", "minimum": -half, "maximum": half - 1}
    if dtype in ("double", "float"):
        return {"anyOf": [{"type": "number"}, NOT_FINITE]}
    if dtype in ("string", "boolean"):
        return {"type": dtype}
    if dtype in ("timestamp", "timestamp_ntz"):
        return TIME
    if dtype == "date":
        return {"type": "string", "format": "date"}
    if dtype.startswith("decimal"):
        return {"anyOf": [{"type": "string"}, {"type": "number"}]}
    if dtype == "vector":
        return {"anyOf": [{"type": "array", "items": json_type("double")}, SPARSE]}
    if match := ARRAY.fullmatch(dtype):
        return {"type": "array", "items": _or_null(json_type(match[1]))}
    return {}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]} if schema else {}


def _columns(types: dict[str, str]) -> dict[str, Any]:
    return {column: {**_or_null(json_type(dtype)), "title": dtype or "any"} for column, dtype in types.items()}


def _errors(*statuses: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": ERRORS[status], "content": content} for status in statuses}


def _answer(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": "The answer.", "content": {"application/json": {"schema": schema}}}}


def _operation(name: str, route: str, summary: str, result: dict[str, Any], max_rows: int) -> dict[str, Any]:
    row = {"$ref": f"#/components/schemas/{name}.row"}
    now = {**TIME, "description": "Time at which the ttl is evaluated; default now."}
    rows = {"type": "array", "items": row, "maxItems": max_rows}
    closed = {"type": "object", "additionalProperties": False}
    bodies = [
        {**closed, "required": [key], "properties": {key: schema, "now": now}}
        for key, schema in (("row", row), ("rows", rows))
    ]
    head = {"model": {"type": "string"}, "version": {"type": "string"}}
    results = {"type": "array", "items": {"anyOf": [result, {"$ref": "#/components/schemas/Problem"}]}}
    answers = [
        {"type": "object", "required": ["model", "version", key], "properties": {**head, key: schema}}
        for key, schema in (("result", result), ("results", results))
    ]
    return {
        "post": {
            "operationId": f"{route}_{name}",
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": bodies}}}},
            "responses": {**_answer({"anyOf": answers}), **_errors("400", "401", "408", "413", "422", "503")},
        }
    }


def build_openapi(models: Iterable[Model], max_rows: int, *, authenticated: bool) -> dict[str, Any]:
    """Return the OpenAPI document of the service with the models that are loaded now.

    Parameters
    ----------
    models : iterable of Model
        Loaded models.
    max_rows : int
        Maximum rows of a request.
    authenticated : bool
        Whether requests need a token.
    """
    schemas: dict[str, Any] = {"Problem": PROBLEM}
    paths: dict[str, Any] = {
        path: {
            method: {"summary": summary, "responses": {"200": {"description": summary}}},
        }
        for (path, method), summary in ADMINISTRATION.items()
    }
    for model in models:
        name = model.name
        required = {"required": list(model.required)} if model.required else {}
        schemas[f"{name}.row"] = {"type": "object", "properties": _columns(model.columns), **required}
        result = {"type": "object", "properties": _columns(model.outputs)}
        paths[f"/v1/models/{name}/score"] = _operation(name, "score", f"Score rows by {name}.", result, max_rows)
        features = {"type": "object", "additionalProperties": {"type": "object"}}
        summary = f"Values that {name} looks up, with their status and age."
        paths[f"/v1/models/{name}/features"] = _operation(name, "features", summary, features, max_rows)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "palette", "version": __version__, "description": "Features and models, scored online."},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if authenticated:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document
