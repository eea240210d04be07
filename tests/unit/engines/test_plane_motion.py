"""How ions move where places along the membrane are tracked: one random word for two axes."""

import numpy as np
import pytest
from numba import njit

from mc.engines.brownian import motion, plane_motion
from mc.field import differences
from mc.field.mesh import make_mesh

LENGTH, WIDTH = np.float32(10.0), np.float32(6.0)
INVERSE_SPACING, INVERSE_SPACING_ALONG = np.float32(4.0), np.float32(2.0)
MESH = make_mesh(42, 0.25, 12, float(WIDTH))


@njit
def move_all(positions, places, halves, mesh, factor, factor_along, words, scale, threshold):
    return plane_motion.move_all_on_two_axes(
        positions,
        places,
        halves,
        words,
        mesh,
        factor,
        factor_along,
        scale,
        WIDTH,
        LENGTH,
        LENGTH,
        threshold,
        threshold,
    )


def move(positions, places, words, *, slopes=None, factors=(1.0, 1.0), scale=0.0, threshold=0):
    """Move ions in fields of their own, (3, ions), see `differences.pack`; return if any is a candidate."""
    slopes = np.zeros((3, positions.size)) if slopes is None else np.broadcast_to(slopes, (3, positions.size))
    fields = np.array([differences.pack(*map(np.float32, three)) for three in slopes.T], np.uint64)
    return move_all(
        positions,
        places,
        fields.view(np.uint32),
        MESH,
        *np.float32(factors),
        words,
        np.float32(scale),
        np.uint32(threshold),
    )


def diffuse(positions, places, words, scale, threshold):
    """Move ions where there is no field."""
    return move_all(positions, places, None, MESH, *np.float32([1.0, 1.0]), words, scale, threshold)


def word(normal, along=2**11, low=0):
    """Return a random word with 12 bits for either axis and a low byte."""
    return (normal << 20) | (along << 8) | low


def random_ions(n, seed):
    random = np.random.default_rng(seed)
    positions = (random.uniform(0, LENGTH, n) * random.choice([-1, 1], n)).astype(np.float32)
    places = random.uniform(0, WIDTH, n).astype(np.float32)
    # Such as a word holds, so that what is expected has no rounding of its own.
    slopes = np.round(random.normal(0.0, 0.5, (3, n)) * 256) / 256
    return positions, places, slopes, random.integers(0, 2**32, n, dtype=np.uint32)


def test_ions_that_only_diffuse_do_what_they_would_in_a_field_of_zero():
    positions, places, _, words = random_ions(5000, seed=5)
    expected, given = (positions.copy(), places.copy(), words.copy()), (positions, places, words)
    scale, threshold = np.float32(3.0 / 2**11), np.uint32(40)
    any_candidate = move(*expected, scale=scale, threshold=threshold)
    assert diffuse(*given, scale, threshold) == any_candidate == 1
    assert 0 < words.sum() < 500
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_array_equal(one, other)


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
    in_plane, places, slopes, words = random_ions(500, seed=2)
    in_line, flags, in_words = in_plane.copy(), np.zeros(500, np.uint32), words.copy()
    fraction_along = places * INVERSE_SPACING_ALONG % 1
    displacements = (2.0 * (slopes[0] + slopes[2] * fraction_along)).astype(np.float32)
    scale = np.float32(3.0 / 2**23)
    found = move(
        in_plane,
        places,
        in_words,
        slopes=slopes,
        factors=(2.0, 1.0),
        scale=scale * plane_motion.COARSER,
        threshold=128,
    )
    middle = (words & np.uint32(0xFFF000FF)) | np.uint32(2**11 << 8)
    motion.drift_and_diffuse_block.py_func(
        in_line, displacements, middle, flags, scale, LENGTH, LENGTH, *np.uint32([128, 128])
    )
    np.testing.assert_allclose(in_plane, in_line, atol=1e-5)
    np.testing.assert_array_equal(in_words, flags)
    assert found == 1
    assert 0 < flags.sum() < 500


def test_a_move_along_the_membrane_is_drift_and_an_increment_around_the_period():
    positions, places, slopes, words = random_ions(300, seed=3)
    fraction = np.abs(positions) * INVERSE_SPACING % 1
    increments = 1e-3 * np.array([float(plane_motion.centre_transverse(one)) for one in words])
    expected = places + 0.7 * (slopes[1] + slopes[2] * fraction) + increments
    move(positions, places, words, slopes=slopes, factors=(1.0, 0.7), scale=1e-3)
    assert ((places >= 0) & (places <= WIDTH)).all()
    turns = (places - expected) / WIDTH
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-6)
    assert len(set(np.round(turns))) == 3


def test_a_piece_without_a_candidate_says_so():
    words = np.array([word(0, low=200), word(4095, low=0)], np.uint32)
    positions = np.float32([1.0, 1.0])
    assert move(positions, np.ones(2, np.float32), words, scale=3.0 / 2**11, threshold=100) == 0
    np.testing.assert_allclose(positions, [2.0, 4.0], atol=2e-3)
    assert not words.any()


def test_a_periodic_axis_brings_ions_back_on_the_other_side_however_far_they_went():
    places = np.float32([0.5, 5.5, 3.0, 1.0, 1.0])
    slopes = np.array([[0.0] * 5, [-1.0, 1.0, 0.25, 31.0, -31.0], [0.0] * 5])
    move(np.ones(5, np.float32), places, np.full(5, word(0), np.uint32), slopes=slopes)
    np.testing.assert_allclose(places, [5.5, 0.5, 3.25, 2.0, 0.0], atol=1e-5)
