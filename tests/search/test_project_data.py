"""The search's view of a project: which videos validate, and what makes a study another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from varml.config import Params
from varml.config.space import apply_values, backbones_of
from varml.data.validation import UNTRAINED, make_validation
from varml.search import latency_memory
from varml.search.project_data import fold_loader, study_name, study_terms
from varml.search.search_run import folds_tag
from varml.search.terms import Terms


@pytest.fixture
def manifest() -> pd.DataFrame:
    number = range(24)
    return pd.DataFrame(
        {
            "video_id": [f"id{i:02d}" for i in number],
            "label": ["run", "wave"] * 12,
            "group": [f"person{i // 4}" for i in number],
            "split": ["train"] * 16 + ["val"] * 4 + ["test"] * 4,
            "digest": [f"digest{i}" for i in number],
            "reader": ["decord"] * 24,
            "start_sec": "",
            "end_sec": "",
            "fps": 25.0,
        }
    )


def training_rows(manifest: pd.DataFrame) -> pd.DataFrame:
    return manifest[manifest["split"] != "test"].reset_index(drop=True)


def name_of(manifest: pd.DataFrame, params: Params) -> str:
    return study_name(study_terms(training_rows(manifest), params, backbones_of(params)), params.search)


# The name.

LITE0 = "tf_efficientnet_lite0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 9),
        ("search.objectives", ["macro_f1"]),
        ("search.objectives", ["auto", "latency_ms"]),
        ("search.validation", "val"),
        ("search.num_folds", 3),
        ("search.sampler", "random"),
        ("search.sampler", {"name": "tpe", "n_startup_trials": 12}),
        ("search.pruner", "none"),
        ("search.pruner", {"name": "wilcoxon", "p_threshold": 0.05}),
        ("search.space", {"model": {"backbone": {"choices": [LITE0]}}}),
        ("search.space", {"train": {"lr": {"type": "float", "low": 1e-4, "high": 2e-2, "log": True}}}),
        ("model.dropout", 0.5),
        ("train.num_epochs", 7),
        ("features.grid_size", 3),
        ("features.adapt", "flow"),
        ("flow.bound_px", 8),
        ("frames.num_segments", 4),
        ("views.num_crops", 1),
        ("views.mirror", "both"),
        ("views.num_clips", 2),
    ],
)
def test_a_study_is_another_one_when_its_trials_are_not_comparable(
    manifest: pd.DataFrame, shipped: Params, path: str, value: Any
) -> None:
    assert name_of(manifest, apply_values(shipped, {path: value})) != name_of(manifest, shipped)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("search.num_trials", 99),
        ("search.num_ranked", 1),
        ("search.sampler", {"name": "tpe"}),
        ("search.sampler", {"name": "tpe", "n_startup_trials": 8}),
        ("search.pruner", {"name": "wilcoxon", "p_threshold": 0.1}),
        ("engine.num_workers", 3),
        ("evaluate.confidence", 0.9),
        ("train.augment", 0.5),
        ("train.ensemble.max_members", 1),
        ("train.min_precision", 0.9),
        ("features.adaptation.lr", 1e-4),  # of an adaptation that is not asked for
    ],
)
def test_a_study_stays_when_its_trials_are_comparable(
    manifest: pd.DataFrame, shipped: Params, path: str, value: Any
) -> None:
    assert name_of(manifest, apply_values(shipped, {path: value})) == name_of(manifest, shipped)


def test_a_study_on_adapted_features_depends_on_how_they_are_adapted(manifest: pd.DataFrame, shipped: Params) -> None:
    values = [
        {"features.adapt": "flow"},
        {"features.adapt": "both"},
        {"features.adapt": "flow", "features.adaptation.lr": 1e-4},
        {"features.adapt": "flow", "features.adaptation.unfreeze": "all"},
    ]
    assert len({name_of(manifest, apply_values(shipped, one)) for one in values}) == len(values)


def test_another_space_or_sampler_leaves_trials_comparable(manifest: pd.DataFrame, shipped: Params) -> None:
    def terms(**values: Any) -> Terms:
        params = apply_values(shipped, {path.replace("__", "."): value for path, value in values.items()})
        return study_terms(training_rows(manifest), params, backbones_of(params))

    assert terms(search__space={}, search__sampler="random").evaluation == terms().evaluation
    wider = terms(search__space={"model": {"backbone": {"choices": [LITE0, "resnet10t"]}}})
    assert wider.evaluation == terms().evaluation
    assert wider.features[LITE0] == terms().features[LITE0]
    assert set(wider.features) == {LITE0, "resnet10t"}
    assert terms(features__adapt="flow").features[LITE0] != terms().features[LITE0]
    assert terms(train__lr=0.5).base == {**terms().base, "train.lr": 0.5}
    pruner = {"name": "wilcoxon", "p_threshold": 0.05}
    for other in (
        {"seed": 9},
        {"search__objectives": ["macro_f1"]},
        {"search__pruner": pruner},
        {"views__num_clips": 2},
    ):
        assert terms(**other).evaluation != terms().evaluation


def test_a_budget_of_latency_leaves_the_study_and_a_pruner_that_is_set_aside_too(
    manifest: pd.DataFrame, shipped: Params
) -> None:
    two = apply_values(shipped, {"search.objectives": ["top1", "latency_ms"]})
    for other in ({"search.latency_budget_ms": 50}, {"search.pruner": "none"}):
        assert name_of(manifest, apply_values(two, other)) == name_of(manifest, two)


def test_trials_of_other_objectives_or_another_device_are_not_comparable(
    manifest: pd.DataFrame, shipped: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluation(*objectives: str) -> str:
        params = apply_values(shipped, {"search.objectives": list(objectives), "search.pruner": "none"})
        return study_terms(training_rows(manifest), params, []).evaluation

    asked = [("top1",), ("top1", "latency_ms"), ("macro_f1", "latency_ms")]
    here = [evaluation(*one) for one in asked]
    assert len(set(here)) == len(asked)
    (tmp_path / "cpuinfo").write_text("model name\t: another processor\n")
    monkeypatch.setattr(latency_memory, "_CPU_INFO", tmp_path / "cpuinfo")
    latency_memory._processor.cache_clear()
    try:
        there = [evaluation(*one) for one in asked]
    finally:
        latency_memory._processor.cache_clear()
    assert [one == other for one, other in zip(here, there, strict=True)] == [True, False, False]


def test_without_adapted_streams_all_folds_see_the_same(manifest: pd.DataFrame, shipped: Params) -> None:
    assert (
        fold_loader(training_rows(manifest), shipped, lambda backbone: pytest.fail("nothing is to be loaded")) is None
    )


@pytest.mark.parametrize("column", ["video_id", "label", "group", "split", "digest"])
def test_a_study_depends_on_the_videos_of_train_and_val_and_on_no_other(
    manifest: pd.DataFrame, shipped: Params, column: str
) -> None:
    value = {"label": "wave", "split": "val"}.get(column, "another")
    first, last = manifest.copy(), manifest.copy()
    first.loc[0, column] = value
    assert name_of(first, shipped) != name_of(manifest, shipped)
    last.loc[23, column] = {"label": "run", "split": "test"}.get(column, "another")
    assert name_of(last, shipped) == name_of(manifest, shipped)


def test_a_study_depends_on_the_weights_of_its_backbones(
    manifest: pd.DataFrame, shipped: Params, tmp_path: Path
) -> None:
    (tmp_path / "own").write_bytes(b"one")
    named = apply_values(shipped, {"features.weights": {LITE0: str(tmp_path / "own")}})
    before = name_of(manifest, named)
    (tmp_path / "own").write_bytes(b"two")
    assert name_of(manifest, named) != before


# The folds.


def test_folds_hold_every_video_once_and_keep_groups_together(manifest: pd.DataFrame, shipped: Params) -> None:
    rows = training_rows(manifest)
    folds, warnings = make_validation(rows, shipped)
    assert len(folds) == shipped.search.num_folds
    assert sorted(position for fold in folds for position in fold) == list(range(len(rows)))
    for fold in folds:
        assert not set(rows["group"][fold]) & set(rows["group"].drop(fold))
    assert warnings == []


def test_one_group_is_validated_with_a_warning(manifest: pd.DataFrame, shipped: Params) -> None:
    folds, warnings = make_validation(training_rows(manifest).assign(group="person"), shipped)
    assert len(folds) == shipped.search.num_folds
    assert len(warnings) == 1


def test_a_class_that_one_fold_holds_whole_is_told(manifest: pd.DataFrame, shipped: Params) -> None:
    rows = training_rows(manifest)
    rows.loc[rows["group"] == "person0", "label"] = "rare"
    folds, warnings = make_validation(rows, shipped)
    assert warnings == [UNTRAINED.format("'rare'")]
    assert any(set(rows.index[rows["label"] == "rare"]) <= set(fold) for fold in folds)
    assert folds_tag(warnings) == {"varml.folds": "grouped"}


def test_ungrouped_folds_are_tagged(manifest: pd.DataFrame, shipped: Params) -> None:
    assert folds_tag(make_validation(training_rows(manifest).assign(group="person"), shipped)[1]) == {
        "varml.folds": "ungrouped"
    }


def test_validation_on_val_is_one_fold(manifest: pd.DataFrame, shipped: Params) -> None:
    ((fold,), warnings) = make_validation(training_rows(manifest), apply_values(shipped, {"search.validation": "val"}))
    assert fold.tolist() == [16, 17, 18, 19]
    assert warnings == []
