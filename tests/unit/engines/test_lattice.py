"""The lattice engine: its voxels, its parts, and what it keeps to the ion."""

import copy

import numba
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm
from small_membrane import TABLES

from mc import streams
from mc.engines.base import APART, join
from mc.engines.lattice import crossing, diffusion, drift, sampling
from mc.engines.lattice.engine import LatticeEngine
from mc.errors import LedgerError
from mc.scenario.schema import Scenario

KEY = sampling.make_step_key(streams.stream_key(1, streams.VOXEL_DIFFUSION), 0)


def make_tables(**geometry):
    tables = copy.deepcopy(TABLES)
    tables["simulation"]["engine"] = "lattice"
    tables["geometry"].update(geometry)
    return tables


PLANE = {"dimensions": 2, "width": "40 nm", "depth": "50 nm"}


def make_engine(seed=1, time_step=0.5, threads=1, clamped_potential=None, dimensions=1, **geometry):
    tables = make_tables(**geometry)
    if dimensions == 2:
        del tables["geometry"]["area"]
        tables["geometry"].update(PLANE)
    return LatticeEngine(Scenario.model_validate(tables), seed, time_step, threads, clamped_potential)


# --- voxels ---


@pytest.mark.parametrize("spacing", ["0.8 nm", "0.77 nm", "3 nm", "11 nm", "500 nm"])
def test_voxels_fill_the_box(spacing):
    engine = make_engine(grid_spacing=spacing)
    centres, widths, nodes = engine.cells_along_x()
    assert widths[centres < 0.0].sum() == pytest.approx(8.0)
    assert widths[centres > 4.0].sum() == pytest.approx(12.0)
    assert np.all(widths > 0.0)
    assert np.all(np.diff(centres) > 0.0)
    assert nodes.size == centres.size
    assert {0.0, 4.0} <= set(nodes)
    box = engine.state.box
    assert box.voxels.volumes.sum() * box.voxels.columns == pytest.approx(20.0 * 2000.0)


def test_ions_start_uniform_on_their_own_sides():
    """Counts to the ion on either side; every voxel within 5 standard deviations."""
    engine = make_engine()
    counts, box, composition = engine.state.counts, engine.state.box, engine.composition
    ions = engine.observe().ions
    np.testing.assert_array_equal(ions[:, 0], composition.counts_inside)
    np.testing.assert_array_equal(ions[:, 1], composition.counts_outside)
    widths = box.voxels.widths.reshape(2, -1)
    shares = widths / widths.sum(axis=1, keepdims=True)
    expected = ions[:, :, np.newaxis] * shares
    found = counts[:, :, 0].reshape(expected.shape)
    assert np.all(abs(found - expected) <= 5.0 * np.sqrt(expected * (1.0 - shares)) + 1.0)


# --- diffusion ---


def rate_matrix(widths, spacing, diffusion_coefficient):
    """Return the rates of hopping from row to column."""
    n = len(widths)
    rates = np.zeros((n, n))
    for i in range(n):
        for j in (i - 1, i + 1):
            if 0 <= j < n:
                rates[i, j] = diffusion_coefficient / (spacing * widths[i])
                rates[i, i] -= rates[i, j]
    return rates


def as_matrix(transitions, n):
    """Return conditional chances by rank as the matrix of chances that they stand for."""
    matrix = np.zeros((n, n))
    for i in range(n):
        left = 1.0
        for target, chance in zip(transitions.targets[:, i], transitions.chances[:, i], strict=True):
            matrix[i, target] += left * chance
            left -= left * chance
        assert left == 0.0
    return matrix


