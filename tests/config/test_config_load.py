"""Reading params.yaml: types and ranges, and every fault with its path, value, rule and nearest name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from varml.config import Params, load_params, parse_params
from varml.config.load import validate
from varml.config.tree import get_path, searchable_paths, set_path
from varml.errors import ConfigError, Fault

Changed = Callable[[dict[str, Any]], dict[str, Any]]
Faults = Callable[[dict[str, Any]], list[Fault]]
NEEDED = "this key is needed; copy its line from the params.yaml of a fresh clone"


def test_the_shipped_params_load(shipped: Path):
    params = load_params(shipped)
    assert params.frames.num_frames == params.frames.num_segments * params.frames.frames_per_segment
    assert params.register_.experiment
    assert parse_params(shipped.read_text(encoding="utf-8")) == params


@pytest.mark.parametrize("written", ["3e-3", "3E-3", "0.003", "3.0e-3"])
def test_scientific_notation_is_a_number(shipped: Path, written: str):
    text = shipped.read_text(encoding="utf-8").replace("lr: 3e-3 ", f"lr: {written} ")
    assert f"lr: {written} " in text
    assert parse_params(text).train.lr == 0.003


def test_params_do_not_change_after_reading(shipped: Path):
    params = load_params(shipped)
    with pytest.raises(ValidationError, match="frozen"):
        params.seed = 1


IN_TWOS = "must be null or a list of pairs of class names, such as [[walk_left, walk_right]]"
OBJECTIVES = "auto, top1, mean_class_accuracy, macro_f1, latency_ms"
WRITE_AUTO = "write [auto] or [auto, latency_ms]"
ALONE = "latency_ms alone finds the fastest network, right or wrong"
BEHIND = "latency_ms behind it or not; write [top1] or [top1, latency_ms]"


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("seed", -1, "Input should be greater than or equal to 0"),
        ("seed", 1.5, "Input should be a valid integer, got a number with a fractional part"),
        ("seed", "one", "Input should be a valid integer, unable to parse string as an integer"),
        ("engine.name", "dask", "Input should be 'local'"),
        ("data.min_videos_per_class", 2, "Input should be greater than or equal to 3"),
        ("data.max_bad_fraction", 1, "Input should be less than 1"),
        ("data.mirror_pairs", [["left"]], IN_TWOS),
        ("data.mirror_pairs", ["left", "right"], IN_TWOS),
        ("data.mirror_pairs", "left", IN_TWOS),
        ("data.mirror_pairs", [["a", "b"], ["b", "c"]], "must name each class once; b stands there twice"),
        ("data.mirror_pairs", [["a", "a"]], "must name each class once; a stands there twice"),
        ("ingest.group_from", "(", "must be a regular expression: missing ), unterminated subpattern at position 0"),
        ("ingest.frame_rate", 0, "Input should be greater than 0"),
        ("frames.frames_per_segment", 1, "Input should be greater than or equal to 2"),
        ("frames.frame_interval_sec", 0, "Input should be greater than 0"),
        ("frames.frame_interval_sec", float("nan"), "Input should be a finite number"),
        ("frames.num_segments", None, "Input should be a valid integer"),
        ("flow.bound_px", [16], "Input should be a valid number"),
        ("model.dropout", 1, "Input should be less than 1"),
        ("model.attention.depth", 7, "Input should be less than or equal to 6"),
        ("model.pooling", "max", "Input should be 'mean', 'thirds' or 'attentive'"),
        ("model.stream_dropout", 1, "Input should be less than 1"),
        ("features.flow_images", "stacked", "Input should be 'direction', 'magnitude', 'both' or 'stack'"),
        ("views.num_crops", 2, "Input should be 1 or 3"),
        ("views.num_clips", 0, "Input should be greater than or equal to 1"),
        ("search.objectives", "top1", "Input should be a valid list"),
        ("search.objectives", ["top2"], f"must be one of {OBJECTIVES}; did you mean 'top1'?"),
        ("search.objectives", ["auto", "latency"], f"must be one of {OBJECTIVES}; did you mean 'latency_ms'?"),
        ("search.objectives", ["speed"], f"must be one of {OBJECTIVES}"),
        ("search.objectives", [], f"must begin with a metric, and there is none; {WRITE_AUTO}"),
        ("search.objectives", ["latency_ms"], f"must begin with a metric, and {ALONE}; {WRITE_AUTO}"),
        ("search.objectives", ["latency_ms", "top1"], f"must be one metric, and {BEHIND}"),
        ("search.objectives", ["top1", "macro_f1"], f"must be one metric, and {BEHIND}"),
        ("search.objectives", ["top1", "latency_ms", "latency_ms"], f"must be one metric, and {BEHIND}"),
        ("search.latency_budget_ms", 0, "Input should be greater than 0"),
        ("search.latency_budget_ms", -5, "Input should be greater than 0"),
        ("search.space", [], "Input should be a valid dictionary"),
        ("register.model_name", "a/b", r"""String should match pattern '^[^/:'"]+$'"""),
    ],
)
def test_a_value_of_the_wrong_type_or_range(faults: Faults, path: str, value: object, rule: str):
    (fault,) = faults({path: value})
    assert (fault.path, fault.rule, fault.nearest) == (path, rule, None)
    assert repr(fault.value) == repr(value)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("model.attention.num_heads", "width must be a multiple of attention.num_heads, 3"),
        ("ingest.test_fraction", "test_fraction + val_fraction must be at most 0.6, so that something is left"),
    ],
)
def test_values_that_do_not_go_together(faults: Faults, path: str, rule: str):
    value = {"model.attention.num_heads": 3, "ingest.test_fraction": 0.5}[path]
    (fault,) = faults({path: value})
    assert fault.path == path.split(".")[0]
    assert fault.rule.startswith(rule)


