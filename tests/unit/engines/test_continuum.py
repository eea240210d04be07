"""The parts of the continuum: its steps, its slopes, what it keeps, and what a protocol does to it."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.linalg import expm

from mc.engines.continuum import rosenbrock, stepping
from mc.engines.continuum.electrodiffusion import goldman_factor, goldman_slope
from mc.engines.continuum.engine import ContinuumEngine
from mc.engines.continuum.equations import Drive
from mc.engines.continuum.grid import make_grid, make_stiffness
from mc.errors import LedgerError, RecordingError, StabilityError
from mc.membrane.gating import rate_at
from mc.scenario.advice import advise
from mc.scenario.grading import graded_distances
from mc.scenario.time_steps import resolve_time_step

sys.path.insert(0, str(Path(__file__).parents[2] / "physics"))
from membrane_patch import make_patch

INSIDE = {"K": 140.0, "Na": 12.0, "Cl": 8.0, "Ca": 1e-4}
OUTSIDE = {"K": 5.0, "Na": 145.0, "Cl": 115.0, "Ca": 1.8}
LEAK = {
    "name": "K leak",
    "count": 30,
    "permeability": {"K": 0.037, "Na": 0.0004},
    "gating": {
        "states": ["closed", "open"],
        "open": ["open"],
        "rates": {
            "closed->open": {"rate": 4e-3, "kind": "HHExpRate", "midpoint": -40.0, "scale": 20.0},
            "open->closed": 1e-3,
        },
    },
}
CALCIUM = {
    "name": "Ca-gated",
    "count": 10,
    "permeability": {"K": 0.02},
    "gating": {
        "states": ["closed", "open"],
        "open": ["open"],
        "rates": {
            "closed->open": {"ligand": "Ca", "side": "outside", "rate": 1e-3, "per_concentration": 1.0},
            "open->closed": 1e-3,
        },
    },
}
PUMP = {
    "name": "pump",
    "count": 5,
    "turnover": 0.02,
    "outward": {"Na": 3},
    "inward": {"K": 2},
    "half_saturation": {"Na": 10.0, "K": 1.5},
}
KCC2 = {
    "name": "KCC2",
    "count": 5,
    "turnover": 0.05,
    "outward": {"K": 1, "Cl": 1},
    "charge": 0,
    "half_saturation": {"K": 9.0, "Cl": 6.0},
}
EVERYTHING = {
    "inside": INSIDE,
    "outside": OUTSIDE,
    "channels": [LEAK, CALCIUM],
    "pumps": [PUMP],
    "transporters": [KCC2],
}


def make_engine(time_step=10.0, *, clamped_potential=None, seed=1, **patch):
    """Return an engine of a patch with every kind of protein, unless others are given."""
    scenario = make_patch(
        **EVERYTHING | {"engine": "continuum", "time_step": time_step, "duration": 1000.0} | patch
    )
    return ContinuumEngine(scenario, seed, time_step, 1, clamped_potential)


# --- the method ---


def test_a_step_is_of_third_order_in_its_length():
    """y' = sin t - y w, w = y^2 put right after each step: halving it divides the error by 8, at least by 6.5."""

    def derivative(time, variables):
        y, w = variables
        return np.array([-y * w + np.sin(time), w - y**2])

    def run(n):
        variables, time, length = np.array([0.5, 0.25]), 0.0, 1.0 / n
        for _ in range(n):
            y, w = variables
            jacobian = sparse.csc_array(np.array([[-w, -y], [-2.0 * y, 1.0]]))
            in_time = np.array([np.cos(time), 0.0])
            variables = rosenbrock.step(
                derivative, jacobian, in_time, np.array([1.0, 0.0]), time, variables, length
            ).variables
            variables[1] = variables[0] ** 2
            time += length
        return variables[0]

    exact = run(512)
    errors = [abs(run(n) - exact) for n in (16, 32, 64)]
    assert 6.5 < errors[0] / errors[1] < 10.0
    assert 6.5 < errors[1] / errors[2] < 10.0


