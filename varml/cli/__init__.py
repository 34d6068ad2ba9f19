"""The command ``varml``."""

from varml.cli.app import app

__all__ = ["app"]
