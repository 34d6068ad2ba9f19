"""How long a model takes: what is measured, once, and what of it a trial is told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from planted import FAST, make_features

from varml.config import Params
from varml.config.params import Views
from varml.config.space import apply_values
from varml.data.dataset import FeatureSet
from varml.search.latency import latency_ms
from varml.search.latency_memory import NUM_RUNS, NUM_WARM_UPS, device, remembered_ms


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a memory that is empty."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path / ".varml" / "latency.json"


@pytest.fixture
def small(params: Params) -> Params:
    return apply_values(
        params,
        {
            "model.backbone": FAST,
            "search.space": {},
            "frames.num_segments": 2,
            "features.image_size_px": 64,
            "train.mirror": False,
        },
    )


@pytest.fixture
def data() -> FeatureSet:
    return make_features(dim=8)


def entries(memory: Path, part: str) -> list[dict[str, Any]]:
    return [entry for entry in json.loads(memory.read_text()).values() if part in entry["of"]]


# The memory.


def test_what_was_measured_is_not_measured_again(memory: Path) -> None:
    runs: list[int] = []
    first = remembered_ms(lambda: lambda: runs.append(1), network="a")
    assert len(runs) == NUM_WARM_UPS + NUM_RUNS
    assert remembered_ms(lambda: pytest.fail("it is known"), network="a") == first
    remembered_ms(lambda: lambda: runs.append(1), network="b")
    assert len(runs) == 2 * (NUM_WARM_UPS + NUM_RUNS)


def test_the_figure_is_the_one_in_the_file_which_says_of_what_and_where(memory: Path) -> None:
    remembered_ms(lambda: lambda: None, network="a")
    known = json.loads(memory.read_text())
    ((key, entry),) = known.items()
    assert (entry["of"], entry["on"]) == ({"network": "a"}, device())
    assert set(device()) == {"processor", "threads", "torch", "timm"}
    memory.write_text(json.dumps({key: {**entry, "ms": 12.5}}))
    assert remembered_ms(lambda: pytest.fail("it is known"), network="a") == 12.5


def test_one_thread_does_the_work_and_what_it_waits_for_does_not_count(memory: Path) -> None:
    threads: list[int] = []

    def wait() -> None:
        threads.append(torch.get_num_threads())
        time.sleep(0.05)

    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        assert remembered_ms(lambda: wait, network="a") < 50
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert set(threads) == {1} == {device()["threads"]}


@pytest.mark.parametrize("damaged", ["", "{", "[]"])
def test_a_memory_that_is_damaged_begins_anew(memory: Path, damaged: str) -> None:
    memory.parent.mkdir()
    memory.write_text(damaged)
    remembered_ms(lambda: lambda: None, network="a")
    assert len(json.loads(memory.read_text())) == 1


def test_what_cannot_be_made_is_not_remembered(memory: Path) -> None:
    def broken() -> Callable[[], object]:
        raise ValueError("no such network")

    with pytest.raises(ValueError, match="no such network"):
        remembered_ms(broken, network="a")
    assert not memory.exists()
    assert remembered_ms(lambda: lambda: None, network="a") >= 0


def test_measuring_leaves_the_draws_of_a_training_alone(memory: Path, small: Params, data: FeatureSet) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    latency_ms(small, data)
    assert torch.equal(torch.rand(3), expected)


# A trial.


@pytest.mark.parametrize(
    ("fusion", "views", "mirror", "num_passes", "num_views"),
    [
        ("rgb", Views(), False, 1, 1),
        ("late", Views(), False, 2, 1),
        ("late", Views(), True, 4, 2),
        ("late", Views(num_crops=3), True, 12, 6),
        ("late", Views(num_crops=3, mirror="alternate"), True, 6, 3),
        ("rgb", Views(num_clips=2), False, 1, 2),  # the segments of all clips are seen at once
    ],
)
def test_a_video_takes_a_pass_for_each_stream_and_view_and_the_head(
    memory: Path,
    small: Params,
    data: FeatureSet,
    fusion: str,
    views: Views,
    mirror: bool,
    num_passes: int,
    num_views: int,
) -> None:
    values = {"model.fusion": fusion, "views": views.model_dump(), "train.mirror": mirror}
    found = latency_ms(apply_values(small, values), data)
    (backbone,), (head,) = entries(memory, "backbone"), entries(memory, "head")
    assert backbone["of"]["images"] == [2, 3, 64, 64]
    assert head["of"]["views"] == num_views
    assert found == pytest.approx(num_passes * backbone["ms"] + head["ms"], abs=0.006)


def test_both_streams_share_a_figure_where_their_images_are_alike(
    memory: Path, small: Params, data: FeatureSet
) -> None:
    late = apply_values(small, {"model.fusion": "late"})
    latency_ms(late, data)
    assert len(entries(memory, "backbone")) == 1
    latency_ms(apply_values(late, {"features.flow_images": "stack", "frames.frames_per_segment": 3}), data)
    assert [e["of"]["images"] for e in entries(memory, "backbone")].count([2, 4, 64, 64]) == 1
    latency_ms(apply_values(late, {"features.flow_images": "both"}), data)
    assert [e["of"]["images"] for e in entries(memory, "backbone")].count([4, 3, 64, 64]) == 1


@pytest.mark.parametrize(
    ("values", "is_another"),
    [
        ({"train.lr": 0.1, "model.dropout": 0.7, "train.num_epochs": 9}, False),
        ({"model.width": 16}, True),
        ({"model.attention.depth": 3}, True),
        ({"model.fusion": "flow"}, True),
    ],
)
def test_a_head_is_measured_anew_where_its_work_is_another(
    memory: Path, small: Params, data: FeatureSet, values: dict[str, Any], is_another: bool
) -> None:
    latency_ms(small, data)
    latency_ms(apply_values(small, values), data)
    assert len(entries(memory, "head")) == 1 + is_another
    assert len(entries(memory, "backbone")) == 1