def test_a_very_stiff_part_is_damped_to_nothing():
    """L-stable: a step of a million relaxation times leaves less than 1e-5 of what was there."""

    def derivative(time, variables):
        return -1e6 * variables

    jacobian = sparse.csc_array(np.array([[-1e6]]))
    result = rosenbrock.step(derivative, jacobian, np.zeros(1), np.ones(1), 0.0, np.ones(1), 1.0)
    assert abs(result.variables[0]) < 1e-5


@pytest.mark.parametrize("u", [-700.0, -30.0, -1e-3, -1e-5, 0.0, 1e-5, 1e-3, 2.0, 700.0])
def test_the_goldman_factor_and_its_slope(u):
    with np.errstate(over="ignore"):
        expected = 1.0 + u / 2.0 + u * u / 12.0 if abs(u) < 1e-4 else u / -np.expm1(-u)
    assert goldman_factor(np.array([u]))[0] == pytest.approx(expected, rel=1e-9, abs=1e-200)
    shift = 1e-4
    around = goldman_factor(np.array([u - shift, u + shift]))
    assert goldman_slope(np.array([u]))[0] == pytest.approx((around[1] - around[0]) / (2 * shift), abs=1e-7)


# --- the equations ---


@pytest.mark.parametrize("size", [{}, {"width": 60.0, "area": 6000.0, "grid": {"grid_spacing_y": 15.0}}])
@pytest.mark.parametrize("returns", [False, True])
@pytest.mark.parametrize("boundary", ["closed", "bath"])
def test_the_slopes_are_those_of_the_rates(size, returns, boundary):
    """Against central differences of every variable, to 1e-5 of the largest slope of its column."""
    engine = make_engine(
        **size | {"grid": size.get("grid", {}) | {"boundary": boundary}, "length": 4.0, "area": 6000.0}
    )
    equations = engine.model.equations
    drive = Drive(0.3, 0.1, 0.0, returns)
    generator = np.random.default_rng(1)
    stores = engine.state.stores * generator.uniform(0.8, 1.2, engine.state.stores.size)
    variables = np.concatenate([stores, generator.uniform(-50.0, 50.0, engine.model.grid.n_nodes)])
    slopes = equations.jacobian(drive, variables).toarray()
    for column in range(variables.size):
        shift = np.zeros(variables.size)
        shift[column] = 1e-5 * max(abs(variables[column]), 1e-2)
        around = [equations.derivative(drive, 0.0, variables + way * shift) for way in (1.0, -1.0)]
        measured = (around[0] - around[1]) / (2.0 * shift[column])
        size_of_column = np.abs(slopes[:, column]).max() + 1e-12
        np.testing.assert_allclose(
            slopes[:, column], measured, atol=1e-5 * size_of_column + 1e-9 * np.abs(around[0]).max()
        )


def test_what_moves_adds_up_to_nothing():
    """No flow makes an ion or loses one, whatever its rate."""
    engine = make_engine()
    numbering, moved = engine.model.stores, engine.model.equations.moved.toarray()
    assert np.abs(moved[numbering.ions].sum(axis=1)).max() == 0.0
    assert np.abs(moved[numbering.states].sum(axis=0)).max() == 0.0


def test_rates_of_gates_are_those_that_the_other_engines_draw_with():
    engine = make_engine()
    gating = engine.model.equations.kinds[2]
    for potential in (-200.0, -70.0, 0.0, 33.0):
        rates = gating._rates_by_potential(np.full(gating.sources.size, potential))
        expected = [rate_at(law, potential) for law in gating.laws]
        np.testing.assert_allclose(rates, expected, rtol=1e-12)


