"""A camera that pans, turns and zooms over a photograph while an object moves by itself."""

from __future__ import annotations

import numpy as np
import pytest
from known_motion import field_of, motion, warped

from varml.flow.estimator import estimate_flow
from varml.flow.stabilize import camera_motion, remove_camera_motion

ESTIMATORS = ["dis", "lucas_kanade"]
# Rows and columns of the object in the first frame; what of it is far from its outline; and how far it goes by itself.
OBJECT = slice(50, 100), slice(60, 120)
INSIDE = slice(60, 90), slice(72, 108)
OWN_PX = 4


def film(photo: np.ndarray, kind: str, moves: bool = True) -> np.ndarray:
    """Return (1, 2, 160, 240, 3): the camera moves, and the object goes ``OWN_PX`` to the right besides."""
    first, following = photo.copy(), photo.copy()
    texture = np.ascontiguousarray(photo[::-1, ::-1])
    rows, columns = OBJECT
    shift = OWN_PX if moves else 0
    first[OBJECT] = texture[OBJECT]
    following[rows, columns.start + shift : columns.stop + shift] = texture[OBJECT]
    following = warped(following, motion(kind, *photo.shape))
    return np.repeat(np.stack([first, following])[None, ..., None], 3, axis=-1)


def background(values: np.ndarray) -> np.ndarray:
    """Return the values outside the object and its way, away from the border."""
    mask = np.zeros(values.shape[:2], bool)
    mask[16:-16, 16:-16] = True
    mask[30:120, 40:144] = False
    return values[mask]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kind", ["shift", "rotation", "zoom"])
def test_the_camera_goes_and_the_object_stays(photo: np.ndarray, kind: str, estimator: str):
    frames = film(photo, kind)
    flow = estimate_flow(frames, estimator)
    stabilized = remove_camera_motion(frames, flow)[0, 0]
    before, after = (np.linalg.norm(background(f), axis=-1).mean() for f in (flow[0, 0], stabilized))
    assert before > 2
    assert after < 0.1 * before
    own = np.median(stabilized[INSIDE], axis=(0, 1))
    # A camera that turns by 2 degrees or zooms by 3% turns and stretches the object's own way by as much.
    assert np.abs(own - [OWN_PX, 0]).max() < 0.3


@pytest.mark.parametrize("kind", ["shift", "rotation", "zoom"])
def test_the_map_itself_is_that_of_the_camera(photo: np.ndarray, kind: str):
    true = field_of(motion(kind, *photo.shape), *photo.shape)
    assert np.abs(camera_motion(photo, true) - true).max() < 0.01


def test_a_camera_that_rests_takes_nothing_away(photo: np.ndarray):
    frames = film(photo, "still")
    flow = estimate_flow(frames, "dis")
    stabilized = remove_camera_motion(frames, flow)
    assert np.abs(stabilized - flow).max() < 0.15
    assert np.median(stabilized[0, 0][INSIDE][..., 0]) == pytest.approx(OWN_PX, abs=0.3)


def test_nothing_that_moves_gives_zero(photo: np.ndarray):
    frames = film(photo, "still", moves=False)
    assert np.abs(remove_camera_motion(frames, estimate_flow(frames, "dis"))).max() < 1e-3


def test_without_corners_or_agreement_flow_stays_as_it_is(photo: np.ndarray):
    plain = np.full((1, 2, 64, 80, 3), 128, np.uint8)
    flow = np.full((1, 1, 64, 80, 2), 3, np.float32)
    np.testing.assert_array_equal(remove_camera_motion(plain, flow), flow)
    wild = np.random.default_rng(0).uniform(-20, 20, (*photo.shape, 2)).astype(np.float32)
    assert not camera_motion(photo, wild).any()


def test_each_step_has_a_map_of_its_own_and_the_flow_given_is_left_alone(photo: np.ndarray):
    frames = np.concatenate([film(photo, "shift"), film(photo, "zoom")])
    flow = estimate_flow(frames, "dis")
    kept = flow.copy()
    together = remove_camera_motion(frames, flow)
    np.testing.assert_array_equal(flow, kept)
    for segment in (0, 1):
        chosen = slice(segment, segment + 1)
        np.testing.assert_array_equal(together[chosen], remove_camera_motion(frames[chosen], flow[chosen]))
    assert np.linalg.norm(background(together[1, 0]), axis=-1).mean() < 0.2


def test_an_actor_who_has_all_the_texture_is_not_taken_for_the_background(photo: np.ndarray):
    height, width = photo.shape
    wall, actor = np.full(photo.shape, 120, np.uint8), (slice(0, height), slice(width * 3 // 8, width * 5 // 8))
    first, following = wall.copy(), wall.copy()
    first[actor], following[actor] = photo[actor], np.roll(photo, 3, axis=1)[actor]
    frames = np.repeat(np.stack([first, following])[None, ..., None], 3, axis=-1)
    flow = estimate_flow(frames, "lucas_kanade")
    np.testing.assert_array_equal(remove_camera_motion(frames, flow), flow)
