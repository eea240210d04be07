import numpy as np
import pytest

from mc import streams

ALL_ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0), (0, 0), (0x9D1C5EC6, 0x8BD50731)),
        ((ALL_ONES, ALL_ONES), (ALL_ONES, ALL_ONES), (0xFD36D048, 0x2D17272C)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xBA3E4725, 0xF27D669E)),
    ],
)
def test_threefry_gives_the_published_words(counter, key, expected):
    """Known answers of Random123 for threefry2x32 with 13 rounds."""
    words = streams.threefry(*map(np.uint32, (*counter, *key)))
    assert tuple(map(int, words)) == expected


def test_uniform_numbers_lie_strictly_between_zero_and_one_and_have_the_right_moments():
    """Mean and variance of 1e5 draws within 5 standard errors: a false alarm once in 1e6 runs."""
    draws = streams.uniforms(streams.stream_key(3, streams.ENTRY), 100_000, 17)
    assert 0.0 < draws.min() < draws.max() < 1.0
    assert draws.mean() == pytest.approx(0.5, abs=5 / np.sqrt(12 * draws.size))
    assert draws.var() == pytest.approx(1 / 12, abs=5 / np.sqrt(180 * draws.size))


@pytest.mark.parametrize("word", [0, 1, ALL_ONES - 1, ALL_ONES])
def test_no_random_word_becomes_zero_or_one(word):
    assert 0.0 < (word + 0.5) * streams._TO_UNIT < 1.0


def test_a_draw_depends_on_seed_stream_entity_and_step_and_on_nothing_else():
    def draw(seed=1, stream=streams.ENTRY, entity=5, step=9):
        return streams.uniform(streams.stream_key(seed, stream), entity, step)

    assert draw() == draw()
    others = [
        draw(seed=2),
        draw(seed=1 + 2**40),
        draw(stream=streams.DIFFUSION),
        draw(entity=6),
        draw(step=10),
    ]
    assert len({draw(), *others}) == 6


def test_every_stream_has_a_key_of_its_own():
    assert len({tuple(streams.stream_key(4, stream)) for stream in range(11)}) == 11


def test_uniforms_are_the_draws_of_the_entities_in_order():
    key = streams.stream_key(8, streams.PLACEMENT)
    np.testing.assert_array_equal(
        streams.uniforms(key, 4, 2), [streams.uniform(key, entity, 2) for entity in range(4)]
    )


@pytest.mark.parametrize(
    ("first", "second"), [(streams.ENTRY, streams.PORE_WALK), (streams.DIFFUSION, streams.ENTRY)]
)
def test_streams_entities_and_steps_are_uncorrelated(first, second):
    """Correlation of 20,000 pairs within 5/sqrt(n): a false alarm once in 1e6 runs for each comparison."""
    n = 20_000
    here = streams.uniforms(streams.stream_key(1, first), n, 0)
    for other in (
        streams.uniforms(streams.stream_key(1, second), n, 0),
        streams.uniforms(streams.stream_key(1, first), n, 1),
        streams.uniforms(streams.stream_key(2, first), n, 0),
        np.roll(here, 1),
        np.roll(here, 1024),
    ):
        assert abs(np.corrcoef(here, other)[0, 1]) < 5 / np.sqrt(n)


def test_numbers_of_a_pair_are_different_and_the_first_is_the_single_one():
    key = streams.stream_key(1, streams.ENTRY)
    first, second = streams.uniform_pair(key, 3, 4)
    assert first == streams.uniform(key, 3, 4)
    assert first != second


def test_pairs_drawn_together_are_those_drawn_one_by_one():
    key, entities = streams.stream_key(1, streams.ENTRY), np.array([3, 900, ALL_ONES, 0, 3], np.uint32)
    words = np.zeros((2, entities.size), np.uint32)
    streams.draw_pairs.py_func(entities, np.uint32(4), key, *words)
    pairs = [streams.uniform_pair(key, entity, 4) for entity in entities]
    np.testing.assert_array_equal(
        [[streams.as_uniform(word) for word in row] for row in words], np.transpose(pairs)
    )


def test_exponential_numbers_have_mean_and_variance_one():
    """20,000 draws; bounds of 5 standard errors, 1/sqrt(n) of the mean and sqrt(8/n) of the variance."""
    key = streams.stream_key(5, streams.WAITING)
    draws = np.array([streams.exponential(key, entity, 0) for entity in range(20_000)])
    assert draws.min() > 0.0
    assert draws.mean() == pytest.approx(1.0, abs=5 / np.sqrt(draws.size))
    assert draws.var() == pytest.approx(1.0, abs=5 * np.sqrt(8 / draws.size))


def test_normal_numbers_have_the_moments_of_the_normal_distribution():
    """20,000 pairs; each bound is 5 standard errors: 1, sqrt 2, sqrt 96 over sqrt n for moments 1, 2 and 4."""
    key = streams.stream_key(6, streams.PORE_WALK)
    pairs = np.array([streams.normal_pair(key, entity, 0) for entity in range(20_000)])
    n = len(pairs)
    np.testing.assert_allclose(pairs.mean(axis=0), 0.0, atol=5 / np.sqrt(n))
    np.testing.assert_allclose((pairs**2).mean(axis=0), 1.0, atol=5 * np.sqrt(2 / n))
    np.testing.assert_allclose((pairs**4).mean(axis=0), 3.0, atol=5 * np.sqrt(96 / n))
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 5 / np.sqrt(n)


def test_the_largest_entity_and_step_have_a_number_too():
    key = streams.stream_key(2**63 - 1, streams.ENTRY)
    assert 0.0 < streams.uniform(key, 2**32 - 1, 2**32 - 1) < 1.0