def test_the_slab_between_faces_is_that_of_the_exact_solution_for_long_waves():
    """A wave of charge on the inner face: the potentials of both faces to 1 % where it is 25 slabs long."""
    columns, width, thickness, capacitance, permittivity = 32, 200.0, 4.0, 6.24e-5, 4.1e-3
    distances = graded_distances(30.0, 0.5, 0.5)
    grid = make_grid((distances, distances), 2000.0, columns, width)
    stiffness = make_stiffness(grid, permittivity, capacitance, thickness)
    k = 2.0 * 2.0 * np.pi / width
    wave = np.cos(k * (np.arange(columns) + 0.5) * grid.spacing_along)
    charge = np.zeros(grid.n_nodes)
    charge[grid.faces[0]] = wave
    solved = sparse.linalg.spsolve(stiffness, charge)
    inner, outer = (2.0 / columns * (solved[grid.faces[side]] @ wave) for side in range(2))
    node_area = 2000.0 / columns
    effective = 2.0 / grid.spacing_along * np.sin(k * grid.spacing_along / 2.0)
    bath = permittivity * effective * np.tanh(effective * 30.0)
    slab = capacitance * thickness * effective
    to_itself, to_other = slab / np.tanh(effective * thickness), slab / np.sinh(effective * thickness)
    matrix = np.array([[bath + to_itself, -to_other], [-to_other, bath + to_itself]])
    expected = np.linalg.solve(matrix, [1.0 / node_area, 0.0])
    np.testing.assert_allclose([inner, outer], expected, rtol=0.01)
    # Without coupling along the slab or across it the outer face would feel nothing.
    assert outer > 0.01 * inner


def test_graded_nodes_reach_from_the_membrane_to_the_far_end():
    distances = graded_distances(25.0, 0.16, 2.5)
    spacings = np.diff(distances)
    assert distances[0] == 0.0
    assert distances[-1] == pytest.approx(25.0, rel=1e-12)
    assert spacings[0] <= 0.16
    assert spacings.max() <= 2.5
    assert np.all(spacings[1:] / spacings[:-1] < 1.2 + 1e-9)
    np.testing.assert_allclose(np.diff(graded_distances(20.0, 2.0, 2.0)), 2.0)


# --- what it keeps ---


@pytest.mark.parametrize("boundary", ["closed", "bath"])
def test_ions_channels_and_charge_are_kept(boundary):
    """To rounding, with every kind of protein at work; with reservoirs, what they gave is counted."""
    engine = make_engine(grid={"boundary": boundary})
    start = engine.observe()
    engine.advance(60)
    now = engine.observe()
    exchanged = now.exchanged[:, :, 0] - now.exchanged[:, :, 1]
    totals = (now.ions - start.ions - exchanged).sum(axis=1)
    assert np.abs(totals).max() < 1e-12 * start.ions.sum()
    assert abs(now.total_charge) < 1e-12 * start.ions.sum()
    for before, after in zip(start.states, now.states, strict=True):
        assert after.sum() == pytest.approx(before.sum(), rel=1e-12)
    # Something has happened.
    assert now.pump_cycles[:, 0].min() > 0.01
    assert abs(now.membrane_potential) > 20.0
    assert (np.abs(exchanged).max() > 0.0) == (boundary == "bath")


def test_every_ion_that_changes_sides_is_accounted_for():
    """What a side gained is what crossed and what pumps and transporters moved, to rounding."""
    engine = make_engine()
    start = engine.observe()
    engine.advance(40)
    now = engine.observe()
    crossed = (now.crossings[:, :, 0] - now.crossings[:, :, 1]).sum(axis=0)
    net = engine.state.pumps.stoichiometry[:, :, 0] - engine.state.pumps.stoichiometry[:, :, 1]
    pumped = (now.pump_cycles[:, 0] - now.pump_cycles[:, 1]) @ net
    np.testing.assert_allclose(now.ions[:, 1] - start.ions[:, 1], crossed + pumped, atol=1e-9)


