"""What types cannot tell: names that live in registries, and the data source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from varml.config.check import WEIGHTS_OF, check_params, sampler_faults, source_folder
from varml.errors import ConfigError, Fault

Changed = Callable[[dict[str, Any]], dict[str, Any]]
Check = Callable[[dict[str, Any]], list[Fault]]
VALID = {
    "model.backbone": ["tf_efficientnet_lite0", "tf_efficientnet_lite1"],
    "model.attention.kind": ["temporal", "divided", "joint"],
    "model.fusion": ["rgb", "flow", "early", "concat", "gated", "cross_attention", "late"],
    "flow.estimator": ["dis", "farneback"],
}


class Tpe(BaseModel):
    """Arguments of a part, one of them with a reason why it is none."""

    model_config = ConfigDict(extra="forbid")
    refused: ClassVar[dict[str, str]] = {"seed": "is ours"}

    n_startup_trials: int = Field(default=8, ge=0)
    group: bool = True


class Plain(BaseModel):
    """A part without arguments."""

    model_config = ConfigDict(extra="forbid")


PARTS = {"search.sampler": {"tpe": Tpe, "random": Plain}, "search.pruner": {"wilcoxon": Plain, "none": Plain}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with one labelled folder, ``sample``."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    (root / "sample" / "wave").mkdir(parents=True)
    (root / "deep").mkdir()
    monkeypatch.chdir(root / "deep")
    return root


@pytest.fixture
def check(project: Path, changed: Changed) -> Check:
    """A function that returns the faults of the shipped params with other values at dotted paths."""

    def run(values: dict[str, Any]) -> list[Fault]:
        YAML(typ="safe").dump(changed({"data.source": "sample", "data.annotations": None, **values}), project / "p")
        try:
            check_params(project / "p", lambda: VALID, lambda: PARTS)
        except ConfigError as error:
            return error.faults
        return []

    return run


def test_the_shipped_params_pass(check: Check):
    assert check({}) == []


@pytest.mark.parametrize(
    ("path", "value", "at", "nearest"),
    [
        ("model.backbone", "tf_efficientnet_lite7", "model.backbone", "tf_efficientnet_lite"),
        ("model.fusion", "concta", "model.fusion", "concat"),
        ("model.attention.kind", "devided", "model.attention.kind", "divided"),
        ("flow.estimator", "farnback", "flow.estimator", "farneback"),
        ("search.space.model.fusion.choices", ["concat", "lat"], "search.space.model.fusion", "late"),
        ("flow.weights", {"farnback": "w.pth"}, "flow.weights", "farneback"),
        ("features.weights", {"tf_eficientnet_lite0": "w.pth"}, "features.weights", "tf_efficientnet_lite0"),
        ("search.space.model.backbone.choices", ["efficientnet_lite0"], "search.space.model.backbone", "tf_eff"),
    ],
)
def test_a_misspelt_name_of_a_registry(check: Check, path: str, value: Any, at: str, nearest: str):
    (fault,) = check({path: value})
    assert fault.path == at
    assert fault.value == (list(value)[-1] if isinstance(value, list | dict) else value)
    assert fault.nearest is not None
    assert fault.nearest.startswith(nearest)
    names = VALID[WEIGHTS_OF.get(path, path.removeprefix("search.space.").removesuffix(".choices"))]
    assert fault.rule == f"must be one of {', '.join(names)}"


def test_a_long_list_of_names_is_counted(project: Path, check: Check, changed: Changed):
    names = [f"net{number}" for number in range(13)]
    with pytest.raises(ConfigError, match=r"model.backbone = 'tf_efficientnet_lite0': must be one of 13 names"):
        check_params(write(project, changed({"data.source": "sample"})), lambda: {"model.backbone": names})


def write(project: Path, tree: dict[str, Any]) -> Path:
    YAML(typ="safe").dump(tree, project / "p")
    return project / "p"


def test_names_source_types_and_space_come_together(check: Check):
    faults = check(
        {
            "seed": -1,
            "model.fusion": "lat",
            "data.source": "missing",
            "search.space": {"train": {"lr": {"choices": []}}},
        }
    )
    assert sorted(fault.path for fault in faults) == [
        "data.source", "model.fusion", "search.space.train.lr.choices", "seed",
    ]  # fmt: skip


SAMPLER = "search.sampler"
FORM = "must be a name, or a mapping with a name and arguments, such as {name: tpe, ...}"


@pytest.mark.parametrize("value", ["tpe", {"name": "tpe"}, {"name": "tpe", "n_startup_trials": 12, "group": False}])
def test_a_part_is_named_alone_or_with_arguments(check: Check, value: Any):
    assert check({SAMPLER: value}) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("tpr", Fault(SAMPLER, "tpr", "must be one of random, tpe", "tpe")),
        ({"name": "tpr", "x": 1}, Fault(f"{SAMPLER}.name", "tpr", "must be one of random, tpe", "tpe")),
        ({"group": True}, Fault(SAMPLER, {"group": True}, FORM)),
        (["tpe"], Fault(SAMPLER, ["tpe"], FORM)),
        (None, Fault(SAMPLER, None, FORM)),
        (
            {"name": "tpe", "n_startup": 3},
            Fault(f"{SAMPLER}.n_startup", 3, "unknown key; there are n_startup_trials, group", "n_startup_trials"),
        ),
        ({"name": "random", "x": 1}, Fault(f"{SAMPLER}.x", 1, "unknown key; there are none")),
        ({"name": "tpe", "seed": 3}, Fault(f"{SAMPLER}.seed", 3, "is ours")),
        (
            {"name": "tpe", "n_startup_trials": -1},
            Fault(f"{SAMPLER}.n_startup_trials", -1, "Input should be greater than or equal to 0"),
        ),
        (
            {"name": "tpe", "group": "x"},
            Fault(f"{SAMPLER}.group", "x", "Input should be a valid boolean, unable to interpret input"),
        ),
    ],
)
def test_a_part_or_an_argument_that_is_none(check: Check, value: Any, expected: Fault):
    assert expected in check({SAMPLER: value})


def test_arguments_come_together_with_everything_else(check: Check):
    wrong = {"name": "tpe", "seed": 1, "n_startup": 3, "group": "x"}
    faults = check({"seed": -1, SAMPLER: wrong, "search.pruner": "non", "data.source": "missing"})
    assert sorted(fault.path for fault in faults) == [
        "data.source", "search.pruner", *(f"{SAMPLER}.{name}" for name in ("group", "n_startup", "seed")), "seed",
    ]  # fmt: skip


def test_a_source_that_does_not_exist(check: Check):
    assert check({"data.source": "missing"}) == [
        Fault("data.source", "missing", "must be a folder that exists"),
    ]


def test_no_source(check: Check):
    (fault,) = check({"data.source": None})
    assert (fault.path, fault.value) == ("data.source", None)
    assert fault.rule.startswith("must name a folder of labelled videos")


def test_a_source_that_is_a_file(check: Check, project: Path):
    (project / "clip.mp4").write_bytes(b"x")
    assert check({"data.source": "clip.mp4"}) == [
        Fault("data.source", "clip.mp4", "must be a folder; this is a file"),
    ]


@pytest.mark.parametrize("name", ["data", "data/frames", "model", ".varml", ".", "", "sample/..", "deep/../search/x"])
def test_a_source_that_stages_write_or_that_is_the_project(check: Check, project: Path, name: str):
    (project / name).mkdir(parents=True, exist_ok=True)
    (fault,) = check({"data.source": name})
    assert (fault.path, fault.value) == ("data.source", name)
    assert fault.rule.startswith("must not ")
    assert "data, search, model" in fault.rule


def test_a_link_into_a_folder_that_stages_write(check: Check, project: Path):
    (project / "data" / "frames").mkdir(parents=True)
    (project / "linked").symlink_to(project / "data" / "frames")
    (fault,) = check({"data.source": "linked"})
    assert fault.path == "data.source"
    assert fault.rule.startswith("must not ")


def test_a_folder_whose_name_begins_like_one_that_stages_write(check: Check, project: Path):
    (project / "data_of_mine").mkdir()
    assert check({"data.source": "data_of_mine"}) == []


def test_a_source_outside_the_project(check: Check, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    assert check({"data.source": str(tmp_path / "elsewhere")}) == []
    assert check({"data.source": "../elsewhere"}) == []


def test_a_relative_source_starts_at_the_root_wherever_we_are(project: Path):
    assert source_folder("sample") == project / "sample"


def test_annotations_that_do_not_exist_name_the_nearest_csv(check: Check, project: Path):
    for name in ("labels.csv", "other.csv"):
        (project / "sample" / name).write_text("path,label\n")
    (fault,) = check({"data.annotations": "labls.csv"})
    assert (fault.path, fault.value, fault.nearest) == ("data.annotations", "labls.csv", "labels.csv")
    assert fault.rule == "must be a CSV in sample, or null for one folder per class"
    assert check({"data.annotations": "other.csv"}) == []


def test_annotations_that_do_not_exist_name_any_csv_there_is(check: Check, project: Path):
    assert check({"data.annotations": "x"})[0].nearest is None
    (project / "sample" / "labels.csv").write_text("path,label\n")
    assert check({"data.annotations": "x"})[0].nearest == "labels.csv"


def test_annotations_that_are_a_folder(check: Check):
    (fault,) = check({"data.annotations": "wave"})
    assert (fault.path, fault.value) == ("data.annotations", "wave")


LISTS = "data.split_lists"


def test_split_lists_are_files_below_the_source(check: Check, project: Path):
    (project / "sample" / "lists").mkdir()
    for name in ("lists/train01.txt", "lists/test01.txt"):
        (project / "sample" / name).touch()
    (project / "outside.txt").touch()
    (project / "sample" / "linked.txt").symlink_to(project / "outside.txt")
    assert check({f"{LISTS}.train": ["lists/train01.txt"], f"{LISTS}.test": ["lists/test01.txt"]}) == []
    wrong = ["lists/train1.txt", "wave", "linked.txt", "../outside.txt", str(project / "outside.txt"), "a\0"]
    faults = check({f"{LISTS}.train": wrong, f"{LISTS}.test": ["lists/test01.txt"]})
    assert [(fault.path, fault.value) for fault in faults] == [(f"{LISTS}.train", name) for name in wrong]
    assert {fault.rule for fault in faults} == {"must be a file below sample"}
    assert faults[0].nearest == "lists/train01.txt"


@pytest.mark.parametrize("given", [["train"], ["test"], ["val"], ["train", "val"], ["val", "test"]])
def test_train_and_test_both_have_lists(check: Check, project: Path, given: list[str]):
    (project / "sample" / "a.txt").touch()
    (fault,) = check({f"{LISTS}.{split}": ["a.txt"] for split in given})
    assert (fault.path, fault.rule) == (LISTS, "train and test must both name lists, or none of train, val and test")


def test_lists_and_annotations_do_not_go_together(check: Check, project: Path):
    for name in ("a.txt", "b.txt", "labels.csv"):
        (project / "sample" / name).touch()
    faults = check({"data.annotations": "labels.csv", f"{LISTS}.train": ["a.txt"], f"{LISTS}.test": ["b.txt"]})
    assert [fault.path for fault in faults] == ["data"]
    assert faults[0].rule.startswith("annotations and split_lists both say what is labelled; set one")


def test_a_misspelt_split_names_the_nearest(check: Check):
    (fault,) = check({f"{LISTS}.trian": []})
    assert (fault.path, fault.nearest) == (f"{LISTS}.trian", "train")


class OneObjective(Plain):
    """A sampler that draws for one objective alone."""

    several_objectives: ClassVar[bool] = False


def test_a_sampler_of_one_objective_is_refused_for_several(changed: Changed):
    def found(values: dict[str, Any]) -> list[Fault]:
        return sampler_faults(changed(values), {**PARTS["search.sampler"], "one": OneObjective})

    rule = "draws for one objective alone; choose one of random, tpe, or name one of search.objectives"
    two = {"search.objectives": ["top1", "latency_ms"]}
    assert found({**two, "search.sampler": "one"}) == [Fault("search.sampler", "one", rule)]
    assert found({**two, "search.sampler": {"name": "one"}}) == [Fault("search.sampler.name", "one", rule)]
    assert found({"search.sampler": "one"}) == []
    assert found({**two, "search.sampler": "tpe"}) == []


def test_the_check_refuses_such_a_sampler_with_all_else(project: Path, changed: Changed):
    tree = changed({"seed": -1, "search.objectives": ["top1", "latency_ms"], "search.sampler": "one"})
    YAML().dump(tree, project / "params.yaml")
    with pytest.raises(ConfigError) as error:
        check_params(project / "params.yaml", dict, lambda: {"search.sampler": {"tpe": Tpe, "one": OneObjective}})
    assert [fault.path for fault in error.value.faults] == ["seed", "search.sampler"]
