"""The code blocks of the project's own documents, for tests that do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]


def blocks(document: str, language: str, heading: str | None = None) -> list[str]:
    """Return the code blocks of a language in a document, or in one section of it."""
    text = (ROOT / document).read_text()
    if heading is not None:
        text = re.split(r"^## ", text.partition(f"## {heading}\n")[2], flags=re.MULTILINE)[0]
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def yaml_of(heading: str) -> dict[str, Any]:
    """Return the YAML block of a section of CONTRIBUTING.md."""
    (block,) = blocks("CONTRIBUTING.md", "yaml", heading)
    return dict(YAML(typ="safe").load(block))