def test_nothing_falls_below_zero_where_a_species_arrives():
    """Sodium enters a side that has none, fast, at steps far longer than it takes to get anywhere."""
    channel = {"name": "Na", "count": 200, "permeability": {"Na": 0.05}}
    engine = make_engine(
        100.0,
        inside={"K": 150.0, "Cl": 150.0},
        outside={"Na": 150.0, "Cl": 150.0},
        length=40.0,
        interval=100.0,
        channels=[channel],
        pumps=(),
        transporters=(),
    )
    for _ in range(10):
        engine.advance(1)
        assert engine.state.stores[engine.model.stores.ions].min() >= 0.0
    assert engine.observe().ions[engine.composition.names.index("Na"), 0] > 1.0


def test_the_limiter_keeps_sums_and_moves_no_more_than_is_missing():
    engine = make_engine()
    numbering, grid = engine.model.stores, engine.model.grid
    stores = engine.state.stores.copy()
    cell = numbering.ions[1, 3]
    lacking = stores[cell] * 1.001
    stores[cell] -= lacking
    stores[numbering.ions[1, 4]] += lacking
    kept = stepping.keep_positive(stores, numbering, grid)
    assert kept.min() >= 0.0
    row = numbering.ions[1, grid.nodes_of(0)]
    assert kept[row].sum() == pytest.approx(stores[row].sum(), rel=1e-14)
    assert np.abs(kept - stores).max() < 0.01 * lacking
    others = np.setdiff1d(np.arange(stores.size), row)
    np.testing.assert_array_equal(kept[others], stores[others])


def test_rounding_of_a_species_that_is_nowhere_goes():
    engine = make_engine()
    numbering, grid = engine.model.stores, engine.model.grid
    stores = engine.state.stores.copy()
    stores[numbering.ions[1]] = 0.0
    stores[numbering.ions[1, 3]] = -2e-15
    kept = stepping.keep_positive(stores, numbering, grid)
    np.testing.assert_array_equal(kept[numbering.ions[1]], 0.0)
    others = np.setdiff1d(np.arange(stores.size), numbering.ions[1])
    np.testing.assert_array_equal(kept[others], stores[others])


def test_a_missing_ion_is_noticed():
    engine = make_engine()
    engine.state.stores[engine.model.stores.ions[0, 2]] -= 0.1
    with pytest.raises(LedgerError, match="ions were lost or made"):
        engine.observe()


def test_it_goes_on_from_what_it_kept_with_the_same_bits():
    """In another engine, and in pieces of other lengths."""
    protocol = {
        "voltage": [{"start": 100.0, "stop": 300.0, "potential": -60.0}],
        "blocks": [{"start": 50.0, "protein": "K leak", "fraction": 0.4}],
    }
    whole, first, second = (make_engine(protocol=protocol) for _ in range(3))
    for engine, to in ((whole, 50), (first, 17)):
        while engine.step < to:
            engine.advance(to - engine.step)
    saved = {name: array.copy() for name, array in first.memory().items()}
    second.take_up(saved)
    while second.step < 50:
        second.advance(min(3, 50 - second.step))
    np.testing.assert_array_equal(whole.state.stores, second.state.stores)
    saved["stores"] = saved["stores"][:-1]
    with pytest.raises(RecordingError, match="does not fit"):
        second.take_up(saved)


# --- what a protocol does ---


def advance_to(engine, step):
    while engine.step < step:
        engine.advance(step - engine.step)
    return engine.observe()


def test_a_voltage_clamp_holds_the_charge_and_counts_what_it_gives():
    protocol = {"voltage": [{"start": 0.0, "stop": 500.0, "potential": -60.0, "end_potential": -10.0}]}
    engine = make_engine(protocol=protocol)
    one = advance_to(engine, 1)
    assert one.charge_separation_potential == pytest.approx(-59.0, abs=1e-9)
    later = advance_to(engine, 40)
    assert later.charge_separation_potential == pytest.approx(-20.0, abs=1e-9)
    pumped = later.pump_cycles[0, 0]
    capacitance = engine.capacitance
    assert later.injected_charge == pytest.approx(
        -20.0 * capacitance + later.displaced_charge.sum() + pumped, abs=1e-9
    )