@pytest.mark.parametrize("time_step", [1e-3, 0.3, 10.0, 1e4])
def test_transitions_are_the_exact_solution_of_hopping(time_step):
    widths = np.array([0.5, 1.0, 1.0, 1.0, 0.7])
    rates = rate_matrix(widths, 1.0, 2.0)
    row = diffusion.make_row(widths, 1.0, 2.0, time_step)
    shares = row.shares
    matrix = as_matrix(row.transitions, 5)
    np.testing.assert_allclose(matrix, expm(rates * time_step), atol=1e-12)
    # A uniform density stays uniform, each pair of voxels in balance.
    flow = widths[:, np.newaxis] * matrix
    np.testing.assert_allclose(flow, flow.T, atol=1e-12)
    # The mean over the step by Simpson's rule.
    moments = np.linspace(0.0, time_step, 20_001)
    if time_step < 100.0:
        decay, left = np.linalg.eig(rates)
        chances = [
            (left @ np.diag(np.exp(decay * t)) @ np.linalg.inv(left))[:, 0].real for t in moments[::20]
        ]
        np.testing.assert_allclose(
            shares, np.trapezoid(chances, moments[::20], axis=0) / time_step, atol=1e-4
        )
    else:
        np.testing.assert_allclose(shares, widths[0] / widths.sum(), rtol=1e-2)


@pytest.mark.parametrize("time_step", [1e-3, 0.3, 10.0, 1e4])
def test_an_open_row_is_the_exact_solution_with_a_reservoir(time_step):
    """By the equations of the mean, with the last voxel held at its count: any density of the others."""
    widths = np.array([0.5, 1.0, 1.0, 1.0, 0.7])
    row = diffusion.make_row(widths, 1.0, 2.0, time_step, is_open=True)
    rates = rate_matrix(widths, 1.0, 2.0)
    # What gets into the last voxel is gone, and what comes out of it is made up for.
    rates[4], rates[:, 4] = 0.0, 0.0
    rates[4, 3] = 2.0 / widths[4]
    start = np.array([3.0, 0.5, 2.0, 7.0, 4.0])
    after = start @ expm(rates * time_step)
    matrix = as_matrix(row.transitions, 5)
    found = start @ matrix + start[4] * row.immigration
    np.testing.assert_allclose(found[:4], after[:4], rtol=1e-9, atol=1e-10)
    # Over the step the mean in the first voxel, integrated along with the rest.
    augmented = np.zeros((6, 6))
    augmented[:5, :5] = rates
    augmented[0, 5] = 1.0
    mean = (np.append(start, 0.0) @ expm(augmented * time_step))[5] / time_step
    assert start @ row.shares + start[4] * row.immigrant_share == pytest.approx(mean, rel=1e-7)


@pytest.mark.parametrize("time_step", [0.3, 10.0, 1e4])
def test_transitions_around_a_ring_are_the_exact_solution(time_step):
    n = 8
    rates = 2.0 * (np.roll(np.eye(n), 1, axis=1) + np.roll(np.eye(n), -1, axis=1) - 2.0 * np.eye(n))
    matrix = as_matrix(diffusion.make_ring_transitions(n, 1.0, 2.0, time_step), n)
    np.testing.assert_allclose(matrix, expm(rates * time_step), atol=1e-12)


@numba.njit
def scatter_many(counts, transitions, key, n_trials):
    total = np.zeros(counts.size)
    squares = np.zeros(counts.size)
    faults = 0
    scattered = np.empty(counts.size, dtype=np.int64)
    left, numbers, picked, normals = np.empty((4, counts.size))
    large, places = np.empty((2, counts.size), dtype=np.int64)
    for trial in range(n_trials):
        left[:] = counts
        diffusion.scatter(left, transitions, key, trial, scattered, large, places, numbers, picked, normals)
        faults += int(scattered.sum() != counts.sum()) + int(scattered.min() < 0)
        total += scattered
        squares += scattered.astype(np.float64) ** 2
    return total / n_trials, squares / n_trials, faults


