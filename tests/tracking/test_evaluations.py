"""What a model said of the test videos, kept with a real run and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judged import TEST_SET, evaluation
from pandas.testing import assert_frame_equal

from varml.tracking.registry.evaluations import (
    EVALUATED_ON,
    FACTS,
    FOLDER,
    PREDICTIONS,
    evaluated_sets,
    log_evaluation,
    read_evaluation,
)
from varml.tracking.runs import TrackedRun, create_run

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def run(name: str) -> TrackedRun:
    return create_run(name, "train", {})


def test_what_was_kept_is_read_back(run: TrackedRun) -> None:
    kept = evaluation("wwwj", "wwjj", sure=0.7)
    log_evaluation(run, kept)
    read = read_evaluation(run, TEST_SET)
    assert read is not None
    assert_frame_equal(read.predictions, kept.predictions)
    assert (read.test_set, read.model_digest, read.latency_ms) == (TEST_SET, "a model", 10.0)
    assert run.tags[EVALUATED_ON] == TEST_SET


def test_labels_that_look_like_numbers_or_nothing_stay_text(run: TrackedRun) -> None:
    kept = evaluation("12", "12")
    odd = kept.predictions.assign(label=["001", "NA"], predicted=["001", "None"], p_001=1.0, p_NA=0.0, p_None=0.0)
    log_evaluation(run, replace(kept, predictions=odd))
    read = read_evaluation(run, TEST_SET)
    assert read is not None
    assert read.predictions["label"].tolist() == ["001", "NA"]
    assert read.classes == ["001", "1", "2", "NA", "None"]


def test_each_set_of_videos_has_its_own_and_a_new_one_replaces_it(run: TrackedRun) -> None:
    log_evaluation(run, evaluation("ww", "wj"))
    log_evaluation(run, evaluation("jj", "wj", test_set="others"))
    log_evaluation(run, evaluation("wj", "wj"))
    assert evaluated_sets(run) == [TEST_SET, "others"]
    found = {name: read_evaluation(run, name) for name in (TEST_SET, "others", "none")}
    assert found["none"] is None
    assert {name: one.predictions["predicted"].tolist() for name, one in found.items() if one} == {
        TEST_SET: ["w", "j"], "others": ["j", "j"],
    }  # fmt: skip


def test_one_that_was_cut_short_is_none(run: TrackedRun, tmp_path: Path) -> None:
    log_evaluation(run, evaluation("wj", "wj"))
    whole = (
        Path(run.client.download_artifacts(run.run_id, f"{FOLDER}/{TEST_SET}", str(tmp_path))) / PREDICTIONS
    ).read_text()
    for name, text in ((PREDICTIONS, whole[:-3]), (PREDICTIONS, ""), (FACTS, ""), (FACTS, "{}"), (FACTS, "[]")):
        log_evaluation(run, evaluation("wj", "wj"))
        assert read_evaluation(run, TEST_SET) is not None
        (tmp_path / name).write_text(text)
        run.log_artifact(tmp_path / name, f"{FOLDER}/{TEST_SET}")
        assert read_evaluation(run, TEST_SET) is None


def test_classes_that_a_model_does_not_know_have_no_probability() -> None:
    one = evaluation("wj", "wj")
    assert np.array_equal(one.probabilities(["a", "j", "w"]), [[0, 0, 1], [0, 1, 0]])
    assert one.labels(["a", "j", "w"]).tolist() == [2, 1]
