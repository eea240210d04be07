import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from mc.engines.brownian import crossing
from mc.engines.brownian.crossing import INSIDE, OUTSIDE, Pores
from mc.membrane.gating import CHAIN
from mc.streams import stream_key

THICKNESS = 4.0
KEYS = stream_key(1, 4), stream_key(1, 5)


# --- entry ---


def test_entry_velocity_without_a_field_is_one_over_the_mouth_depth():
    assert crossing.entry_velocity(0.0, 0.3, 1.0) == pytest.approx(1 / 0.3)
    assert crossing.entry_velocity(1e-9, 0.3, 1.0) == pytest.approx(1 / 0.3)


def test_entry_velocity_is_continuous_where_its_series_takes_over():
    slope = 1.0e-6 / 0.3
    below, above = (crossing.entry_velocity(slope * factor, 0.3, 1.0) for factor in (1 - 1e-9, 1 + 1e-9))
    assert below == pytest.approx(above, rel=1e-9)


def test_entry_velocity_in_a_strong_field_is_the_drift_or_nothing():
    assert crossing.entry_velocity(100.0, 0.3, 1.0) == pytest.approx(100.0)
    assert crossing.entry_velocity(100.0, 0.3, -1.0) == pytest.approx(100.0 * math.exp(-30.0), rel=1e-3)


@pytest.mark.parametrize("slope", [-2.0, -0.3, 0.1, 1.5])
def test_entry_velocities_at_the_two_faces_are_in_detailed_balance(slope):
    """Their ratio is exp(u delta): the rest of the way, over d - delta, the field does the same inside."""
    inner, outer = (crossing.entry_velocity(slope, 0.3, sign) for sign in (1.0, -1.0))
    assert inner / outer == pytest.approx(math.exp(slope * 0.3))


@pytest.mark.parametrize("mouth_depth", [0.2, 0.3, 0.4])
@pytest.mark.parametrize("slope", [-1.0, 0.2, 0.9])
def test_entry_times_exit_is_the_ghk_flux_at_any_mouth_depth(slope, mouth_depth):
    """u/(1 - exp(-u delta)) times the chance (1 - exp(-u delta))/(1 - exp(-u d)) to go on: u/(1 - exp(-u d))."""
    onward = math.expm1(-slope * mouth_depth) / math.expm1(-slope * THICKNESS)
    flux = crossing.entry_velocity(slope, mouth_depth, 1.0) * onward
    assert flux == pytest.approx(-slope / math.expm1(-slope * THICKNESS))


def stationary_velocity(exponent, cells=40, length=12):
    """Return the velocity, in sqrt(D/dt), that a wall of this exponent has for a stationary walk.

    Solved on a lattice of `cells` a largest increment, in units of sqrt(D dt): ions are fed in far away, and what
    arrives at the wall is divided by the density that the linear profile has there.
    """
    # The increments, whole numbers of cells, have the variance 2.
    width = math.sqrt(6.0 / (cells * (cells + 1)))
    largest = cells * width
    n = cells * length
    centres = (np.arange(n) + 0.5) * width
    steps = np.arange(-cells, cells + 1)
    transfer = np.zeros((n, n))
    survival = np.exp(-exponent * centres)
    for step in steps:
        target = np.arange(n) + step
        crossed = target < 0
        landing = np.where(crossed, -target - 1, np.where(target >= n, 2 * n - 1 - target, target))
        weight = np.where(crossed, survival[landing], 1.0) / steps.size
        np.add.at(transfer, (np.arange(n), landing), weight)
    source = np.zeros(n)
    source[-cells:] = 1.0 / cells
    density = np.linalg.solve(np.eye(n) - transfer.T, source) / width
    is_linear = (centres > 3.0 * largest) & (centres < (length - 3.0) * largest)
    at_wall = np.polyfit(centres[is_linear], density[is_linear], 1)[1]
    return 1.0 / at_wall


@pytest.mark.parametrize(("velocity", "error"), [(0.01, 0.005), (0.1, 0.005), (0.4, 0.006), (0.6, 0.025)])
def test_the_entry_law_takes_ions_at_the_velocity_it_is_given(velocity, error):
    """Against the numerical solution of the walk beside the wall."""
    exponent = crossing.entry_exponent(velocity, 1.0, 1.0)
    assert stationary_velocity(exponent) == pytest.approx(velocity, rel=error)


def test_a_first_order_entry_law_would_be_noticed():
    assert stationary_velocity(2.0 * 0.4) < 0.97 * 0.4


