"""How ions move where places along the membrane are tracked: one random word for two axes."""

import numpy as np
import pytest
from numba import njit

from mc.engines.brownian import motion, plane_motion

LENGTH, WIDTH = np.float32(10.0), np.float32(6.0)


@njit
def move_on_two_axes(
    positions,
    coordinates,
    normal_slopes,
    transverse_slopes,
    outer_slopes,
    normal_outer_shapes,
    transverse_outer_shapes,
    factor,
    transverse_factor,
    words,
    scale,
    threshold,
):
    return plane_motion.move_on_two_axes(
        positions,
        coordinates,
        normal_slopes,
        transverse_slopes,
        outer_slopes,
        normal_outer_shapes,
        transverse_outer_shapes,
        factor,
        transverse_factor,
        words,
        scale,
        WIDTH,
        LENGTH,
        LENGTH,
        threshold,
        threshold,
    )


@njit
def move_round(coordinates, slopes, outer_slopes, outer_shapes, factor, words, scale):
    plane_motion.move_round(coordinates, slopes, outer_slopes, outer_shapes, factor, words, scale, WIDTH)


def word(normal, along=2**11, low=0):
    """Return a random word with 12 bits for either axis and a low byte."""
    return (normal << 20) | (along << 8) | low


@pytest.mark.parametrize(
    "centre, shift", [(plane_motion.centre_normal, 20), (plane_motion.centre_transverse, 8)]
)
def test_an_increment_has_4096_levels_around_zero_from_bits_of_its_own(centre, shift):
    levels = np.array([float(centre(np.uint32(bits << shift))) for bits in range(4096)])
    np.testing.assert_array_equal(levels, np.arange(4096) - 2047.5)
    others = np.uint32(0xFFFFFFFF & ~(0xFFF << shift))
    assert centre(np.uint32((1234 << shift) | others)) == levels[1234]


def test_increments_have_the_variance_of_diffusion():
    """Of all levels, each as likely: 2 D dt but for the square of their number."""
    scale = motion.increment_scale(np.array([1.5]), 0.4)[0] * plane_motion.COARSER
    increments = scale * (np.arange(4096) - 2047.5)
    assert increments.var() == pytest.approx(2 * 1.5 * 0.4, rel=1.0 / 4096**2 + 1e-6)


def test_a_move_along_the_normal_is_that_of_one_dimension():
    """The upper bits alone make the increment: where the lower ones add half a level either way, it is the same."""
    random = np.random.default_rng(2)
    n = 500
    positions = (random.uniform(0, 10.0, n) * random.choice([-1, 1], n)).astype(np.float32)
    slopes, outer_slopes, outer_shapes = random.normal(0.0, 0.5, (3, n)).astype(np.float32)
    words = random.integers(0, 2**32, n, dtype=np.uint32)
    in_plane, in_line, flags = positions.copy(), positions.copy(), np.zeros(n, np.uint32)
    displacements = np.float32(2.0) * (slopes + outer_slopes * outer_shapes)
    in_words, scale = words.copy(), np.float32(3.0 / 2**23)
    places, still = np.full(n, 3.0, np.float32), np.zeros(n, np.float32)
    found = move_on_two_axes(
        in_plane,
        places,
        slopes,
        still,
        outer_slopes,
        outer_shapes,
        still,
        np.float32(2.0),
        np.float32(1.0),
        in_words,
        scale * plane_motion.COARSER,
        np.uint32(128),
    )
    middle = (words & np.uint32(0xFFF000FF)) | np.uint32(2**11 << 8)
    motion.drift_and_diffuse_block.py_func(
        in_line, displacements, middle, flags, scale, LENGTH, LENGTH, *np.uint32([128, 128])
    )
    np.testing.assert_allclose(in_plane, in_line, atol=1e-5)
    np.testing.assert_array_equal(in_words, flags)
    assert found == 1
    assert 0 < flags.sum() < n


def test_a_move_along_both_axes_is_that_along_each():
    random = np.random.default_rng(3)
    n = 300
    slopes, outer_slopes, outer_shapes = random.normal(0.0, 0.5, (3, n)).astype(np.float32)
    places, still = random.uniform(0, WIDTH, n).astype(np.float32), np.zeros(n, np.float32)
    words = random.integers(0, 2**32, n, dtype=np.uint32)
    alone, scale = places.copy(), np.float32(1e-3)
    move_round(alone, slopes, outer_slopes, outer_shapes, np.float32(0.7), words, scale)
    move_on_two_axes(
        np.full(n, 5.0, np.float32),
        places,
        still,
        slopes,
        outer_slopes,
        still,
        outer_shapes,
        np.float32(1.0),
        np.float32(0.7),
        words,
        scale,
        np.uint32(0),
    )
    np.testing.assert_array_equal(places, alone)


def test_a_piece_without_a_candidate_says_so():
    words = np.array([word(0, low=200), word(4095, low=0)], np.uint32)
    positions, still = np.float32([1.0, 1.0]), np.zeros(2, np.float32)
    scale = np.float32(3.0 / 2**11)
    none = np.float32(0.0)
    arguments = (positions, still.copy(), *[still] * 5, none, none, words, scale, np.uint32(100))
    assert move_on_two_axes(*arguments) == 0
    np.testing.assert_allclose(positions, [2.0, 4.0], atol=2e-3)
    assert not words.any()


def test_a_periodic_axis_brings_ions_back_on_the_other_side_however_far_they_went():
    coordinates = np.float32([0.5, 5.5, 3.0, 1.0, 1.0])
    slopes, still = np.float32([-1.0, 1.0, 0.25, 31.0, -31.0]), np.zeros(5, np.float32)
    words = np.full(5, word(0), np.uint32)
    move_round(coordinates, slopes, still, still, np.float32(1.0), words, np.float32(0.0))
    np.testing.assert_allclose(coordinates, [5.5, 0.5, 3.25, 2.0, 0.0], atol=1e-5)


def test_a_move_along_the_membrane_is_drift_and_an_increment():
    coordinates = np.float32([3.0])
    words = np.array([word(17, 2**11 + 1000)], np.uint32)
    ones = np.ones(1, np.float32)
    move_round(coordinates, ones, ones, np.float32([0.5]), np.float32(0.5), words, np.float32(1e-3))
    np.testing.assert_allclose(coordinates, [3.0 + 0.5 * 1.5 + 1.0005], atol=1e-6)