@pytest.mark.parametrize("counts", [[0, 0, 3, 0, 1], [40, 300, 900, 2000, 7000], [10**6, 0, 0, 10**9, 5]])
def test_scattered_counts_have_the_mean_and_the_variance_of_multinomials(counts):
    """5 standard errors for each voxel, of 20,000 trials; no trial loses an ion."""
    widths, counts = np.array([0.5, 1.0, 1.0, 1.0, 0.7]), np.array(counts)
    transitions = diffusion.make_row(widths, 1.0, 2.0, 0.4).transitions
    mean, square, faults = scatter_many(counts, transitions, KEY, 20_000)
    assert faults == 0
    matrix = as_matrix(transitions, 5)
    expected = counts @ matrix
    variance = counts @ (matrix * (1.0 - matrix))
    assert np.all(abs(mean - expected) <= 5.0 * np.sqrt(variance / 20_000) + 1e-9)
    fourth = 3.0 + 1.0 / np.maximum(variance, 0.05)
    spread = (square - mean**2) / variance - 1.0
    assert np.all(abs(spread) < 5.0 * np.sqrt(fourth / 20_000) + 1e-4)


def test_rows_beside_each_other_keep_to_their_lanes():
    """The chances of each row, and where a row has fewer voxels than its lanes, everything stays."""
    rows = [
        diffusion.make_row(np.array(widths), 1.0, 2.0, 0.4).transitions
        for widths in ([0.5, 1.0, 1.0, 0.7], [0.5, 1.2])
    ]
    packed = as_matrix(diffusion.pack_transitions(rows, 5), 10)
    expected = np.eye(10)
    expected[:4, :4], expected[5:7, 5:7] = as_matrix(rows[0], 4), as_matrix(rows[1], 2)
    np.testing.assert_allclose(packed, expected, atol=1e-15)
    assert packed[0, 0] < 0.9


# --- drift ---


