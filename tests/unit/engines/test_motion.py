import numpy as np
import pytest

from mc.engines.brownian import motion
from mc.engines.brownian.motion import NEAREST


@pytest.mark.parametrize(
    ("target", "end"),
    [(3.0, 3.0), (-2.0, 2.0), (12.0, 8.0), (10.0, 10.0), (0.0, NEAREST), (20.0, NEAREST), (-12.0, 8.0)],
)
def test_face_and_far_wall_are_mirrors(target, end):
    assert motion.reflect(np.float32(target), np.float32(10.0)) == pytest.approx(end)


def test_increments_are_uniform_with_variance_two_d_dt():
    scale = motion.increment_scale(np.array([2.0, 0.5]), 0.5)
    assert scale.dtype == np.float32
    largest = scale.astype(float) * 2**23
    np.testing.assert_allclose(largest**2 / 3.0, [2.0, 0.5], rtol=1e-6)


def diffuse(positions, words, threshold=0, length=10.0, scale=None):
    """Move a block; the largest increment is 3 nm unless `scale` is given. Return the candidates."""
    is_candidate = np.zeros(positions.size, np.uint32)
    scale = np.float32(3.0 / 2**23) if scale is None else scale
    lengths = np.float32(length), np.float32(length)
    drift = np.zeros(positions.size, np.float32)
    motion.drift_and_diffuse_block.py_func(
        positions, drift, words, is_candidate, scale, *lengths, *np.uint32([threshold] * 2)
    )
    return is_candidate


def word(upper, lower=0):
    """Return a random word that makes an increment of (upper/2^23 - 1) times the largest."""
    return (upper << 8) | lower


def test_the_upper_bits_of_a_word_make_the_increment():
    words = np.array([word(0), word(2**23), word(2**24 - 1)], np.uint32)
    positions = np.array([5.0, 5.0, 5.0], np.float32)
    diffuse(positions, words)
    np.testing.assert_allclose(positions, [2.0, 5.0, 8.0], atol=1e-5)


def test_the_increment_counts_away_from_the_membrane_on_either_side():
    positions = np.array([-5.0, 5.0], np.float32)
    diffuse(positions, np.array([word(2**24 - 1)] * 2, np.uint32))
    np.testing.assert_allclose(positions, [-8.0, 8.0], atol=1e-5)


def test_no_ion_changes_sides_by_itself():
    random = np.random.default_rng(1)
    positions = (random.uniform(0, 1.0, 1000) * random.choice([-1, 1], 1000)).astype(np.float32)
    before = np.sign(positions)
    diffuse(positions, random.integers(0, 2**32, 1000, dtype=np.uint32))
    np.testing.assert_array_equal(np.sign(positions), before)
    assert np.all(abs(positions) >= NEAREST)
    assert np.all(abs(positions) <= 10.0)


def test_candidates_are_those_that_would_cross_with_a_low_byte_below_the_threshold():
    towards, away = 0, 2**24 - 1
    words = [word(towards, 4), word(towards, 5), word(away, 0), word(towards, 0)]
    positions = np.array([1.0, 1.0, 1.0, -5.0], np.float32)
    assert list(diffuse(positions, np.array(words, np.uint32), threshold=5)) == [1, 0, 0, 0]


def test_a_reflected_ion_is_as_far_from_the_face_as_its_move_went_beyond():
    positions = np.array([1.0, -0.5], np.float32)
    diffuse(positions, np.array([word(0)] * 2, np.uint32))
    np.testing.assert_allclose(positions, [2.0, -2.5], atol=1e-5)


def drift(positions, displacements, length=10.0):
    """Move by the drift alone."""
    words = np.full(positions.size, word(2**23 + 5000), np.uint32)
    flags, thresholds = np.zeros(positions.size, np.uint32), np.uint32([0, 0])
    motion.drift_and_diffuse_block.py_func(
        positions, displacements, words, flags, np.float32(0.0), *np.float32([length, length]), *thresholds
    )


def test_drift_moves_away_from_the_membrane_for_positive_displacements():
    positions = np.array([-5.0, 5.0, 9.5, -0.2], np.float32)
    drift(positions, np.array([1.0, 1.0, 1.0, -0.5], np.float32))
    np.testing.assert_allclose(positions, [-6.0, 6.0, 9.5, -0.3], atol=1e-6)


def test_a_block_that_drifts_and_diffuses_at_once_moves_as_one_that_does_both_in_turn():
    """Ions that drift beyond the far wall, with the opposite increment: it is as probable."""
    random = np.random.default_rng(2)
    positions = (random.uniform(0, 10.0, 500) * random.choice([-1, 1], 500)).astype(np.float32)
    displacements = random.normal(0.0, 0.5, 500).astype(np.float32)
    words = random.integers(0, 2**32, 500, dtype=np.uint32)
    in_turn, at_once, flags = positions.copy(), positions.copy(), np.zeros(500, np.uint32)
    lengths = np.float32(10.0), np.float32(10.0)
    is_beyond_wall = np.abs(positions) + displacements > 10.0
    drift(in_turn, displacements)
    opposite = np.where(is_beyond_wall, words ^ np.uint32(0xFFFFFF00), words)
    expected = diffuse(in_turn, opposite, threshold=128)
    assert is_beyond_wall.sum() > 5
    motion.drift_and_diffuse_block.py_func(
        at_once, displacements, words, flags, np.float32(3.0 / 2**23), *lengths, *np.uint32([128] * 2)
    )
    np.testing.assert_array_equal(at_once[~is_beyond_wall], in_turn[~is_beyond_wall])
    np.testing.assert_allclose(at_once, in_turn, atol=4e-6)
    np.testing.assert_array_equal(flags, expected)
