"""What a model sees of one video: frames and flow as they are stored, computed by what prediction uses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from varml.config.params import Params
from varml.flow.estimator import Flow
from varml.flow.store import clip_flow, expand
from varml.inspection.colours import full_colour_px
from varml.video.reader import Frames, Times
from varml.video.strange import StrangeVideo
from varml.video.strange_reader import StrangeReader


@dataclass(frozen=True)
class Inspection:
    """One video as it is stored.

    ``frames`` (S, F, H, W, 3) uint8 RGB are shown at ``times_sec`` (S, F) from the first frame; ``flow``
    (S, F-1, H, W, 2) float32 px leads from each to the next in its segment. ``notes`` says how they were made.
    """

    name: str
    notes: str
    frames: Frames
    times_sec: Times
    flow: Flow

    @cached_property
    def full_px(self) -> float:
        """The displacement that is drawn in full colour and with the longest arrow, one for the whole video."""
        return full_colour_px(self.flow)


def inspect_video(video: Path, name: str, params: Params) -> Inspection:
    """Decode a video file, or a folder of numbered images, and compute its flow, as the stages do.

    ``name`` is what pictures call it. Raises VideoError where it cannot be read, and WeightsError where the flow
    estimator has none.
    """
    strange = StrangeVideo(video, params.frames, params.ingest.probe, params.ingest.frame_rate)
    sampled = StrangeReader(params.ingest.probe.memory_mb).read(strange)
    flow = expand(clip_flow(sampled.frames, params.flow), params.flow.bound_px)
    return Inspection(name, _notes(params), sampled.frames, sampled.times_sec, flow)


def _notes(params: Params) -> str:
    frames, flow = params.frames, params.flow
    noun = "segment" if frames.num_segments == 1 else "segments"
    notes = [
        f"{frames.num_segments} {noun} of {frames.frames_per_segment} frames, {frames.frame_interval_sec:g} s apart",
        f"flow by {flow.estimator}",
    ]
    notes += [] if flow.stabilize == "none" else [f"less the camera's motion ({flow.stabilize})"]
    notes += [] if frames.illumination == "none" else [f"light evened out ({frames.illumination})"]
    return ", ".join(notes)