@pytest.mark.parametrize("u", [-3.0, -0.1, -1e-8, 0.0, 1e-8, 0.1, 3.0])
def test_goldmans_factor(u):
    expected = 1.0 if u == 0.0 else u / -np.expm1(-u)
    assert drift.goldman_factor(u) == pytest.approx(expected, rel=1e-12)
    assert drift.goldman_factor(u) - drift.goldman_factor(-u) == pytest.approx(u, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("u", [1e-4, 0.2, 1.0, 4.0])
def test_drift_undoes_diffusion_exactly_in_a_boltzmann_distribution(u):
    """For any slope of the potential; with half of the slope it would not."""
    here, there = 2.0, 2.0 * np.exp(u)
    assert drift.mean_hops(u, here, there, 1.0) == pytest.approx(there - here, rel=1e-9)
    assert drift.mean_hops(u / 2, here, there, 1.0) < 0.9 * (there - here)


@numba.njit
def drift_many(counts, slopes, volumes, exchange, is_ring, key, n_trials):
    total = np.zeros(counts.size)
    faults = 0
    left, moved = np.empty_like(counts), np.empty_like(counts)
    for trial in range(n_trials):
        row = counts.copy()
        drift.drift_row(row, slopes, volumes, exchange, is_ring, key, trial, left, moved)
        faults += int(row.sum() != counts.sum()) + int(row.min() < 0)
        total += row
    return total / n_trials, faults


@pytest.mark.parametrize("is_ring", [False, True])
def test_drift_moves_its_mean(is_ring):
    """Rounded at random: a hop's standard deviation is 1/2 at most; 5 standard errors of 20,000 trials."""
    counts, slopes = np.array([1000, 40, 3, 0, 500]), np.array([0.3, -0.2, 0.05, -0.4, 0.1])
    volumes = np.array([500.0, 1000.0, 1000.0, 1000.0, 700.0])
    mean, faults = drift_many(counts, slopes, volumes, 30.0, is_ring, KEY, 20_000)
    assert faults == 0
    expected = counts.astype(float)
    for i in range(5 if is_ring else 4):
        source, target = (i, (i + 1) % 5) if slopes[i] > 0 else ((i + 1) % 5, i)
        hops = drift.mean_hops(
            abs(slopes[i]), counts[source] / volumes[source], counts[target] / volumes[target], 30.0
        )
        hops = min(hops, counts[source])
        expected[source] -= hops
        expected[target] += hops
    assert np.all(abs(mean - expected) < 5.0 / np.sqrt(20_000))


def test_a_field_beyond_all_measure_makes_no_count_negative():
    counts, volumes = np.array([5, 7, 0, 2, 1]), np.full(5, 100.0)
    mean, faults = drift_many(
        counts, np.array([50.0, -50.0, 50.0, -50.0, 50.0]), volumes, 1e6, True, KEY, 100
    )
    assert faults == 0
    assert mean.sum() == pytest.approx(15)


# --- crossing ---


@numba.njit
def cross_many(state, one_by_one, per_charge, pumped, time_step, n_trials):
    """Return how many ions leave each row in a step, (species, 2), and where the drop ends, both on average."""
    pores, box, valences = state.pores, state.box, state.species.valences
    leaving = np.zeros(pores.leaving.shape[:2])
    drops, end = np.zeros(1), 0.0
    for trial in range(n_trials):
        key = sampling.make_step_key(state.keys.crossing, trial)
        drops[0] = -20.0
        crossing.find_beside(pores, state.counts, box.faces, box.voxels.n_voxels, state.reservoirs)
        if one_by_one:
            crossing.cross_one_by_one(
                pores,
                valences,
                box.face_volumes,
                box.thermal_potential,
                per_charge,
                time_step,
                key,
                drops,
                pumped,
            )
        else:
            crossing.cross_in_parts(
                pores,
                valences,
                box.face_volumes,
                box.thermal_potential,
                per_charge,
                time_step,
                key,
                drops,
                pumped,
                500,
            )
        leaving += pores.leaving[:, :, 0]
        end += drops[0]
    return leaving / n_trials, end / n_trials


@pytest.mark.parametrize("u", [-8.0, -3.0, 0.0, 0.5, 5.0])
@pytest.mark.parametrize("sag", [0.015, 0.75, 2.25])
def test_sagging_factor_is_the_ratio_of_kramers_integrals(u, sag):
    straight, _ = quad(lambda f: np.exp(-u * f), 0.0, 1.0, epsrel=1e-12)
    sagging, _ = quad(lambda f: np.exp(-u * f - sag * f * (1.0 - f)), 0.0, 1.0, epsrel=1e-12)
    assert crossing.sagging_factor(u, sag) == pytest.approx(straight / sagging, rel=1e-4)
    assert crossing.sagging_factor(-u, sag) == crossing.sagging_factor(u, sag)
    assert crossing.sagging_factor(u, 0.0) == pytest.approx(1.0, rel=1e-15)


def test_sagging_factor_where_the_field_is_beyond_all_measure():
    """There the ion has crossed before the membrane has followed."""
    assert 1.0 <= crossing.sagging_factor(1e5, 1.0) < 1.05


def test_one_by_one_as_many_cross_as_in_many_parts():
    """Where each charge moves the drop by 8 mV; 5 standard errors of 4,000 trials, and as much for the parts."""
    state, trials, time_step = make_engine().state, 4000, 20.0
    per_charge = 1.0 / state.box.grid.membrane_capacitance
    assert per_charge > 7.0
    single, drop = cross_many(state, True, per_charge, 4.0, time_step, trials)
    parts, other_drop = cross_many(state, False, per_charge, 4.0, time_step, trials)
    assert single.sum() > 5.0
    error = np.sqrt((single + parts) / trials)
    assert np.all(abs(single - parts) <= 5.0 * error + 0.01 * parts), (single, parts)
    assert abs(drop - other_drop) < 2.0
    # Where their charge did nothing it would be other numbers.
    blind, _ = cross_many(state, True, 0.0, 4.0, time_step, trials)
    assert np.any(abs(blind - parts) > 5.0 * error + 0.01 * parts)


# --- the engine ---


def test_nearest_ions_are_taken_first():
    row = np.array([2, 0, 5, 4])
    numba.njit(lambda n, row: crossing.take_nearest(n, row))(4, row)
    assert row.tolist() == [0, 0, 3, 4]


def trajectory(engine):
    """Return everything that a run decides, up to now."""
    state = engine.state
    return (
        state.counts.copy(),
        state.pores.crossings.copy(),
        state.channels.chains["state"].copy(),
        state.pumps.cycles.copy(),
        state.field.look_potential.copy(),
    )


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_same_seed_gives_the_same_bits_however_the_steps_are_split_and_on_any_number_of_threads(
    dimensions,
):
    one, two = make_engine(dimensions=dimensions), make_engine(dimensions=dimensions, threads=2)
    one.advance(60)
    for n in (1, 9, 0, 50):
        two.advance(n)
        two.observe()
    assert_same(trajectory(one), trajectory(two))
    other = make_engine(seed=2, dimensions=dimensions)
    other.advance(60)
    assert not np.array_equal(trajectory(one)[0], trajectory(other)[0])


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("boundary", ["closed", "bath"])
@pytest.mark.parametrize("time_step", [0.03, 0.5, 50.0])
def test_ions_and_charge_are_kept(dimensions, boundary, time_step):
    engine = make_engine(time_step=time_step, dimensions=dimensions, boundary=boundary)
    start = engine.observe().ions.sum(axis=1)
    for _ in range(20):
        engine.advance(10)
        now = engine.observe()
        gained = now.exchanged.sum(axis=1)
        np.testing.assert_array_equal(now.ions.sum(axis=1), start + gained[:, 0] - gained[:, 1])
        assert now.total_charge == 0.0
        assert engine.state.counts.min() >= 0
        assert now.field_potential_drop == pytest.approx(now.charge_separation_potential, rel=1e-9, abs=1e-9)
    crossed = now.crossings[:, :, 0] - now.crossings[:, :, 1]
    assert now.crossings.sum() > 0
    assert now.pump_cycles.sum() > 0
    if boundary == "closed":
        moved = engine.state.pumps.stoichiometry[0, :, 0] - engine.state.pumps.stoichiometry[0, :, 1]
        pumped = moved * (now.pump_cycles[0, 0] - now.pump_cycles[0, 1])
        lost = engine.composition.counts_inside - now.ions[:, 0]
        np.testing.assert_array_equal(lost, crossed.sum(axis=0) + pumped)
    else:
        assert now.exchanged.sum() > 0


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda state: state.counts.__setitem__((0, 0, 0), state.counts[0, 0, 0] + 1), "lost or made"),
        (lambda state: state.counts.__setitem__((0, 0, 0), -1), "lost or made"),
        (lambda state: state.field.look_potential.__setitem__(0, 1.0), "charge was lost or made"),
        (lambda state: state.reservoirs.end_charges.__setitem__((0, 0), 1), "charge was lost or made"),
    ],
)
def test_the_ledger_notices_what_is_missing(harm, message):
    engine = make_engine()
    engine.advance(5)
    harm(engine.state)
    with pytest.raises(LedgerError, match=message):
        engine.observe()


