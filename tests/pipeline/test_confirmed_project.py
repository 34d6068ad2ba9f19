"""A project whose best trial is confirmed end to end, from ``dvc repro`` to an answer on raw video."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from project import Project
from ruamel.yaml import YAML

pytestmark = pytest.mark.pipeline


def test_what_is_confirmed_is_searched_served_and_evaluated(finished: Project, videos: Path, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "confirmed")
    project.choose("search.num_trials", 1)
    # No longer training from images of 64 px can be worse than one epoch on frozen features.
    project.choose("train.num_epochs", 1)
    project.choose("train.finetune.num_epochs", 3)
    project.choose(
        "search.space", {"model": {"fusion": {"choices": ["rgb"]}}, "train": {"mirror": {"choices": [False]}}}
    )
    project.choose("model.fusion", "rgb")
    project.choose("search.confirm.top_k", 1)
    output = project.repro()
    assert "end to end 1/1" in output
    best = YAML(typ="safe").load(project.root / "search/best.yaml")
    assert sorted(bool(entry.get("confirmed")) for entry in best["ranked"]) == [False, True]
    assert best["confirmation"]["num"] == 1
    assert "trained end to end" in output
    model = json.loads((project.root / "model/model.json").read_text())
    confirmed = bool(best["ranked"][0].get("confirmed"))
    assert best["ranked"][0]["params"]["train.unfreeze"] == ("last_stage" if confirmed else "none")
    assert ("tf_efficientnet_lite0.rgb.0" in model["backbones"]) == confirmed

    project.check_answers(videos)
    assert re.findall(r"Running stage '(\w+)'", project.repro()) == ["scan"]
