"""Odd files from the wild in one project: none ends the run, and what is stored is what plain decoding shows."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from corpus.check import Outcome, outcome_of, read_outcomes
from corpus.make import SETTINGS
from corpus.plain import Plain, decode_all_plainly
from corpus.truth import allowed_frames, wanted_times
from project import Project, make_project

from varml.config import load_params
from varml.video.reader import Frames
from varml.video.scale import scale, scaled_size

ODD = Path(__file__).resolve().parents[2] / "../shared/data/odd"
LEAST_SHARE = 0.85
# JPEG and two ways to convert colours; another frame of a moving picture differs by more in the mean.
MAX_MEAN_DIFFERENCE = 3.0
SLACK_SEC = 0.001
pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.skipif(not ODD.is_dir(), reason="the folder of odd videos is not here"),
]


@dataclass
class Run:
    """A project after ``dvc repro extract_frames`` over the odd files."""

    project: Project
    source: Path
    status: int
    outcomes: dict[str, Outcome]
    plain: dict[str, Plain]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("odd")
    source, paths = folder / "videos", []
    for number, file in enumerate(sorted(file for file in ODD.iterdir() if file.suffix != ".csv")):
        paths.append(f"{('left', 'right')[number % 2]}/{file.name}")
        (source / paths[-1]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, source / paths[-1])
    project = make_project(folder / "project", str(source))
    project.set(**{**SETTINGS, "ingest": {"duplicates": "ignore"}})
    status, project.output = project.run("dvc", "repro", "extract_frames")
    outcomes = read_outcomes(project.root) if status == 0 else {}
    return Run(project, source, status, outcomes, decode_all_plainly(source, paths))


def test_the_run_ends_well(run: Run) -> None:
    assert run.status == 0, run.project.output
    assert "Traceback" not in run.project.output


def test_nothing_is_passed_over_and_most_of_what_decodes_is_accepted(run: Run) -> None:
    found = {path: outcome_of(path, run.outcomes) for path in run.plain}
    assert not [path for path, outcome in found.items() if outcome is None]
    good = [path for path, plain in run.plain.items() if plain.decodes]
    refused = {path: one.reason for path in good if (one := found[path]) and one.reason is not None}
    assert len(refused) <= (1 - LEAST_SHARE) * len(good), refused


def test_each_stored_frame_is_the_one_that_its_time_asks_for(run: Run) -> None:
    params = load_params(run.project.root / "params.yaml").frames
    wrong = []
    for path, plain in run.plain.items():
        outcome = outcome_of(path, run.outcomes)
        # Plain decoding takes the first of several streams, which need not be the right one.
        if outcome is None or outcome.reason or len(plain.times_sec) != outcome.num_frames or None in plain.times_sec:
            continue
        # Frames come in order of presentation; AVI with B-frames gives them the times of their neighbours.
        times = sorted(time for time in plain.times_sec if time is not None)
        wanted = wanted_times(times, params.num_segments, params.frames_per_segment, params.frame_interval_sec)
        right = plain_frames(run.source / path, params.short_side_px)
        for place, near in enumerate(allowed_frames(times, wanted, SLACK_SEC)):
            differences = [difference(outcome.frames()[place], right[index]) for index in near]
            if min(differences) > MAX_MEAN_DIFFERENCE:
                wrong.append(f"{path}: stored frame {place} differs by {min(differences):.1f} from {sorted(near)}")
    assert not wrong, "\n".join(wrong)


def plain_frames(path: Path, short_side_px: int) -> list[Frames]:
    """Return all frames of the first stream, upright and scaled."""
    with av.open(str(path)) as container:
        aspect = float(container.streams.video[0].sample_aspect_ratio or 1)
        return [_shown(frame, aspect, short_side_px) for frame in container.decode(video=0)]


def _shown(frame: av.VideoFrame, aspect: float, short_side_px: int) -> Frames:
    width, height, turns = round(frame.width * aspect), frame.height, round(frame.rotation / 90) % 4
    size = scaled_size(*((height, width) if turns % 2 else (width, height)), short_side_px)
    return scale(np.rot90(frame.to_ndarray(format="rgb24"), turns), size)


def difference(one: Frames, other: Frames) -> float:
    """Return the mean difference of two images, as large as can be where their sizes differ."""
    return float(np.abs(one.astype(int) - other).mean()) if one.shape == other.shape else 255.0