def test_a_budget_of_latency_needs_latency_to_be_searched_for(faults: Faults):
    (fault,) = faults({"search.latency_budget_ms": 50})
    assert fault.path == "search"
    assert fault.rule.startswith("latency_budget_ms, 50, needs latency_ms among the objectives")
    assert "write objectives: [auto, latency_ms], or null" in fault.rule
    both = {"search.latency_budget_ms": 50, "search.objectives": ["macro_f1", "latency_ms"]}
    assert faults(both) == []


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("sead", "seed"),
        ("frames.num_segmets", "num_segments"),
        ("ingest.probe.timeout_secs", "timeout_sec"),
        ("model.attention.dept", "depth"),
        ("registr", "register"),
        ("train.xyz", None),
    ],
)
def test_a_misspelt_key_names_the_nearest(faults: Faults, path: str, nearest: str | None):
    (fault,) = faults({path: 5})
    assert (fault.path, fault.value, fault.nearest) == (path, 5, nearest)
    assert fault.rule.startswith("unknown key; there are ")
    assert nearest is None or nearest in fault.rule.split("there are ")[1].split(", ")


@pytest.mark.parametrize("path", ["seed", "model", "train.lr", "ingest.probe.memory_mb", "register"])
def test_a_missing_key(changed: Changed, path: str):
    tree = changed({})
    *parents, last = path.split(".")
    del (get_path(tree, ".".join(parents)) if parents else tree)[last]
    params, found = validate(tree)
    assert params is None
    assert found == [Fault(path, None, NEEDED)]


def test_faults_of_types_of_keys_and_of_the_space_come_together(changed: Changed, tmp_path: Path):
    tree = changed({"seed": -1, "frames.num_segmets": 8, "search.space.train.lr.low": 1.0})
    del tree["model"]["width"]
    path = tmp_path / "params.yaml"
    YAML(typ="safe").dump(tree, path)
    with pytest.raises(ConfigError) as caught:
        load_params(path)
    found = {fault.path for fault in caught.value.faults}
    assert found == {"seed", "frames.num_segmets", "model.width", "search.space.train.lr"}
    message = str(caught.value)
    assert message.startswith("params.yaml has 4 faults; mend it and run `dvc repro` again:\n")
    assert "frames.num_segmets = 8: unknown key" in message
    assert "did you mean 'num_segments'?" in message
    assert len(message.splitlines()) == 5


def test_one_fault_is_written_in_the_singular():
    assert str(ConfigError([Fault("seed", -1, "must not be negative")])).splitlines() == [
        "params.yaml has 1 fault; mend it and run `dvc repro` again:",
        "  seed = -1: must not be negative",
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("seed: [", "must be YAML: "),
        ("seed: 0\nseed: 1\n", "must be YAML: "),
        ("seed:\t0\n\tx: 1\n", "must be YAML: "),
        ("- 1\n- 2\n", "must be sections of values"),
        ("", "must be sections of values"),
        ("just words", "must be sections of values"),
    ],
)
def test_text_that_is_no_mapping(text: str, rule: str):
    with pytest.raises(ConfigError) as caught:
        parse_params(text, "mine.yaml")
    (fault,) = caught.value.faults
    assert fault.path == "mine.yaml"
    assert fault.rule.startswith(rule)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str):
    with pytest.raises(ConfigError, match="cannot be read: "):
        load_params(tmp_path / name)


def test_what_can_be_searched_is_all_under_model_and_train():
    paths = searchable_paths()
    assert {path.split(".")[0] for path in paths} == {"model", "train"}
    assert {"model.backbone", "model.attention.depth", "model.fusion", "train.lr"} <= set(paths)


def test_every_searchable_path_leads_to_a_value(shipped: Path):
    tree = load_params(shipped).model_dump(by_alias=True)
    assert [path for path in searchable_paths() if get_path(tree, path) is None] == []


def test_paths_into_dictionaries():
    tree: dict[str, Any] = {"a": {"b": 1}}
    set_path(tree, "a.c.d", 2)
    assert tree == {"a": {"b": 1, "c": {"d": 2}}}
    assert get_path(tree, "a.c.d") == 2
    assert get_path(tree, "a.x.d") is None
    assert get_path(tree, "a.b.d") is None


def test_the_alias_of_a_section_is_its_name_in_the_file(shipped: Path):
    dumped = load_params(shipped).model_dump(by_alias=True)
    assert "register" in dumped
    assert Params.model_validate(dumped) == load_params(shipped)
