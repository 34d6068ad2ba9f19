"""Small videos whose every frame says its own index: a row of black and white blocks along the top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from varml.config.params import Probe
from varml.video.clip import Clip
from varml.video.reader import Source

NUM_BITS = 10
BLOCK_PX = 8
BARCODE_PX = 8
WIDTH = NUM_BITS * BLOCK_PX
HEIGHT = 64
WHITE, BLACK = 235, 20
LIMITS = Probe(
    timeout_sec=10,
    timeout_sec_per_mb=1,
    memory_mb=4096,
    max_frame_megapixels=40,
    max_video_gigapixels=1000,
    reader="decord",
)

Image = npt.NDArray[np.uint8]


def barcode_frame(index: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """Return (height, width, 3) uint8 RGB: ``index`` in binary, most significant block at the left, over a ramp.

    The ramp is brighter at the right and redder at the bottom, so that a turned frame differs.
    """
    y, x = np.mgrid[:height, :width]
    image = np.stack([60 + 120 * y / height, 60 + 120 * x / width, np.full(x.shape, 100.0)], axis=-1)
    bits = [index >> shift & 1 for shift in reversed(range(NUM_BITS))]
    for place, bit in enumerate(bits):
        image[:BARCODE_PX, place * BLOCK_PX : (place + 1) * BLOCK_PX] = WHITE if bit else BLACK
    return image.astype(np.uint8)


def read_barcode(image: Image) -> int:
    """Return the index that a frame of :func:`barcode_frame` shows; raises AssertionError where it is blurred."""
    inner = image[2 : BARCODE_PX - 2, :WIDTH].mean(axis=(0, 2)).reshape(NUM_BITS, BLOCK_PX)[:, 2:-2].mean(axis=1)
    assert ((inner < 80) | (inner > 175)).all(), f"no barcode: blocks are {inner.round()}"
    return int("".join("1" if level > 128 else "0" for level in inner), 2)


def read_barcodes(images: Iterable[Image]) -> list[int]:
    """Return the index that each frame shows."""
    return [read_barcode(image) for image in images]


def write_video(
    path: Path,
    frames: Iterable[Image],
    fps: Fraction | int = 10,
    *,
    codec: str = "libx264",
    container: str | None = None,
    options: Mapping[str, str] | None = None,
    rotation: float | None = None,
    times: Iterable[int] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Encode ``frames`` and return ``path``.

    ``rotation`` writes a display matrix that turns frames counter-clockwise by so many degrees; ``times`` are the
    presentation times in milliseconds, where they are not even; ``aspect`` is the width of a pixel over its height.
    """
    images = list(frames)
    height, width = images[0].shape[:2]
    chosen = {"threads": "1", **({"crf": "16", "preset": "veryfast"} if codec == "libx264" else {}), **(options or {})}
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=Fraction(fps), options=chosen)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        stamps = list(range(len(images))) if times is None else list(times)
        for image, stamp in zip(images, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = stamp
            frame.time_base = Fraction(1, 1000) if times is not None else 1 / Fraction(fps)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def write_barcodes(path: Path, num_frames: int, fps: Fraction | int = 10, **how: object) -> Path:
    """Write a video of ``num_frames`` barcode frames and return ``path``."""
    return write_video(path, map(barcode_frame, range(num_frames)), fps, **how)  # type: ignore[arg-type]


def clip(path: Path, reader: str, num_frames: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Clip:
    """Return the whole of a video of ``num_frames`` frames as a clip."""
    return Clip(Source(path, reader, num_frames), *size)