def test_entry_exponent_depends_on_the_time_step_in_units_of_the_step_length_alone():
    """kappa sqrt(dt/D) says it all: lengths scale with sqrt(D dt)."""
    scaled = crossing.entry_exponent(0.2, 1.0, 1.0)
    assert crossing.entry_exponent(0.2 * 2.0 / 3.0, 2.0, 4.5) * 3.0 == pytest.approx(scaled)


def test_entry_probability_rises_with_the_overshoot_from_none_to_certainty():
    assert crossing.entry_probability(0.5, 0.0) == 0.0
    assert crossing.entry_probability(0.5, 2.0) == pytest.approx(1.0 - math.exp(-1.0))
    assert crossing.entry_probability(0.5, 1e6) == 1.0


def make_pores(counts=(2, 3), capture=((1.0,), (3.0,)), n_ions=10):
    """Return pores of types that conduct at levels 0, not at all, and 1; `capture`: (types, species) open."""
    types = len(counts)
    open_ones = np.array(capture)[:, np.newaxis, :, np.newaxis] * np.ones((1, 2, 1, 2))
    open_ones[:, 0, :, INSIDE] = 0.0
    return Pores(
        thickness=THICKNESS,
        first_channel=np.concatenate([[0], np.cumsum(counts)]),
        capture=open_ones,
        diffusion_coefficient=np.ones((types, 2, 1)),
        mouth_depth=np.full(types, 0.3),
        substeps=np.full(types, 13),
        n_ions=np.zeros(1, np.int64),
        table=np.zeros(n_ions, crossing.PORE_ION).view(np.recarray),
        crossings=np.zeros((types, 1, 2), np.int64),
    )


@pytest.fixture
def in_python(monkeypatch):
    """Let a kernel that only kernels call be called from Python."""
    monkeypatch.setattr(crossing, "capture_weight", crossing.capture_weight.py_func)


def chains_of(is_open):
    chains = np.zeros(len(is_open), CHAIN).view(np.recarray)
    chains.level = is_open
    return chains


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        # Open are channels 1, 2 and 4, with weights 1, 3 and 3.
        (INSIDE, {1: 1 / 7, 2: 3 / 7, 4: 3 / 7}),
        # From the outside every channel takes ions, weights 1, 1, 3, 3 and 3.
        (OUTSIDE, {0: 1 / 11, 1: 1 / 11, 2: 3 / 11, 3: 3 / 11, 4: 3 / 11}),
    ],
)
def test_a_channel_is_chosen_in_proportion_to_its_weight(in_python, side, expected):
    chains = chains_of([False, True, True, False, True])
    draws = (np.arange(770) + 0.5) / 770
    chosen = [
        crossing.choose_channel.py_func(make_pores(), np.array([[1, 1], [1, 2]]), chains, 0, side, 0.2, draw)
        for draw in draws
    ]
    shares = dict(zip(*np.unique(chosen, return_counts=True), strict=True))
    assert {channel: n / 770 for channel, n in shares.items()} == pytest.approx(expected, abs=2 / 770)


def test_no_draw_leaves_an_ion_without_a_channel_or_with_one_that_does_not_let_it_through(in_python):
    pores = make_pores(capture=((1.0,), (0.0,)))
    chains = chains_of([True, True, True, True, True])
    for draw in (0.0, 0.5, 1.0 - 1e-16, 1.0):
        assert crossing.choose_channel.py_func(
            pores, np.array([[0, 2], [0, 3]]), chains, 0, INSIDE, 0.0, draw
        ) in (
            0,
            1,
        )


def test_entry_from_outside_counts_closed_channels_too_and_from_inside_open_ones_only(in_python):
    exponents, thresholds = np.zeros((1, 2)), np.zeros((1, 2), np.uint32)
    one = np.ones(1)
    arguments = (np.zeros(1), 100.0, one, 0.01, exponents, thresholds)
    crossing.set_entry_exponents.py_func(make_pores(), np.array([[1, 1], [1, 2]]), *arguments)
    # Without a field: (1 + 2 * 3)/(0.3 * 100) and (2 + 3 * 3)/(0.3 * 100).
    expected = [crossing.entry_exponent(weight / 30.0, 1.0, 0.01) for weight in (7.0, 11.0)]
    np.testing.assert_allclose(exponents[0], expected)
    for side in range(2):
        largest = crossing.entry_probability(exponents[0, side], math.sqrt(0.06))
        assert 0.0 <= thresholds[0, side] / 256 - largest < 1 / 256


# --- in the pore ---


