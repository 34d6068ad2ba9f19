"""The packed store: many images in one file, JPEG 4:4:4 behind an offset index, read one by one.

The file is a safetensors file with ``jpeg`` (all images' bytes, uint8) and ``offsets`` (int64, one more than there
are images). Its one metadata entry is JSON with the shape of the leading axes and what the writer adds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from varml.errors import StoreError
from varml.ground.atomic import write_bytes

Images = npt.NDArray[np.uint8]
Encoded = bytes | npt.NDArray[np.uint8]
SUFFIX = ".pack"
# One entry only: safetensors writes its metadata in no fixed order, and equal packs must be equal bytes.
_META = "varml"
# What reading a file with wrong bytes can end in.
_DAMAGE = (OSError, SafetensorError, KeyError, TypeError, ValueError, OverflowError, MemoryError)
_COLORSPACES = {1: "GRAY", 3: "RGB"}


def encode_pack(images: Images, quality: int, **meta: Any) -> bytes:
    """Return the bytes of a pack of ``images``, (..., H, W, C) uint8 with C 1 or 3, JPEG quality 1 to 100."""
    *leading, height, width, channels = images.shape
    flat = np.ascontiguousarray(images).reshape(-1, height, width, channels)
    encoded = [simplejpeg.encode_jpeg(image, quality, _COLORSPACES[channels], "444", fastdct=False) for image in flat]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    tensors = {"jpeg": np.frombuffer(b"".join(encoded), np.uint8), "offsets": offsets}
    text = json.dumps({"leading": leading, "channels": channels, **meta}, sort_keys=True)
    return save(tensors, metadata={_META: text})


def write_pack(path: Path, images: Images, quality: int, **meta: Any) -> None:
    """Write :func:`encode_pack` to ``path`` in one step."""
    write_bytes(path, encode_pack(images, quality, **meta))


def decode_images(encoded: Sequence[Encoded], channels: int) -> Images:
    """Return the images of some JPEG bytes, all of one size, as (N, H, W, C) uint8; raises ValueError on others."""
    if not encoded:
        raise ValueError("there is no image to decode")
    height, width, *_ = simplejpeg.decode_jpeg_header(encoded[0])
    images = np.empty((len(encoded), height, width, channels), np.uint8)
    # Each is decoded where it belongs: to stack them afterwards takes a tenth of the time once more.
    for data, image in zip(encoded, images, strict=True):
        decoded = simplejpeg.decode_jpeg(data, _COLORSPACES[channels], fastdct=False, fastupsample=False, buffer=image)
        if decoded.shape != image.shape:
            raise ValueError(f"an image is {decoded.shape} where the first one is {image.shape}")
    return images


def roundtrip(images: Images, quality: int) -> Images:
    """Return ``images`` (..., H, W, C) as they come back from a pack, without a file.

    Prediction sends its frames through it, so that a model sees in service what it saw in training.
    """
    *_, height, width, channels = images.shape
    flat = np.ascontiguousarray(images).reshape(-1, height, width, channels)
    space = _COLORSPACES[channels]
    encoded = [simplejpeg.encode_jpeg(image, quality, space, "444", fastdct=False) for image in flat]
    return decode_images(encoded, channels).reshape(images.shape)


class Pack:
    """A pack opened for reading; images are decoded when they are asked for.

    Raises StoreError where the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            with safe_open(path, framework="numpy") as file:
                self.meta: dict[str, Any] = json.loads(file.metadata()[_META])
                self._offsets = file.get_tensor("offsets")
                self.leading = tuple(self.meta["leading"])
        except _DAMAGE as error:
            raise StoreError(f"{path} is no readable pack ({error}); remove it and run `dvc repro` again") from error
        self._path = path

    def read(self, indices: Sequence[int] | None = None) -> Images:
        """Return the images at flat ``indices`` as (N, H, W, C) uint8, or all as (*leading, H, W, C)."""
        try:
            images = decode_images(self._encoded(indices), self.meta["channels"])
        except _DAMAGE as error:
            raise StoreError(f"{self._path} holds a damaged image; remove it and run `dvc repro` again") from error
        return images if indices is not None else images.reshape(*self.leading, *images.shape[1:])

    def _encoded(self, indices: Sequence[int] | None) -> list[Encoded]:
        bounds = self._offsets.tolist()
        with safe_open(self._path, framework="numpy") as file:
            data = file.get_slice("jpeg")
            if indices is not None:
                return [data[bounds[index] : bounds[index + 1]] for index in indices]
            whole = data[:]
        return [whole[first:last] for first, last in pairwise(bounds)]
