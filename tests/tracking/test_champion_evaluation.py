"""The champion's answers on the present test videos are those that it gives on the raw files, whatever is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_model import SHIPPED, build, timeless_params, tiny_backbone

from varml.data.ingest import ingest
from varml.data.manifest import clips_of, rows_digest
from varml.data.scan import scan
from varml.errors import VideoError
from varml.ground.memory import Memory
from varml.inference.predictor import Predictor
from varml.models.model_files import model_digest, save_model
from varml.tracking.registry.champion_evaluation import evaluate_champion
from varml.tracking.registry.evaluations import read_evaluation
from varml.tracking.registry.seen_videos import is_seen, log_training_videos
from varml.tracking.registry.versions import register_model
from varml.tracking.runs import MODEL_DIGEST, TrackedRun, create_run
from varml.video.frames import FrameTask, extract_frames, frames_files

pytestmark = pytest.mark.usefixtures("project")

LIMITS = SHIPPED.ingest.probe
NUM_VIDEOS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers on videos of any length."""
    made = tmp_path_factory.mktemp("model") / "model"
    save_model(made, build(tiny_backbone(), timeless_params()))
    return made


@pytest.fixture(scope="module")
def rows(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The manifest's rows of some videos, which the champion has never seen."""
    memory = Memory(tmp_path_factory.mktemp("probes") / "probes.sqlite")
    files = scan(videos, None, SHIPPED.data.min_videos_per_class, memory)
    return ingest(files, videos, SHIPPED, memory).manifest.head(NUM_VIDEOS)


@pytest.fixture
def champion(name: str, folder: Path, rows: pd.DataFrame) -> TrackedRun:
    """The run of a champion that was trained on the first of the videos."""
    run = create_run(name, "train", {MODEL_DIGEST: model_digest(folder)})
    log_training_videos(run, pd.DataFrame({"digest": [rows["digest"].iloc[0]], "group": ["nobody here"]}))
    register_model(folder, name, run, {})
    return run


def test_its_answers_are_those_on_the_raw_files(
    name: str, champion: TrackedRun, rows: pd.DataFrame, videos: Path, folder: Path
) -> None:
    evaluate_champion(name, rows, videos, LIMITS, num_workers=1, by_group=True)
    found = read_evaluation(champion, rows_digest(rows))
    assert found is not None
    assert found.model_digest == model_digest(folder)
    assert found.predictions["video_id"].tolist() == rows["video_id"].tolist()
    assert found.predictions["label"].tolist() == rows["label"].tolist()
    predictor = Predictor.load(folder)
    for (_, row), path in zip(found.predictions.iterrows(), rows["path"], strict=True):
        answer = predictor.predict_file(videos / path)
        assert row["predicted"] == answer.label
        assert {f"p_{label}": p for label, p in answer.probabilities.items()} == pytest.approx(
            {key: row[key] for key in found.predictions if key.startswith("p_")}, abs=1e-6
        )
    assert found.seen == {rows["video_id"].iloc[0]}
    assert found.latency_ms is not None
    assert found.latency_ms > 0


def test_stored_frames_of_its_own_kind_are_used(
    name: str, champion: TrackedRun, rows: pd.DataFrame, videos: Path, tmp_path: Path
) -> None:
    files = frames_files(rows, SHIPPED.frames)
    for clip, file in zip(clips_of(rows, videos), files, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        extract_frames(FrameTask(clip, file, SHIPPED.frames))
    gone = tmp_path / "gone"
    evaluate_champion(name, rows, gone, LIMITS, num_workers=1, by_group=True)
    assert read_evaluation(champion, rows_digest(rows)) is not None
    files[0].unlink()
    with pytest.raises(VideoError, match=f"{gone / rows['path'][0]} does not exist"):
        evaluate_champion(name, rows.head(3), gone, LIMITS, num_workers=1, by_group=True)
    for file in files[1:]:
        file.unlink()


def test_it_is_asked_once_about_the_same_videos(
    name: str, champion: TrackedRun, rows: pd.DataFrame, videos: Path, tmp_path: Path
) -> None:
    evaluate_champion(name, rows, videos, LIMITS, num_workers=1, by_group=True)
    evaluate_champion(
        name, rows.sample(frac=1, random_state=0), tmp_path / "nowhere", LIMITS, num_workers=1, by_group=True
    )


def test_without_a_champion_nothing_is_asked(name: str, rows: pd.DataFrame, tmp_path: Path) -> None:
    evaluate_champion(name, rows, tmp_path / "nowhere", LIMITS, num_workers=1, by_group=True)


@pytest.mark.parametrize(("by_group", "expected"), [(False, [1, 0, 0]), (True, [1, 1, 0])])
def test_a_video_is_seen_by_its_content_or_its_group(by_group: bool, expected: list[int]) -> None:
    test = pd.DataFrame({"digest": ["a", "b", "c"], "group": ["p1", "p2", "p3"]})
    training = pd.DataFrame({"digest": ["a", "x"], "group": ["p9", "p2"]})
    assert is_seen(test, training, by_group=by_group).tolist() == expected


def test_of_a_champion_that_nobody_knows_the_training_of_all_is_taken_for_seen(
    name: str, folder: Path, rows: pd.DataFrame, videos: Path
) -> None:
    run = create_run(name, "train", {MODEL_DIGEST: model_digest(folder)})
    register_model(folder, name, run, {})
    evaluate_champion(name, rows, videos, LIMITS, num_workers=1, by_group=True)
    found = read_evaluation(run, rows_digest(rows))
    assert found is not None
    assert found.seen == set(rows["video_id"])


def test_other_contents_names_or_labels_are_another_set(rows: pd.DataFrame) -> None:
    same = rows.sample(frac=1, random_state=0).assign(split="val", fps=1.0)
    assert rows_digest(same) == rows_digest(rows)
    changed = [rows.head(3), rows.assign(label="run"), rows.assign(digest=rows["digest"][::-1].to_numpy())]
    assert len({rows_digest(rows), *map(rows_digest, changed)}) == 4
    assert np.unique(rows["video_id"]).size == NUM_VIDEOS
