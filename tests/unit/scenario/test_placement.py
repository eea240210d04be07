import numpy as np
import pytest

from mc.errors import ScenarioError
from mc.scenario.placement import place


def test_even_places_are_the_centres_of_equal_intervals(read_2d):
    placement = place(read_2d("channels.0.count=4", "channels.0.placement=even"), seed=1)
    np.testing.assert_allclose(placement.channels, [25, 75, 125, 175])


def test_places_are_given_in_the_order_of_the_types(read_2d):
    channels = (
        'channels=[{name="K", count=2, permeability={K="0.03 nm^3/ns"}, placement=["7 nm", "3 nm"]}, '
        '{name="Na", count=1, permeability={Na="0.01 nm^3/ns"}, placement="even"}]'
    )
    placement = place(
        read_2d(channels, 'pumps.0.placement=["0 nm", "1 nm", "2 nm", "3 nm", "199 nm"]'), seed=1
    )
    assert placement.channels.tolist() == [7, 3, 100]
    assert placement.pumps.tolist() == [0, 1, 2, 3, 199]
    assert placement.pumps.dtype == np.float64


def test_random_places_are_the_same_for_the_same_seed_only(read_2d):
    scenario = read_2d()
    first, again, other = place(scenario, 1), place(scenario, 1), place(scenario, 2)
    np.testing.assert_array_equal(first.channels, again.channels)
    np.testing.assert_array_equal(first.pumps, again.pumps)
    assert not np.any(first.channels == other.channels)
    assert not np.any(np.isin(first.pumps, first.channels))


def test_random_places_fill_the_width_uniformly(read_2d):
    """Mean and variance of 20,000 places within 5 standard errors: a false alarm once in 1e6 runs."""
    y = place(read_2d("channels.0.count=20000"), seed=3).channels
    assert 0 <= y.min() < y.max() < 200
    assert y.mean() == pytest.approx(100, abs=5 * 200 / np.sqrt(12 * y.size))
    assert y.var() == pytest.approx(200**2 / 12, abs=5 * 200**2 / np.sqrt(180 * y.size))


def test_how_one_type_is_placed_does_not_move_another(read_2d):
    channels = (
        'channels=[{name="K", count=3, permeability={K="0.03 nm^3/ns"}, placement="%s"}, '
        '{name="Na", count=3, permeability={Na="0.01 nm^3/ns"}}]'
    )
    random, even = (place(read_2d(channels % rule), seed=1).channels for rule in ("random", "even"))
    np.testing.assert_array_equal(random[3:], even[3:])
    assert not np.any(random[:3] == even[:3])


def test_a_cluster_reaches_across_the_periodic_end(read_2d):
    cluster = 'channels.0.cluster={centre="198 nm", radius="10 nm"}'
    random = place(read_2d(cluster), seed=1).channels
    assert np.all((random >= 188) & (random < 200) | (random < 8))
    assert random.min() < 8 < 188 < random.max()
    even = place(read_2d(cluster, "channels.0.count=5", "channels.0.placement=even"), seed=1).channels
    np.testing.assert_allclose(even, [190, 194, 198, 2, 6])


def test_no_place_is_at_the_width_itself(read_2d):
    """1e-15 below zero is, rounded, the width, which is zero again."""
    cluster = 'channels.0.cluster={centre="0 nm", radius="1e-15 nm"}'
    y = place(read_2d(cluster, "channels.0.count=2", "channels.0.placement=even"), seed=1).channels
    assert np.all(y < 200)


def test_in_one_dimension_all_stand_at_zero(read):
    placement = place(read(), seed=1)
    assert (placement.channels.size, placement.pumps.size) == (100, 5)
    assert not placement.channels.any()


def test_without_proteins_there_are_no_places(read_2d):
    placement = place(read_2d("channels=[]", "pumps=[]"), seed=1)
    assert placement.channels.shape == placement.pumps.shape == (0,)


CLUSTER = '{centre="100 nm", radius="10 nm"}'


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("channels.0.placement=evenly", 'expected "random", "even" or an array of positions'),
        ("channels.0.placement=5", "found 5"),
        ("channels.0.placement={}", "found a table"),
        ('channels.0.placement=["5 nm"]', "placement: 1 positions for a count of 100: each needs one"),
        ('channels.0.placement=["5 mV"]', "placement.0: expected a length"),
        ('pumps.0.placement=["1 nm","2 nm","-3 nm","4 nm","5 nm"]', "placement.2: must not be negative"),
        (
            'pumps.0.placement=["1 nm","2 nm","3 nm","4 nm","200 nm"]',
            "placement.4: 200 nm must be less than the membrane's width, 200 nm",
        ),
        ('channels.0.cluster={centre="200 nm", radius="1 nm"}', "cluster.centre: 200 nm must be less than"),
        (
            'channels.0.cluster={centre="1 nm", radius="101 nm"}',
            "cluster.radius: 101 nm is more than half of the membrane's width, 200 nm",
        ),
        ('channels.0.cluster={centre="1 nm"}', "cluster.radius: missing"),
        (
            "channels.0.pore.mouth_width=200 nm",
            "pore.mouth_width: 200 nm must be less than the membrane's width",
        ),
    ],
)
def test_impossible_places_are_refused(read_2d, override, fragment):
    with pytest.raises(ScenarioError) as error:
        read_2d(override)
    assert fragment in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_cluster_of_given_positions_is_refused(read_2d):
    positions = 'pumps.0.placement=["1 nm","2 nm","3 nm","4 nm","5 nm"]'
    with pytest.raises(
        ScenarioError, match=r'cluster: stands beside positions: .* placement = "random" or "even"'
    ):
        read_2d(positions, f"pumps.0.cluster={CLUSTER}")


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("channels.0.placement=even", "placement: placement needs dimensions = 2"),
        (f"pumps.0.cluster={CLUSTER}", "cluster: cluster needs dimensions = 2"),
    ],
)
def test_one_dimension_has_no_places(read, override, fragment):
    with pytest.raises(ScenarioError) as error:
        read(override)
    assert fragment in str(error.value)