def test_a_species_that_is_missing_inside_comes_in_and_is_counted():
    """Calcium outside alone: whatever the step, none is inside before it has crossed."""
    tables = make_tables()
    tables["channels"].append({"name": "Ca", "count": 50, "permeability": {"Ca": "0.5 nm^3/ns"}})
    engine = LatticeEngine(Scenario.model_validate(tables), 1, 2.0, 1)
    calcium = engine.composition.names.index("Ca")
    assert engine.observe().ions[calcium, 0] == 0
    engine.advance(200)
    now = engine.observe()
    crossed = now.crossings[:, calcium].sum(axis=0)
    assert now.ions[calcium, 0] == crossed[1] - crossed[0] > 0


def test_nothing_crosses_while_all_channels_are_closed():
    tables = make_tables()
    gating = {"states": ["shut", "open"], "open": ["open"], "initial": "shut"}
    tables["channels"] = [
        {
            "name": "K",
            "count": 50,
            "permeability": {"K": "0.5 nm^3/ns"},
            "gating": gating | {"rates": {"shut->open": "1 /s", "open->shut": "1 /s"}},
        }
    ]
    tables["pumps"] = []
    engine = LatticeEngine(Scenario.model_validate(tables), 1, 2.0, 1)
    ions = engine.observe().ions
    engine.advance(100)
    now = engine.observe()
    assert now.open_channels[0] == 0
    assert now.crossings.sum() == 0
    assert now.charge_separation_potential == 0.0
    np.testing.assert_array_equal(now.ions, ions)
    # With the same channels open, they would.
    tables["channels"][0]["gating"]["initial"] = "open"
    engine = LatticeEngine(Scenario.model_validate(tables), 1, 2.0, 1)
    engine.advance(100)
    assert engine.observe().crossings.sum() > 0


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_clamped_slab_keeps_its_drop(dimensions):
    engine = make_engine(clamped_potential=-60.0, dimensions=dimensions)
    engine.advance(50)
    now = engine.observe()
    assert now.field_potential_drop == -60.0
    assert now.membrane_potential == pytest.approx(-60.0)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_voltage_clamp_moves_charge_until_the_drop_is_the_command(dimensions):
    tables = make_tables()
    if dimensions == 2:
        del tables["geometry"]["area"]
        tables["geometry"].update(PLANE)
    tables["protocol"] = {"voltage": [{"start": "10 ns", "stop": "60 ns", "potential": "-50 mV"}]}
    engine = LatticeEngine(Scenario.model_validate(tables), 1, 0.5, 1)
    elementary = 1.0 / engine.state.box.grid.membrane_capacitance
    made = 0
    while made < 110:
        made += engine.advance(110 - made)
    now = engine.observe()
    assert now.command_potential == -50.0
    assert abs(now.charge_separation_potential + 50.0) <= 0.5 * elementary * (1.0 + 1e-9)
    assert now.injected_charge != 0
    assert np.isnan(make_engine().observe().command_potential)