def test_a_current_clamp_gives_its_charge():
    protocol = {"current": [{"start": 100.0, "stop": 300.0, "current": 0.02, "end_current": 0.04}]}
    engine = make_engine(protocol=protocol, channels=(), pumps=(), transporters=())
    before, after = advance_to(engine, 10), advance_to(engine, 40)
    assert before.injected_charge == 0.0
    assert after.injected_charge == pytest.approx(6.0, rel=1e-12)
    assert after.charge_separation_potential == pytest.approx(6.0 / engine.capacitance, rel=1e-9)


def test_electrodes_that_find_nothing_left_say_so():
    protocol = {"current": [{"start": 0.0, "stop": 900.0, "current": 3.0}], "carrier": "K"}
    engine = make_engine(protocol=protocol, channels=(), pumps=(), transporters=())
    with pytest.raises(StabilityError, match=r"no more K|runs out"):
        advance_to(engine, 90)


def test_a_block_closes_its_share_of_channels_and_pumps():
    protocol = {
        "blocks": [
            {"start": 0.0, "stop": 100.0, "protein": "K leak", "fraction": 0.5},
            {"start": 0.0, "protein": "pump"},
        ]
    }
    engine = make_engine(protocol=protocol)
    blocked = advance_to(engine, 9)
    free = advance_to(engine, 11)
    assert blocked.open_channels[0] == pytest.approx(0.5 * blocked.states[0][1], rel=1e-12)
    assert free.open_channels[0] == pytest.approx(free.states[0][1], rel=1e-12)
    assert free.pump_cycles[0, 0] == 0.0


def test_a_ligand_of_the_protocol_opens_its_channels():
    gating = {
        "states": ["closed", "open"],
        "open": ["open"],
        "initial": "closed",
        "rates": {
            "closed->open": {"ligand": "GABA", "rate": 0.01, "per_concentration": 1.0},
            "open->closed": 0.01,
        },
    }
    channel = {"name": "receptor", "count": 10, "permeability": {"Cl": 0.01}, "gating": gating}
    protocol = {"ligands": [{"name": "GABA", "start": 100.0, "stop": 300.0, "concentration": 3.0}]}
    engine = make_engine(protocol=protocol, channels=[channel], pumps=(), transporters=())
    assert advance_to(engine, 10).open_channels[0] == 0.0
    rates = np.array([[-0.03, 0.03], [0.01, -0.01]])
    expected = 10.0 * (np.array([1.0, 0.0]) @ expm(rates * 200.0))[1]
    assert advance_to(engine, 30).open_channels[0] == pytest.approx(expected, rel=1e-4)
    assert advance_to(engine, 100).open_channels[0] < 0.1 * expected


def test_a_new_solution_comes_in_from_the_far_end():
    protocol = {
        "solutions": [{"start": 100.0, "side": "outside", "concentrations": {"K": 50.0, "Na": 100.0}}]
    }
    engine = make_engine(protocol=protocol, channels=(), pumps=(), transporters=(), grid={"boundary": "bath"})
    i = engine.composition.names.index("K")
    assert advance_to(engine, 10).cell_concentrations[i, -1] == pytest.approx(5.0)
    after = advance_to(engine, 100)
    assert after.cell_concentrations[i, -1] == pytest.approx(50.0, rel=1e-12)
    assert after.ions[i, 1] == pytest.approx(10.0 * advance_to(make_engine(), 1).ions[0, 1], rel=0.01)


def test_clamped_the_slab_has_its_potential_and_the_baths_no_field():
    engine = make_engine(clamped_potential=-55.0)
    engine.advance(5)
    observation = engine.observe()
    assert observation.field_potential_drop == pytest.approx(-55.0, abs=1e-9)
    assert observation.membrane_potential == pytest.approx(-55.0, abs=1e-9)


