"""The params of a benchmark: those that are shipped, with what its command line changes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from varml.config import Params, load_params
from varml.config.space import apply_values

ROOT = Path(__file__).resolve().parents[1]


def add_change(parser: argparse.ArgumentParser) -> None:
    """Let ``parser`` take ``--change PATH=VALUE ...``."""
    parser.add_argument(
        "--change", nargs="*", type=_change, default=[], help="other values of params.yaml, such as train.lr=1e-3"
    )


def changed_params(arguments: argparse.Namespace, values: Mapping[str, Any] | None = None) -> Params:
    """Return the shipped params with the ``values`` of a benchmark, and over both what ``--change`` said."""
    return apply_values(load_params(ROOT / "params.yaml"), {**(values or {}), **dict(arguments.change)})


def _change(text: str) -> tuple[str, Any]:
    path, _, value = text.partition("=")
    return path, YAML(typ="safe").load(value)
