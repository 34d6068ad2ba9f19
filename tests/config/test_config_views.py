"""From params to the list of views: crops x clips x mirror, each with a name, and which of them have files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from varml.config import load_params
from varml.config.params import Views
from varml.config.space import apply_values, needed_features
from varml.config.views import PLAIN, View, list_views
from varml.errors import Fault

Faults = Callable[[dict[str, Any]], list[Fault]]


def names(num_crops: int, num_clips: int, mirror: bool, how: str = "both") -> list[str]:
    views = Views.model_validate({"num_crops": num_crops, "num_clips": num_clips, "mirror": how})
    return [view.name for view in list_views(views, mirror)]


def test_without_crops_and_clips_a_video_is_seen_as_it_is_and_in_a_mirror() -> None:
    assert list_views(Views(), mirror=False) == [PLAIN]
    assert list_views(Views(), mirror=True) == [PLAIN, View(mirrored=True)]
    assert names(1, 1, mirror=True) == ["", "mirrored"]


def test_views_combine() -> None:
    assert names(3, 1, mirror=False) == ["crop0", "crop1", "crop2"]
    assert names(1, 2, mirror=True) == ["clip0", "clip1", "clip0.mirrored", "clip1.mirrored"]
    assert names(3, 2, mirror=False) == [f"crop{crop}.clip{clip}" for crop in range(3) for clip in range(2)]
    assert len(set(names(3, 4, mirror=True))) == 24


def test_crops_take_turns_in_the_mirror_and_nothing_else_does() -> None:
    assert names(3, 1, mirror=True, how="alternate") == ["crop0", "crop1.mirrored", "crop2"]
    assert names(3, 2, mirror=True, how="alternate") == [
        "crop0.clip0", "crop0.clip1", "crop1.clip0.mirrored", "crop1.clip1.mirrored", "crop2.clip0", "crop2.clip1",
    ]  # fmt: skip
    for num_crops, num_clips, mirror in [(3, 1, False), (1, 1, True), (1, 2, True)]:
        assert names(num_crops, num_clips, mirror, "alternate") == names(num_crops, num_clips, mirror)


@pytest.mark.parametrize("num_clips", [5, 7, 24])
def test_clips_that_do_not_share_the_segments_are_refused_with_both_values(faults: Faults, num_clips: int) -> None:
    (fault,) = faults({"frames.num_segments": 12, "views.num_clips": num_clips})
    assert fault.path == "views"
    assert f"'num_clips': {num_clips}" in str(fault)
    assert "num_clips must divide frames.num_segments, 12" in fault.rule


@pytest.mark.parametrize("num_clips", [1, 2, 3, 4, 6, 12])
def test_clips_that_share_them_are_not(faults: Faults, num_clips: int) -> None:
    assert faults({"frames.num_segments": 12, "views.num_clips": num_clips}) == []


def test_files_are_needed_of_crops_and_of_the_mirror_and_of_no_clip(shipped: Path) -> None:
    params = apply_values(
        load_params(shipped),
        {"search.space": {}, "train.mirror": True, "views": {"num_crops": 3, "mirror": "both", "num_clips": 4}},
    )
    stored = [View(crop, mirrored=mirrored) for mirrored in (False, True) for crop in range(3)]
    assert needed_features(params) == [(params.model.backbone, view) for view in stored]
    turns = apply_values(params, {"views.mirror": "alternate"})
    shown = [View(0), View(1, mirrored=True), View(2)]
    assert needed_features(turns) == [(params.model.backbone, view) for view in shown]
    either = apply_values(turns, {"search.space": {"train": {"mirror": {"choices": [True, False]}}}})
    assert needed_features(either) == [(params.model.backbone, view) for view in [*stored[:3], shown[1]]]
    plain = apply_values(params, {"train.mirror": False, "views.num_crops": 1})
    assert needed_features(plain) == [(params.model.backbone, PLAIN)]