# --- what it says of itself ---


def test_fractions_of_an_ion_are_kept():
    """Less than half an ion of calcium, which whole ions round to none."""
    engine = make_engine()
    i = engine.composition.names.index("Ca")
    assert engine.composition.counts_inside[i] == 0
    concentration = engine.observe().bulk_concentrations[i, 0]
    assert concentration == pytest.approx(1e-4, rel=1e-9)


def test_each_side_is_neutral_at_the_start():
    engine = make_engine()
    charges = engine.composition.valences @ engine.ions_at_start
    assert np.abs(charges).max() < 1e-9
    assert engine.observe().membrane_potential == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("time_step", ["auto", 1.0])
def test_the_time_step_is_that_of_the_records(time_step):
    scenario = make_patch(
        **EVERYTHING | {"engine": "continuum", "time_step": time_step, "duration": 1e5, "interval": 20.0}
    )
    assert resolve_time_step(scenario) == 20.0
    advice = advise(scenario)
    assert math.isinf(advice.largest_safe_time_step)
    assert not advice.refusals
    engine = ContinuumEngine(scenario, 1, 20.0)
    assert advice.n_cells == sum(engine.model.grid.n_rows)


# --- what is seen at many moments in one go ---


@pytest.mark.parametrize("boundary", ["closed", "bath"])
def test_what_is_seen_on_the_way_is_what_steps_and_looks_in_turn_see(boundary):
    """To the last bit, however many are seen in a go; what a protocol changes on a stop and between two included."""
    protocol = {
        "voltage": [{"start": 100.0, "stop": 185.0, "potential": -60.0, "end_potential": -10.0}],
        "blocks": [{"start": 150.0, "stop": 300.0, "protein": "K leak", "fraction": 0.5}],
    }
    watched, looked_at = (make_engine(protocol=protocol, grid={"boundary": boundary}) for _ in range(2))
    stops, seen, goes = [*range(3, 40, 3), 60], [], 0
    while watched.step < stops[-1]:
        watch = watched.watch([stop for stop in stops if stop > watched.step][:7])
        assert watch.error is None
        goes += 1
        if watch.seen is not None:
            seen += [watch.seen.at(moment) for moment in range(len(watch.seen.step))]
    assert 5 <= goes < len(stops)
    assert [one.step for one in seen] == stops
    for one in seen:
        expected = advance_to(looked_at, one.step)
        for name, value in vars(one).items():
            if name == "states":
                for here, there in zip(value, expected.states, strict=True):
                    np.testing.assert_array_equal(here, there)
            elif name != "maps":
                np.testing.assert_array_equal(value, getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(watched.state.stores, looked_at.state.stores)
    assert seen[-1].crossings.sum() > 1.0


def test_what_was_seen_before_an_ion_is_lost_is_told_with_the_error():
    engine = make_engine()
    assert engine.watch([2, 4]).seen.step.tolist() == [2, 4]
    engine.state.stores[engine.model.stores.ions[0, 2]] -= 0.1
    watch = engine.watch([6, 8])
    assert watch.seen is None
    with pytest.raises(LedgerError, match="ions were lost or made by 60 ns"):
        raise watch.error


def test_what_was_seen_before_electrodes_find_nothing_left_is_told_with_the_error():
    protocol = {"current": [{"start": 0.0, "stop": 900.0, "current": 3.0}], "carrier": "K"}
    engine = make_engine(protocol=protocol, channels=(), pumps=(), transporters=())
    watch = engine.watch(list(range(1, 60)))
    assert isinstance(watch.error, StabilityError)
    assert watch.seen.step.tolist() == list(range(1, engine.step))


def test_in_a_plane_a_run_looks_once_at_a_time():
    engine = make_engine(width=60.0, area=6000.0, grid={"grid_spacing_y": 15.0})
    assert engine.most_watched == 1
    assert engine.watch([1, 2]).seen.step.tolist() == [1]