def test_events_are_the_transitions_of_gates_and_are_drained_once():
    engine = make_engine()
    before = engine.state.channels.chains["state"].copy()
    engine.advance(40)
    events = engine.drain_events()["gating"]
    assert events["channel"].size > 0
    changed = before.copy()
    for channel, after in zip(events["channel"], events["to_state"], strict=True):
        changed[channel] = after
    np.testing.assert_array_equal(changed, engine.state.channels.chains["state"])
    assert engine.drain_events()["gating"]["channel"].size == 0


# --- what is seen at many moments in one go ---


def watch_all(engine, stops):
    """Return what is seen at all stops, in as many goes as it takes, and in how many."""
    seen, goes = [], 0
    while engine.step < stops[-1]:
        watch = engine.watch([stop for stop in stops if stop > engine.step])
        assert watch.error is None
        assert watch.seconds > 0.0
        seen += [watch.seen.at(moment) for moment in range(len(watch.seen.step))]
        goes += 1
    return join(seen), goes


def assert_same_seen(first, second):
    for name in vars(first):
        one, other = getattr(first, name), getattr(second, name)
        if name in APART:
            continue
        assert one.dtype == other.dtype, name
        np.testing.assert_array_equal(one, other, err_msg=name)
    assert_same(first.states, second.states)


@pytest.mark.parametrize(
    ("boundary", "protocol", "goes"),
    [
        ("closed", {}, 1),
        (
            "bath",
            {
                # In internal steps of 0.5 ns: on a stop, and between two.
                "voltage": [
                    {"start": "5 ns", "stop": "11.5 ns", "potential": "-40 mV", "end_potential": "20 mV"}
                ],
                "current": [{"start": "20 ns", "current": "5 pA"}],
            },
            4,
        ),
    ],
)
def test_what_is_seen_on_the_way_is_what_steps_and_looks_in_turn_see(boundary, protocol, goes):
    tables = make_tables(boundary=boundary)
    tables["protocol"] = protocol
    scenario = Scenario.model_validate(tables)
    stops = [*range(3, 61, 3), 100]
    watched, looked_at = (LatticeEngine(scenario, 1, 0.5, 1) for _ in range(2))
    seen, n_goes = watch_all(watched, stops)
    assert n_goes == goes
    observations = []
    for stop in stops:
        while looked_at.step < stop:
            looked_at.advance(stop - looked_at.step)
        observations.append(looked_at.observe())
    assert_same_seen(seen, join(observations))
    assert_same(trajectory(watched), trajectory(looked_at))
    assert seen.crossings[-1].sum() > 0


