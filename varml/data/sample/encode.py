"""Write frames as an H.264 video whose bytes depend on the frames alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import av.video

from varml.data.sample.scene import Image

ENCODER_OPTIONS = {
    "crf": "18",
    "preset": "slow",
    # Several threads may share out the work differently each time.
    "threads": "1",
    # Without this, x264 takes each processor's fastest routines, some of which round differently from run to
    # run: equal frames give unequal bytes.
    "x264-params": "cpu-independent=1",
}


def write_video(path: Path, frames: Iterable[Image], width: int, height: int, frame_rate: int) -> None:
    """Encode frames, (height, width, 3) RGB uint8 with even sides, as an H.264 yuv420p MP4 file."""
    # Bit-exact mode keeps the time of writing and the library's version out of the container.
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=frame_rate, options=ENCODER_OPTIONS)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p"
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