def test_touching_is_certain_at_or_beyond_the_end():
    assert crossing.touching_exponent(0.0, 1.0, 0.1) == 0.0
    assert crossing.touching_exponent(1.0, -0.1, 0.1) == 0.0
    assert crossing.touching_exponent(0.3, 0.2, 0.1) == pytest.approx(1.2)


@pytest.mark.parametrize("exponent", [0.0, 1e-12, 0.3, 1.2, 8.0, 700.0, 1e300, math.inf])
def test_a_draw_is_compared_with_an_exponential_as_if_it_had_been_computed(exponent):
    chance = math.exp(-exponent)
    draws = [draw for draw in (1e-10, 0.1, 0.5, 0.999999, 0.99 * chance, 1.01 * chance) if 0.0 < draw < 1.0]
    for draw in draws:
        assert crossing.is_below_exponential(draw, exponent) == (draw < chance)


@pytest.mark.parametrize("drift", [-0.4, 0.0, 0.7])
def test_the_bridge_gives_the_first_passage_of_drifting_brownian_motion(drift):
    """Integrated over the end point: Phi(-(a + m)/s) + exp(-2 m a/s^2) Phi((m - a)/s), the inverse Gaussian law."""
    start, variance = 0.5, 0.3
    deviation = math.sqrt(variance)
    touched, _ = quad(
        lambda end: (
            norm.pdf(end, start + drift, deviation)
            * math.exp(-crossing.touching_exponent(start, end, variance))
        ),
        -5.0,
        6.0,
        points=[0.0],
    )
    expected = norm.cdf(-(start + drift) / deviation) + math.exp(-2.0 * drift * start / variance) * norm.cdf(
        (drift - start) / deviation
    )
    assert touched == pytest.approx(expected, abs=1e-7)


GATE_DEPTH = 0.3


def walk_out(ion, depth, slope, is_open=True, time_step=1.0, substeps=13, slope_per_move=0.0):
    """Walk one ion until it is out; return its end and the time left in that step."""
    step, time_left = 0, 0.0
    while 0.0 < depth < THICKNESS:
        before = depth
        depth, time_left, _ = crossing.walk_in_pore(
            depth,
            slope,
            slope_per_move,
            1.0,
            THICKNESS,
            is_open,
            GATE_DEPTH,
            substeps,
            time_step,
            *KEYS,
            ion,
            step,
        )
        slope -= slope_per_move * (depth - before)
        step += 1
    return depth, time_left, step


@pytest.mark.parametrize("time_step", [1.0, 30.0])
def test_an_ion_climbs_its_own_charge_however_long_the_step(time_step):
    """The chance to leave outward, for the energy -u x + s x^2/2, x from where it starts; 4000 walks, 5 sigma."""
    n, start, slope, per_move = 4000, 0.8, 0.4, 0.6
    depths = np.linspace(0.0, THICKNESS, 4001)
    moved = depths - start

    def chance(per_move):
        weights = np.exp(-slope * moved + 0.5 * per_move * moved**2)
        return np.trapezoid(np.where(depths <= start, weights, 0.0), depths) / np.trapezoid(weights, depths)

    substeps = math.ceil(13 * time_step)
    outward = sum(
        walk_out(ion, start, slope, time_step=time_step, substeps=substeps, slope_per_move=per_move)[0]
        == THICKNESS
        for ion in range(n)
    )
    expected = chance(per_move)
    error = 5.0 * math.sqrt(n * expected * (1.0 - expected))
    assert abs(outward - n * expected) < error
    assert abs(outward - n * chance(0.0)) > error


@pytest.mark.parametrize("slope", [-0.6, 0.0, 0.6])
@pytest.mark.parametrize("depth", [0.3, 2.0])
def test_the_chance_to_leave_outward_is_the_scale_function(slope, depth):
    """(1 - exp(-u x))/(1 - exp(-u d)), x/d without a field; 4000 walks, 5 sigma; a wrong sign would be noticed."""
    n = 4000
    outward = sum(walk_out(ion, depth, slope)[0] == THICKNESS for ion in range(n))

    def chance(u):
        return depth / THICKNESS if u == 0.0 else math.expm1(-u * depth) / math.expm1(-u * THICKNESS)

    error = math.sqrt(n * chance(slope) * (1.0 - chance(slope)))
    assert abs(outward - n * chance(slope)) < 5.0 * error
    if slope:
        assert abs(outward - n * chance(-slope)) > 5.0 * error


