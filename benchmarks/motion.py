"""Motion: does flow of a lower end-point error tell actions apart better?

``python -m benchmarks.motion --source DIR --annotations manifest.csv`` takes labelled videos from a CSV in the folder,
with the columns path, label, set and group. With the values of the shipped ``params.yaml`` it stores flow by each
estimator as the stage would, shows it to the frozen backbone, and asks the baseline's logistic regression on the mean
features of flow alone, of RGB alone, and of both (the mean of their probabilities). Each group of a set is answered by
a probe that saw the others of that set. Errors and times are those on frames of these videos that known fields warp.
``--contrib`` is the folder of opencv-contrib (see :mod:`benchmarks.tvl1`); without it TV-L1 is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from benchmarks.known_warps import Way, measure, timed, usable_ways, video_frames
from benchmarks.motion_table import Outcome, table
from benchmarks.probe import Hits, Means, Probabilities, hits, probabilities
from benchmarks.report import Figure, report
from benchmarks.tvl1 import NO_CONTRIB, OPPONENT, TvL1
from varml.config import Params, load_params
from varml.config.params import Flow as FlowParams
from varml.flow.estimators.dis import Dis
from varml.flow.stabilize import remove_camera_motion
from varml.flow.store import PackedFlow, compand, mirrored
from varml.ground.progress import progress
from varml.models.backbones import Backbone, build_backbone
from varml.models.features import features_of, flow_input, rgb_input
from varml.models.views import StepFeatures
from varml.video.frames import clip_frames
from varml.video.pack import roundtrip
from varml.video.probe import clip_of, probe_video
from varml.video.reader import Frames

GOALS = {"set1": 0.75, "set2": 0.65}  # of UT-Interaction, for flow alone by the default estimator


AS_IT_IS, IN_A_MIRROR = slice(None), slice(None, None, -1)  # of the columns of an image


class PresetFast(Dis):
    """DIS as its preset FAST has it: two refinements and more patches than ``dis``, the field as it comes."""

    num_refinements = 5
    patch_stride_px = 4
    smoothing_px = 0


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    params = load_params()
    rows = pd.read_csv(arguments.source / arguments.annotations)
    ways, left_out = usable_ways()
    ways["dis, as the preset"] = timed(PresetFast())
    left_out += [] if arguments.contrib else [f"{OPPONENT} is left out: {NO_CONTRIB}"]
    with TvL1(arguments.contrib) if arguments.contrib else nullcontext() as opponent:
        ways |= {OPPONENT: opponent.estimate} if opponent else {}
        rgb, outcomes = measure_all(arguments.source, rows, ways, params)
    text = table(rgb, outcomes, left_out, params)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")
    report("motion, one thread", list(figures(rgb, outcomes, params.flow.estimator)), arguments.json)


def measure_all(
    source: Path, rows: pd.DataFrame, ways: dict[str, Way], params: Params
) -> tuple[Hits, dict[str, Outcome]]:
    """Return what the probe recognises by RGB, and what each way is worth."""
    backbone = build_backbone(params.model.backbone, params.features.image_size_px, params.features.weights)
    clips = [stored_frames(source / path, params) for path in progress(rows["path"], len(rows), "frames")]
    rgb = probabilities(rows, rgb_views(clips, backbone, params))
    qualities = measure(ways, video_frames(source), params.frames.short_side_px)
    outcomes = {}
    for name, way in ways.items():
        flow = flow_probabilities(rows, clips, way, name, backbone, params)
        outcomes[name] = Outcome(qualities[name], hits(rows, flow), hits(rows, (rgb + flow) / 2))
    return hits(rows, rgb), outcomes


def rgb_views(clips: list[Frames], backbone: Backbone, params: Params) -> list[Means]:
    """Return the mean features of RGB of each clip as it is and, as the shipped params want it, in a mirror."""

    def means(side: slice) -> Means:
        seen = (np.ascontiguousarray(frames[:, :, :, side]) for frames in clips)
        images = (rgb_input(backbone, frames, params.features) for frames in seen)
        return _means([features_of(backbone, one, params.features) for one in images])

    return [means(side) for side in _sides(params)]


def flow_probabilities(
    rows: pd.DataFrame, clips: list[Frames], way: Way, name: str, backbone: Backbone, params: Params
) -> Probabilities:
    """Return the probe's class probabilities by the flow of one estimator."""
    packed = [packed_flow(frames, way, params.flow) for frames in progress(clips, len(clips), name)]

    def means(side: slice) -> Means:
        seen = (flow if side == AS_IT_IS else mirrored(flow) for flow in packed)
        return _means([features_of(backbone, flow_input(flow, params.features), params.features) for flow in seen])

    return probabilities(rows, [means(side) for side in _sides(params)])


def _sides(params: Params) -> list[slice]:
    return [AS_IT_IS, IN_A_MIRROR] if params.train.mirror else [AS_IT_IS]


def stored_frames(path: Path, params: Params) -> Frames:
    """Return the frames of a video as extraction stores them."""
    return clip_frames(clip_of(path, probe_video(path, params.ingest.probe)), params.frames)


def packed_flow(frames: Frames, way: Way, params: FlowParams) -> PackedFlow:
    """Return flow as extraction stores it, by any ``way`` in place of a registered estimator."""
    gray = [[cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in segment] for segment in frames]
    flow = np.asarray([[way(a, b)[1] for a, b in pairwise(segment)] for segment in gray], np.float32)
    flow = remove_camera_motion(frames, flow) if params.stabilize == "affine" else flow
    return roundtrip(compand(flow, params.bound_px), params.jpeg_quality)


def figures(rgb: Hits, outcomes: dict[str, Outcome], default: str) -> Iterator[Figure]:
    """Yield every number; the default estimator has goals where its set has one."""
    sets = sorted(rgb.rows["set"].unique())
    for name in sets:
        yield Figure(f"{name}: RGB", rgb.accuracy(name), "of clips")
    for way, outcome in outcomes.items():
        yield Figure(f"{way}: a pair", 1e3 * outcome.quality.seconds, "ms")
        yield Figure(f"{way}: end-point error", outcome.quality.error_px, "px")
        for name in sets:
            goal = GOALS.get(name) if way == default else None
            yield Figure(f"{name}: flow by {way}", outcome.flow.accuracy(name), "of clips", goal, at_least=True)
            yield Figure(f"{name}: RGB and flow by {way}", outcome.late.accuracy(name), "of clips")
    yield Figure("rank correlation of error and accuracy of flow", correlation(outcomes), "")


def correlation(outcomes: dict[str, Outcome]) -> float:
    """Return Spearman's rank correlation of end-point error and accuracy of flow; -1: less error, more recognised."""
    values = [(outcome.quality.error_px, outcome.flow.accuracy()) for outcome in outcomes.values()]
    return float(spearmanr(values).statistic)


def _means(features: list[StepFeatures]) -> Means:
    return np.stack([one.mean((0, 1), dtype=np.float32) for one in features])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="folder of labelled videos")
    parser.add_argument("--annotations", required=True, help="CSV in that folder: path, label, set, group")
    parser.add_argument("--contrib", type=Path, help="folder that holds opencv-contrib, for TV-L1")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--markdown", type=Path, help="file to write the table to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
