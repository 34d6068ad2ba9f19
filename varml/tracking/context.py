"""The MLflow plug-in (entry point ``mlflow.run_context_provider``) that tags every run made in a varml project."""

from __future__ import annotations

from mlflow.tracking.context.abstract_context import RunContextProvider

from varml.ground.paths import project_root
from varml.tracking.lineage import is_project, lineage_tags


class VarmlRunContext(RunContextProvider):  # type: ignore[misc]
    """Adds :func:`varml.tracking.lineage.lineage_tags` to runs, also to those made by hand in a notebook."""

    def in_context(self) -> bool:
        """Return whether the current folder lies in a varml project."""
        return is_project(project_root())

    def tags(self) -> dict[str, str]:
        """Return the tags of a run made now."""
        return lineage_tags()
