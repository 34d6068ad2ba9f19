"""varml turns a folder of labelled videos into the best action recogniser for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from varml.project import Project as Project

__version__ = "0.1.0"
__all__ = ["Project", "__version__"]


def __getattr__(name: str) -> Any:
    # `import varml` stays light: pandas and what else a project needs come with its first use.
    if name == "Project":
        from varml.project import Project

        return Project
    raise AttributeError(f"module 'varml' has no attribute {name!r}")
