"""The film: one frame for each stored frame, pictures at the left, colours at the right, at a speed to follow."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from made import HEIGHT, WIDTH, inspection, moving

from varml.inspection.film import CAPTION_PX, film_frames, film_size, frame_rate, write_film

Image = np.ndarray


def decoded(path: Path) -> list[Image]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].pix_fmt == "yuv420p"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_film_has_each_stored_frame_beside_its_flow(tmp_path: Path) -> None:
    made = inspection(moving(3, 0, num_segments=4))
    write_film(tmp_path / "a.mp4", made)
    images = decoded(tmp_path / "a.mp4")
    assert len(images) == 4 * 2
    assert images[0].shape == (2 * HEIGHT + CAPTION_PX, 4 * WIDTH, 3)
    for image, frame in zip(images, made.frames.reshape(-1, HEIGHT, WIDTH, 3), strict=True):
        left, right = np.split(image[:-CAPTION_PX].astype(int), 2, axis=1)
        assert np.abs(left.mean(axis=(0, 1)) - frame.mean(axis=(0, 1))).max() < 3
        assert np.abs(right[8:-8, 8:-8] - (255, 0, 0)).max() < 30
        # The caption is black on white.
        assert image[-CAPTION_PX:].mean() > 180
        assert image[-CAPTION_PX:].min() < 60


def test_the_last_frame_of_a_segment_keeps_the_flow_that_led_to_it() -> None:
    flow = np.concatenate([moving(1, 0, 1), moving(-1, 0, 1)], axis=1)
    images = list(film_frames(inspection(flow, num_frames=3)))
    first, second, third = (image[10, -10] for image in images)
    assert first[0] == 255
    assert second[0] == 0
    np.testing.assert_array_equal(second, third)


def test_rest_is_white_beside_a_segment_that_moves() -> None:
    flow = moving(5, 5, num_segments=3)
    flow[1] = 0
    images = list(film_frames(inspection(flow)))
    assert (images[2][: 2 * HEIGHT, 2 * WIDTH :] == 255).all()
    assert (images[0][: 2 * HEIGHT, 2 * WIDTH :] < 255).any()


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (32, 6400), (5001, 3)])
def test_any_size_of_frames_gives_a_film_of_even_sides(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = film_size(size[1], size[0])
    assert width % 2 == height % 2 == 0
    assert max(width / 2, height - CAPTION_PX) <= 1280
    write_film(tmp_path / "a.mp4", inspection(moving(1, 1, 1, size)))
    assert decoded(tmp_path / "a.mp4")[0].shape == (height, width, 3)


def test_equal_inspections_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_film(tmp_path / name, inspection(moving(1, 0)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_few_frames_are_shown_slowly_and_many_do_not_race() -> None:
    assert [frame_rate(number) for number in (1, 16, 100, 1000)] == [2, 2, 5, 10]
