"""The packed store: what goes in comes out, in equal bytes, and damage is named."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg

from varml.errors import StoreError
from varml.video.pack import Pack, decode_images, encode_pack, roundtrip, write_pack

RGB = (3, 2, 24, 40, 3)
GRAY = (3, 1, 48, 40, 1)


def smooth(shape: tuple[int, ...]) -> np.ndarray:
    """Return natural-looking images: blurred noise over the full range."""
    *leading, height, width, channels = shape
    rng = np.random.default_rng(0)
    noise = rng.random((int(np.prod(leading)), height, width, channels)).astype(np.float32)
    blurred = np.stack([cv2.GaussianBlur(image, (0, 0), 2).reshape(height, width, channels) for image in noise])
    low, high = blurred.min(), blurred.max()
    return ((blurred - low) / (high - low) * 255).astype(np.uint8).reshape(shape)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(first.astype(float) - second).mean()))


@pytest.fixture(params=[RGB, GRAY], ids=["rgb", "gray"])
def images(request: pytest.FixtureRequest) -> np.ndarray:
    return smooth(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "one.pack"


def test_images_come_back_in_their_shape_and_nearly_as_they_were(path: Path, images: np.ndarray):
    write_pack(path, images, 95)
    back = Pack(path).read()
    assert back.shape == images.shape
    assert back.dtype == np.uint8
    assert psnr(back, images) > 40


def test_more_quality_gives_more_bytes_and_less_error(images: np.ndarray):
    sizes = [len(encode_pack(images, quality)) for quality in (60, 80, 95)]
    errors = [psnr(roundtrip(images, quality), images) for quality in (60, 80, 95)]
    assert sizes == sorted(set(sizes))
    assert errors == sorted(set(errors))


def test_colours_keep_their_full_resolution():
    # Alternating red and blue columns: 4:2:0 would make them violet.
    image = np.zeros((1, 16, 16, 3), np.uint8)
    image[..., ::2, 0] = 200
    image[..., 1::2, 2] = 200
    assert psnr(roundtrip(image, 95), image) > 35


def test_single_images_equal_those_of_all(path: Path, images: np.ndarray):
    write_pack(path, images, 90)
    pack = Pack(path)
    flat = pack.read().reshape(-1, *images.shape[-3:])
    for chosen in ([0], [len(flat) - 1], [2, 0, 2], list(range(len(flat)))):
        np.testing.assert_array_equal(pack.read(chosen), flat[chosen])


def test_a_roundtrip_without_a_file_gives_the_same_images(path: Path, images: np.ndarray):
    write_pack(path, images, 85)
    np.testing.assert_array_equal(roundtrip(images, 85), Pack(path).read())


def test_equal_images_give_equal_bytes(path: Path, images: np.ndarray):
    write_pack(path, images, 95, bound_px=16.0, clipped_fraction=0.5)
    first = path.read_bytes()
    write_pack(path, np.asfortranarray(images), 95, clipped_fraction=0.5, bound_px=16.0)
    assert path.read_bytes() == first
    assert first != encode_pack(images, 94, bound_px=16.0, clipped_fraction=0.5)


def test_what_the_writer_adds_comes_back(path: Path):
    write_pack(path, smooth(RGB), 95, bound_px=16.0, note="é")
    pack = Pack(path)
    assert pack.meta["bound_px"] == 16.0
    assert pack.meta["note"] == "é"
    assert pack.leading == (3, 2)


def test_images_without_leading_axes_of_their_own(path: Path):
    write_pack(path, smooth((1, 8, 8, 3)), 95)
    assert Pack(path).read().shape == (1, 8, 8, 3)


def test_a_missing_file(path: Path):
    with pytest.raises(StoreError, match=r"one\.pack is no readable pack .*; remove it and run `dvc repro` again"):
        Pack(path)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 500, -1])
def test_a_file_that_is_cut_off(path: Path, kept: int):
    write_pack(path, smooth(RGB), 95)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(StoreError, match="is no readable pack"):
        Pack(path)


@pytest.mark.parametrize("content", [b"text " * 50, bytes(300), b"\xff" * 300])
def test_a_file_of_another_kind(path: Path, content: bytes):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is no readable pack"):
        Pack(path)


def test_safetensors_that_are_no_pack(path: Path):
    from safetensors.numpy import save

    path.parent.mkdir()
    path.write_bytes(save({"features": np.zeros(3, np.float32)}))
    with pytest.raises(StoreError, match="is no readable pack"):
        Pack(path)


def test_a_damaged_image_is_refused_and_the_others_are_read(path: Path):
    images = smooth(RGB)
    write_pack(path, images, 95)
    whole = Pack(path).read().reshape(-1, *images.shape[-3:])
    content = bytearray(path.read_bytes())
    last = content.rindex(b"\xff\xd8\xff")
    content[last : last + 200] = bytes(200)
    path.write_bytes(content)
    pack = Pack(path)
    with pytest.raises(StoreError, match="holds a damaged image"):
        pack.read()
    with pytest.raises(StoreError, match="holds a damaged image"):
        pack.read([5])
    np.testing.assert_array_equal(pack.read([4, 0]), whole[[4, 0]])


@pytest.mark.parametrize("side", [7, 9])
def test_an_image_of_another_size_is_refused(path: Path, side: int):
    encoded = [simplejpeg.encode_jpeg(np.zeros((size, size, 3), np.uint8)) for size in (8, side)]
    with pytest.raises(ValueError, match=r"buffer is too small|where the first one is"):
        decode_images(encoded, 3)