@pytest.mark.parametrize("lost", ["an ion", "a charge"])
def test_what_was_seen_before_an_ion_or_a_charge_is_lost_is_told_with_the_error(lost):
    tables = make_tables(boundary="bath")
    tables["protocol"] = {"voltage": [{"start": "10 ns", "potential": "-40 mV"}]}
    engine = LatticeEngine(Scenario.model_validate(tables), 1, 0.5, 1)
    watch = engine.watch([4, 8])
    assert (watch.seen.step.tolist(), watch.error) == ([4, 8], None)
    if lost == "an ion":
        engine.state.counts[0, 0, 0] += 1
    else:
        engine.state.reservoirs.end_charges[0, 0] += 1
    watch = engine.watch([12, 16])
    assert watch.seen is None
    assert isinstance(watch.error, LedgerError)
    assert f"{'ions were' if lost == 'an ion' else 'charge was'} lost or made by 6 ns" in str(watch.error)


def test_in_a_plane_and_with_electrodes_a_run_looks_once_at_a_time():
    tables = make_tables()
    tables["electrodes"] = [{"name": "one", "inside": "4 nm", "outside": "4 nm"}]
    for engine in (make_engine(dimensions=2), LatticeEngine(Scenario.model_validate(tables), 1, 0.5, 1)):
        assert engine.most_watched == 1
        watch = engine.watch([5, 10])
        assert watch.seen.step.tolist() == [5]
        assert engine.step == 5
    assert watch.seen.electrodes.shape == (1, 1)
    assert make_engine().most_watched > 1


@pytest.mark.parametrize("dimensions", [1, 2])
def test_what_is_seen_follows_from_the_counts(dimensions):
    """Beside numpy's operations on the voxels."""
    engine = make_engine(dimensions=dimensions)
    engine.advance(100)
    now, state = engine.observe(), engine.state
    box, (n_inside, n_outside) = state.box, state.box.voxels.n_voxels
    stride, columns = box.grid.stride, box.voxels.columns
    rows = np.concatenate([np.arange(n_inside)[::-1], stride + np.arange(n_outside)])
    by_row = state.counts.sum(axis=2)
    volumes = box.voxels.volumes * columns * box.ions_per_volume
    np.testing.assert_array_equal(now.cell_concentrations, (by_row / np.maximum(volumes, 1e-300))[:, rows])
    np.testing.assert_array_equal(
        now.ions, np.stack([by_row[:, :stride].sum(1), by_row[:, stride:].sum(1)], 1)
    )
    means = state.field.look_potential.reshape(-1, columns).mean(axis=1)
    np.testing.assert_array_equal(now.potential, means[rows])
    bulk_means = []
    for side, start in enumerate(engine.bulk_from):
        first = side * stride + min(int(np.ceil(start / box.grid.spacing)), box.voxels.n_voxels[side] - 1)
        bulk = slice(first, side * stride + box.voxels.n_voxels[side])
        bulk_means.append((means * box.voxels.widths)[bulk].sum() / box.voxels.widths[bulk].sum())
        np.testing.assert_array_equal(
            now.bulk_concentrations[:, side], by_row[:, bulk].sum(axis=1) / volumes[bulk].sum()
        )
    assert now.membrane_potential == bulk_means[0] - bulk_means[1]
    chains = state.channels.chains
    for kind, states in enumerate(now.states):
        members = chains["state"][chains["channel_type"] == kind]
        np.testing.assert_array_equal(states, np.bincount(members, minlength=len(states)))
