"""A folder of numbered images, read as a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from varml.errors import VideoError
from varml.video.frame_folder import numbered_images
from varml.video.reader import Frames, Source, readers


@readers.register("images")
class ImagesReader:
    """Decodes just the images that are asked for; their times follow from ``ingest.frame_rate``."""

    def __init__(self, source: Source) -> None:
        self._images = numbered_images(source.path)
        if len(self._images) != source.num_frames:
            raise VideoError(f"has {len(self._images)} images where {source.num_frames} were found before")
        self.timestamps_sec = np.arange(source.num_frames, dtype=np.float64) / source.fps

    def read(self, indices: Sequence[int]) -> Frames:
        """Return the frames at ``indices`` (see :class:`varml.video.reader.VideoReader`)."""
        missing = [index for index in indices if not 0 <= index < len(self._images)]
        if missing:
            raise VideoError(f"frame {missing[0]} cannot be decoded")
        return np.stack([read_image(self._images[index]) for index in indices])


def read_image(path: Path) -> Frames:
    """Return an image file as (H, W, 3) uint8 RGB, turned as its EXIF data asks; raises VideoError."""
    try:
        # Read as bytes: OpenCV opens no name that is not UTF-8.
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_RGB)
    except (OSError, cv2.error) as error:
        raise VideoError(f"its image {path.name!r} cannot be read: {error}") from error
    if image is None:
        raise VideoError(f"its image {path.name!r} cannot be decoded")
    return np.asarray(image)
