"""The page at `/docs`: what can be asked, from the OpenAPI description. It loads nothing from anywhere."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = "body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto}code,pre{background:#eee;padding:.1em .3em}"


def docs_page(description: dict[str, Any]) -> str:
    """Return the page of an OpenAPI description."""
    title = escape(f"{description['info']['title']} {description['info']['version']}")
    parts = [
        _operation(path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    about = escape(description["info"]["description"])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title}</h1><p>{about} As OpenAPI: <a href=openapi.json>openapi.json</a></p>{''.join(parts)}</html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    statuses = "".join(
        f"<li><code>{escape(status)}</code> {escape(reply['description'])}</li>"
        for status, reply in operation["responses"].items()
    )
    bodies = "".join(
        f"<p>Body: <code>{escape(kind)}</code> {escape(body['schema'].get('description', ''))}</p>"
        for kind, body in operation.get("requestBody", {}).get("content", {}).items()
    )
    head = f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2><p>{escape(operation['summary'])}</p>"
    return f"{head}{bodies}<ul>{statuses}</ul>"
