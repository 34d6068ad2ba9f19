"""What of OpenCV's DIS is chosen, beyond the contract of every estimator."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from known_motion import field_of, motion, warped

from varml.flow.estimators.dis import Dis


class Rough(Dis):
    """The field as DIS gives it."""

    smoothing_px = 0


@pytest.mark.parametrize(("num_refinements", "stride_px", "is_it"), [(3, 5, True), (5, 5, False), (3, 4, False)])
def test_dis_is_the_preset_fast_at_full_resolution_with_fewer_refinements_and_patches(
    photo: np.ndarray, num_refinements: int, stride_px: int, is_it: bool
):
    following = warped(photo, motion("rotation", *photo.shape))
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    solver.setFinestScale(0)
    solver.setVariationalRefinementIterations(num_refinements)
    solver.setPatchStride(stride_px)
    expected = solver.calc(photo, following, None)
    assert np.array_equal(Rough().estimate(photo, following), expected) is is_it


@pytest.mark.parametrize("kind", ["shift", "rotation", "zoom"])
def test_smoothing_errs_less_on_a_known_motion_too(photo: np.ndarray, kind: str):
    matrix = motion(kind, *photo.shape)
    following, field = warped(photo, matrix), field_of(matrix, *photo.shape)
    rough, smooth = (np.linalg.norm(way.estimate(photo, following) - field, axis=-1).mean() for way in (Rough(), Dis()))
    assert smooth < rough
