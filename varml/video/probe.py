"""What one file truly holds, by decoding it, and which reader gives its right frames."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from av import VideoFrame

from varml.config.params import Probe
from varml.errors import VideoError
from varml.video.clip import Clip
from varml.video.container import PacketIndex, demux, index_of, open_stream
from varml.video.fingerprint import Fingerprinter, to_text
from varml.video.frame_folder import numbered_images
from varml.video.gate import check_is_video_file
from varml.video.reader import Frames, Source, open_video
from varml.video.readers.images import read_image
from varml.video.survey import PixelLimit, Survey, survey_video

# Two decoders may convert colours with other rounding; frames of other content differ by more in the mean.
MAX_MEAN_DIFFERENCE = 1.0
NUM_EVEN_SPOTS = 5
NUM_KEY_SPOTS = 2


@dataclass(frozen=True)
class VideoInfo:
    """What the manifest says of one readable video.

    ``num_frames`` decode; ``width`` and ``height`` are those of the upright frame in square pixels; ``indexed`` is
    explained at :class:`varml.video.reader.Source`; ``rotation_deg`` is
    counter-clockwise; ``sample_aspect_ratio`` is the width of a stored pixel over its height. ``fingerprint`` is
    what :func:`varml.video.fingerprint.to_text` writes, and no column of the manifest.
    """

    num_frames: int
    fps: float
    duration_sec: float
    width: int
    height: int
    reader: str
    indexed: bool
    codec: str
    pixel_format: str
    rotation_deg: int
    flipped: bool
    sample_aspect_ratio: float
    num_video_streams: int
    num_audio_streams: int
    # Two of these are compared by what the manifest says.
    fingerprint: str = field(default="", repr=False, compare=False)


def clip_of(path: Path, info: VideoInfo) -> Clip:
    """Return the whole of a probed video as a clip."""
    source = Source(path, info.reader, info.num_frames, info.indexed, info.fps)
    return Clip(source, info.width, info.height)


def probe_limit_sec(probe: Probe, size_bytes: int) -> float:
    """Return how long probing a file of that size may take: a base, and a share that grows with it."""
    return probe.timeout_sec + probe.timeout_sec_per_mb * size_bytes / 1e6


def probe_video(path: Path, limits: Probe, frame_rate: float = 25.0) -> VideoInfo:
    """Decode ``path`` once, compare the fast ways to its frames with that, and return what it holds.

    A folder of numbered images is shown at ``frame_rate`` images a second. Raises
    VideoError with the reason where it cannot be read. Call it in a process that may be killed.
    """
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a name is too long
        return _probe_folder(path, limits, frame_rate)
    container_name = check_is_video_file(path)
    with open_stream(path) as (container, stream):
        index = index_of(demux(container, stream), stream)
        # Large frames, and too many of them where packets tell, are refused before one is decoded.
        num_frames = 1 if index is None else len(index.pts)
        PixelLimit(limits).check(stream.codec_context.width, stream.codec_context.height, num_frames)
    spots = [] if index is None else choose_spots(index)
    fingerprinter = Fingerprinter()
    survey = survey_video(path, limits, spots, fingerprinter.add)
    # decord seeks wrong in AVI with B-frames, at places that a few spots miss.
    preferred = "pyav" if container_name == "avi" else limits.reader
    reader, indexed = _choose_reader(path, survey, index, preferred)
    fps, duration_sec = _timing(survey.timestamps_sec)
    return VideoInfo(
        survey.num_frames,
        fps,
        duration_sec,
        *survey.size,
        reader,
        indexed,
        survey.codec,
        survey.pixel_format,
        survey.orientation.rotation_deg,
        survey.orientation.is_flip,
        survey.sample_aspect_ratio,
        survey.num_video_streams,
        survey.num_audio_streams,
        to_text(fingerprinter.result()),
    )


def _probe_folder(folder: Path, limits: Probe, frame_rate: float) -> VideoInfo:
    images = numbered_images(folder)
    if not images:
        raise VideoError("is a folder that holds no numbered images of one prefix, or holds something else too")
    sizes, fingerprinter = set(), Fingerprinter()
    for number, image in enumerate(map(read_image, images)):
        sizes.add(image.shape[1::-1])
        fingerprinter.add(VideoFrame.from_ndarray(image, "rgb24"), number / frame_rate)
    if len(sizes) > 1:
        raise VideoError(f"its images have {len(sizes)} sizes; give them one")
    ((width, height),) = sizes
    PixelLimit(limits).check(width, height, len(images))
    codec = images[0].suffix.lower().lstrip(".")
    duration_sec = round(len(images) / frame_rate, 3)
    facts = (codec, "rgb24", 0, False, 1.0, 1, 0, to_text(fingerprinter.result()))
    return VideoInfo(len(images), frame_rate, duration_sec, width, height, "images", True, *facts)


def choose_spots(index: PacketIndex) -> list[int]:
    """Return which frames are compared: the first, the last, some between, and both sides of some key frames."""
    last = len(index.pts) - 1
    keys = np.searchsorted(index.shown, index.pts[index.is_key])
    # The first key frame begins the file; those between are where a seek may land wrong.
    chosen = (
        keys[1:][np.unique(np.linspace(0, len(keys) - 2, NUM_KEY_SPOTS).round().astype(int))] if len(keys) > 1 else keys
    )
    spots = {*np.linspace(0, last, NUM_EVEN_SPOTS).round(), *chosen, *(chosen - 1), *(chosen + 1)}
    return sorted(int(spot) for spot in spots if 0 <= spot <= last)


def _choose_reader(path: Path, survey: Survey, index: PacketIndex | None, preferred: str) -> tuple[str, bool]:
    if index is None or survey.damaged or index.shown.tolist() != survey.ticks:
        return "pyav", False
    source = Source(path, "pyav", survey.num_frames, indexed=True)
    # decord is silently wrong where frames are shown before the key frame that they follow.
    by_decord = replace(source, reader="decord")
    tried = preferred == "decord" and not index.has_leading_frames
    if tried and _agrees(by_decord, survey.spots, MAX_MEAN_DIFFERENCE):
        return "decord", True
    return "pyav", _agrees(source, survey.spots, 0.0)


def _agrees(source: Source, spots: dict[int, Frames], tolerance: float) -> bool:
    try:
        frames = open_video(source).read(list(spots))
    except VideoError:
        return False
    # One pair at a time: the frames of an 8K video take 100 MB each.
    return all(_differ_by(frame, spots[place]) <= tolerance for frame, place in zip(frames, spots, strict=True))


def _differ_by(frame: Frames, right: Frames) -> float:
    """Return the mean difference of two frames, infinite where their sizes differ."""
    if frame.shape != right.shape:
        return np.inf
    return float(cv2.absdiff(frame, right).mean())


def _timing(timestamps_sec: np.ndarray) -> tuple[float, float]:
    if len(timestamps_sec) == 1:
        return 0.0, 0.0
    frame_sec = float(np.median(np.diff(timestamps_sec)))
    duration_sec = float(timestamps_sec[-1]) + frame_sec
    return round(len(timestamps_sec) / duration_sec, 3), round(duration_sec, 3)
