"""Names for interchangeable parts: a new variant is one new file and one decorator."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from difflib import get_close_matches
from typing import Generic, TypeVar

from varml.errors import UnknownNameError

T = TypeVar("T")


def nearest_name(name: object, names: list[str]) -> str | None:
    """Return the name most like ``name``, or None where none is near."""
    matches = get_close_matches(str(name), names, n=1, cutoff=0.5)
    return matches[0] if matches else None


class Registry(Generic[T]):
    """A named collection of parts of one kind.

    ``package``, if given, is imported in full before the first look-up, so that a file laid into it is found
    without being named anywhere else.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files its class or function under ``name``.

        Raises ValueError where the name is taken by another part.
        """

        def add(entry: T) -> T:
            # A name of the package is taken, also before anybody asked for its parts.
            if self._package and not getattr(entry, "__module__", self._package).startswith(self._package):
                self._discover()
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered already; choose another name")
            self._entries[name] = entry
            return entry

        return add

    def names(self) -> list[str]:
        """Return all registered names in alphabetical order."""
        self._discover()
        return sorted(self._entries)

    def entries(self) -> dict[str, T]:
        """Return what is registered by its names, in alphabetical order."""
        return {name: self[name] for name in self.names()}

    def __getitem__(self, name: str) -> T:
        self._discover()
        if name not in self._entries:
            near = nearest_name(name, list(self._entries))
            hint = f"; did you mean {near!r}?" if near else ""
            raise UnknownNameError(f"no {self.kind} is named {name!r}; there are {', '.join(self.names())}{hint}")
        return self._entries[name]

    def _discover(self) -> None:
        package, self._package = self._package, None
        if package is None:
            return
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            importlib.import_module(f"{package}.{module.name}")