def test_the_mean_time_in_the_pore_is_that_of_free_diffusion():
    """x (d - x)/(2 D) = 2 ns from the middle; its standard deviation is sqrt(2/3) of that. 4000 walks, 5 sigma."""
    n = 4000
    times = []
    for ion in range(n):
        _, time_left, steps = walk_out(ion, 2.0, 0.0)
        times.append(steps - time_left)
    assert abs(np.mean(times) - 2.0) < 5.0 * 2.0 * math.sqrt(2.0 / 3.0 / n)


def test_ions_beyond_a_closed_gate_leave_on_the_outer_side_against_any_field():
    assert all(walk_out(ion, GATE_DEPTH, -0.5, is_open=False)[0] == THICKNESS for ion in range(50))


def test_the_mean_time_behind_a_closed_gate_is_that_of_a_reflected_walk():
    """(d - x)^2/(2 D) from the gate itself, 6.8 ns; its variance is two thirds of the square. 2000 walks, 5 sigma."""
    n, length = 2000, THICKNESS - GATE_DEPTH
    times = []
    for ion in range(n):
        _, time_left, steps = walk_out(ion, GATE_DEPTH, 0.0, is_open=False)
        times.append(steps - time_left)
    expected = length**2 / 2.0
    assert abs(np.mean(times) - expected) < 5.0 * expected * math.sqrt(2.0 / 3.0 / n)


def test_an_ion_shallower_than_a_closing_gate_is_out_on_its_inner_side():
    assert walk_out(1, 0.2, -0.5, is_open=False)[:2] == (0.0, 1.0)


def test_a_closed_gate_reflects_the_drifting_walk_exactly():
    """The stationary density between a wall and a far end that is never reached: exp(u x), mean 1/|u|. 5 sigma.

    Steps of half the decay length: reflecting the end of a step instead of its path would be off by a tenth.
    """
    slope, n, total = -2.0, 20_000, 0.0
    depth = GATE_DEPTH + 0.5
    for step in range(n):
        depth, _, _ = crossing.walk_in_pore(
            depth, slope, 0.0, 1.0, 50.0, False, GATE_DEPTH, 1, 0.03, *KEYS, 1, step
        )
        total += depth - GATE_DEPTH
    # Correlation time of the reflected walk: about 4/(D u^2) ns, 33 steps.
    error = 0.5 * math.sqrt(2.0 * 33.0 / n)
    assert abs(total / n - 0.5) < 5.0 * error


def test_lowest_point_inverts_the_chance_to_touch():
    """P(lowest point < 0) is the chance to touch zero. 20000 draws, 5 sigma."""
    rng = np.random.default_rng(3)
    n, chance = 20_000, math.exp(-crossing.touching_exponent(0.3, 0.5, 0.4))
    below = sum(crossing.lowest_point(0.3, 0.5, 0.4, draw) < 0.0 for draw in rng.random(n))
    assert abs(below - n * chance) < 5.0 * math.sqrt(n * chance * (1.0 - chance))


def test_an_ion_that_stays_has_no_time_left_and_one_that_leaves_has_no_more_than_the_step():
    depth, time_left, normal = crossing.walk_in_pore(
        2.0, 0.0, 0.0, 1e-9, THICKNESS, True, GATE_DEPTH, 5, 1.0, *KEYS, 1, 1
    )
    assert depth == pytest.approx(2.0, abs=1e-3)
    assert (time_left, normal) == (0.0, 0.0)
    depth, time_left, _ = crossing.walk_in_pore(
        0.01, -5.0, 0.0, 1.0, THICKNESS, True, GATE_DEPTH, 5, 1.0, *KEYS, 1, 1
    )
    assert depth == 0.0
    assert 0.0 < time_left < 1.0


@pytest.mark.parametrize(("member", "group"), [(0, 0), (2, 0), (3, 1), (4, 2), (9, 2)])
def test_find_group(member, group):
    """Groups of 3, 1 and 6 members."""
    assert crossing.find_group(member, np.array([0, 3, 4, 10])) == group


def test_charge_in_pores_counts_for_the_slab_by_the_distance_from_the_outer_face():
    pores = make_pores()
    pores.n_ions[0] = 3
    pores.table.ion[:3], pores.table.depth[:3] = [0, 6, 7], [0.0, 1.0, 3.0]
    valences, first_ion = np.array([1, 2]), np.array([0, 5, 10])
    induced, total = crossing.charge_in_pores(pores, valences, first_ion)
    assert induced == pytest.approx(1.0 + 2 * 0.75 + 2 * 0.25)
    assert total == 5.0
