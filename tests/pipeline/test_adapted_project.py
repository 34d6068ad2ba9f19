"""A project whose flow is adapted, from ``dvc repro`` to an answer on raw video."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from project import Project

pytestmark = pytest.mark.pipeline


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def test_adapted_flow_is_searched_served_and_evaluated(finished: Project, videos: Path, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "adapted")
    project.choose("features.adapt", "flow")
    project.choose("features.adaptation.num_epochs", 1)
    project.choose("search.num_trials", 1)
    project.choose("search.space.model.backbone", {"choices": ["tf_efficientnet_lite0"]})
    project.choose("search.space.model.fusion", {"choices": ["flow"]})
    run = stages_run(project.repro())
    assert "extract_frames" not in run
    assert run.index("adapt_features") < run.index("search") < run.index("evaluate")
    # Two folds and the model that is served.
    assert len([f for f in (project.root / "data/adapted").rglob("*.safetensors") if "weights" not in f.name]) == 3
    model = json.loads((project.root / "model/model.json").read_text())
    assert list(model["backbones"]) == ["tf_efficientnet_lite0.flow.adapted"]

    project.check_answers(videos)
    assert stages_run(project.repro()) == ["scan"]
