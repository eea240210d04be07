"""Open far ends: a uniform bath stays uniform, its number fluctuates as it should, two baths carry a flux."""

import numpy as np
import pytest
from line_charges import Bath, excess
from membrane_patch import BODY_TEMPERATURE

from mc.analysis.statistics import block_average
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines.brownian.engine import BrownianEngine
from mc.scenario.schema import Scenario
from mc.units import parse_quantity

AREA, LENGTH, SALT = 500.0, 15.0, 150.0


LINE, PLANE = {"area": AREA}, {"dimensions": 2, "width": 50.0, "depth": AREA / 50.0}
CLAMPED = 0.0
"""mV; baths without a field."""


def make_box(time_step, size=LINE, inside=SALT, outside=SALT, species=None):
    """Return a scenario of two baths of potassium chloride with a membrane that nothing crosses."""
    tables = {
        "title": "Open ends",
        "simulation": {"duration": 1000.0, "time_step": time_step, "temperature": BODY_TEMPERATURE},
        "geometry": size | {"inside_length": LENGTH, "outside_length": LENGTH, "boundary": "bath"},
        "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
        "species": species or {},
        "inside": {"K": inside, "Cl": inside},
        "outside": {"K": outside, "Cl": outside},
    }
    return Scenario.model_validate(tables, context={"internal_units": True})


def observe(engine, n, interval=10.0, settling=200.0):
    """Return numbers of ions (n, species, 2) and concentrations (n, species, cells)."""
    engine.advance(round(settling / engine.time_step))
    numbers, concentrations = [], []
    for _ in range(n):
        engine.advance(round(interval / engine.time_step))
        now = engine.observe()
        assert now.total_charge == 0.0
        numbers.append(now.ions)
        concentrations.append(now.cell_concentrations)
    return np.array(numbers), np.array(concentrations)


def layer(engine, concentrations, thickness=2.0):
    """Return the mean concentration in the last nanometres of both far ends, by record."""
    centres, widths, _ = engine.cells_along_x()
    is_end = ((centres < -LENGTH + thickness) | (centres > 4.0 + LENGTH - thickness)) & (widths > 0)
    return concentrations.mean(axis=1)[:, is_end] @ widths[is_end] / widths[is_end].sum()


@pytest.mark.parametrize("time_step", [1.0, 0.25])
@pytest.mark.parametrize(("clamp", "variance"), [(0.0, 1.0), (None, 0.5)])
def test_a_uniform_bath_stays_uniform_to_its_end(time_step, clamp, variance):
    """Means within 5 standard errors (about 0.3 % in all, 0.6 % in the layers).

    Without a field ions come and go one by one: the variance of their number is the number. With it those of both
    signs come and go together: half of that, and more only by the little charge that the field allows (20 %).
    """
    engine = BrownianEngine(make_box(time_step), 3, time_step, 1, clamp)
    numbers, concentrations = observe(engine, 1000)
    expected = engine.composition.counts_inside[0]
    total = block_average(numbers.sum(axis=(1, 2)))
    assert total.standard_error < 0.005 * 4 * expected
    assert abs(total.mean - 4 * expected) < 5.0 * total.standard_error
    ends = block_average(layer(engine, concentrations))
    assert ends.standard_error < 0.008 * SALT
    assert abs(ends.mean - SALT) < 5.0 * ends.standard_error
    assert numbers.var(axis=0).mean() == pytest.approx(variance * expected, rel=0.25)


@pytest.mark.parametrize("time_step", [1.0, 0.25])
def test_a_uniform_plane_stays_uniform_without_a_field(time_step):
    """Means within 5 standard errors."""
    engine = BrownianEngine(make_box(time_step, PLANE), 4, time_step, 1, CLAMPED)
    numbers, concentrations = observe(engine, 200)
    expected = engine.composition.counts_inside[0]
    total, ends = block_average(numbers.sum(axis=(1, 2))), block_average(layer(engine, concentrations))
    assert abs(total.mean - 4 * expected) < 5.0 * total.standard_error < 0.05 * 4 * expected
    assert abs(ends.mean - SALT) < 5.0 * ends.standard_error < 0.1 * SALT


DIFFUSION = 2.5
"""nm2/ns of either ion of the salt of line charges."""


def line_charge_bath(depth, time_step):
    """Return what the theory of line charges needs to know of the box of `measured_excess`."""
    return Bath(
        depth=depth,
        time_step=time_step,
        width=64.0,
        length=LENGTH,
        salt=SALT,
        diffusion_coefficient=DIFFUSION,
        temperature=BODY_TEMPERATURE,
        spacing=0.5,
        spacing_along=1.0,
        slab_capacitance=parse_quantity("1 uF/cm^2", "capacitance"),
        slab_thickness=4.0,
    )


def measured_excess(bath, n, seed):
    """Return the excess of ions over those of the reservoir's solution, as a share, from `n` records 5 ns apart."""
    size = {"dimensions": 2, "width": bath.width, "depth": bath.depth}
    grid = {"grid_spacing": bath.spacing, "grid_spacing_y": bath.spacing_along}
    species = {
        name: {"valence": valence, "diffusion_coefficient": bath.diffusion_coefficient}
        for name, valence in (("K", 1), ("Cl", -1))
    }
    engine = BrownianEngine(make_box(bath.time_step, size | grid, species=species), seed, bath.time_step, 1)
    numbers, _ = observe(engine, n, interval=5.0)
    expected = (engine.composition.counts_inside + engine.composition.counts_outside).sum()
    return block_average(numbers.sum(axis=(1, 2)) / expected - 1.0)


@pytest.mark.parametrize(("depth", "largest_error"), [(10.0, 0.002), (40.0, 0.001)])
def test_a_bath_of_line_charges_holds_more_ions_than_its_reservoir_by_their_fluctuations(
    depth, largest_error
):
    """2.2 % more at a depth of 10 nm and a fourth of it at 40 nm; 5 standard errors, a false alarm in 6e-7 of seeds.

    An ideal reservoir, the other depth, or steps of a quarter of a nanosecond, in which the field is damped less,
    would be noticed.
    """
    measured = measured_excess(line_charge_bath(depth, 1.0), 2600, seed=21)
    expected = excess(line_charge_bath(depth, 1.0))
    assert measured.standard_error < largest_error
    assert abs(measured.mean - expected) < 5.0 * measured.standard_error, (measured, expected)
    for wrong in (0.0, excess(line_charge_bath(50.0 - depth, 1.0)), excess(line_charge_bath(depth, 0.25))):
        assert abs(measured.mean - wrong) > 5.0 * measured.standard_error, (measured, wrong)


@pytest.mark.slow
@pytest.mark.parametrize("time_step", [1.0, 0.25])
def test_the_excess_of_line_charges_to_a_twentieth_of_a_per_cent(time_step):
    """At a depth of 40 nm, where the next order in 1/depth is small; within 3 standard errors."""
    measured = measured_excess(line_charge_bath(40.0, time_step), 5000, seed=22)
    expected = excess(line_charge_bath(40.0, time_step))
    assert measured.standard_error < 0.0005
    assert abs(measured.mean - expected) < 3.0 * measured.standard_error, (measured, expected)


def test_between_two_baths_through_pores_ions_pass_at_the_rate_of_the_resistances_in_series():
    """Without a field, J = A (c_in - c_out)/(L_in/D + L_out/D + A/(n p)); 5 standard errors of the counts."""
    tables = make_box(1.0, inside=150.0, outside=50.0).to_json()
    scenario = Scenario.from_json(tables)
    channel = {
        "name": "wide",
        "count": 60,
        "permeability": {"K": 0.25},
        "pore": {"mouth_depth": 1.0},
    }
    scenario = Scenario.model_validate(
        scenario.model_dump(mode="json") | {"channels": [channel]}, context={"internal_units": True}
    )
    engine = BrownianEngine(scenario, 5, 1.0, 1, 0.0)
    engine.advance(500)
    start = engine.observe()
    assert engine.advance(10_000) == 10_000
    now = engine.observe()
    diffusion = engine.composition.diffusion_coefficients[0]
    difference = (150.0 - 50.0) * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    expected = AREA * difference / (2.0 * LENGTH / diffusion + AREA / (60 * 0.25)) * 10_000.0
    one_way = (now.crossings - start.crossings)[0, 0]
    net = one_way[0] - one_way[1]
    assert abs(net - expected) < 5.0 * np.sqrt(one_way.sum())
    came = (now.exchanged - start.exchanged)[0]
    assert abs((came[0, 0] - came[0, 1]) - net) < 5.0 * np.sqrt(2 * 677)
    assert expected > 20.0 * np.sqrt(one_way.sum())


def far_end_of_a_gradient(time_step, duration=3000.0, blocks=20):
    """Return where the line through the density of a tracer that comes through the membrane vanishes, by block, nm.

    Without a field; measured more than the longest step, 3.9 nm, away from the membrane and from the end.
    """
    area, coefficient, low, high = 5000.0, 2.5, 4.0, 11.0
    tables = {
        "title": "A gradient",
        "simulation": {"duration": 1000.0, "time_step": time_step, "temperature": BODY_TEMPERATURE},
        "geometry": {"area": area, "inside_length": LENGTH, "outside_length": LENGTH, "boundary": "bath"},
        "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
        "species": {
            "tracer": {"valence": 1, "diffusion_coefficient": coefficient},
            "tetravalent": {"valence": -4, "diffusion_coefficient": 0.1},
        },
        "inside": {"tracer": 300.0, "tetravalent": 75.0},
        "outside": {"K": 1.0, "Cl": 1.0},
        "channels": [
            {"name": "wide", "count": 100, "permeability": {"tracer": 1.0}, "pore": {"mouth_depth": 1.5}}
        ],
    }
    scenario = Scenario.model_validate(tables, context={"internal_units": True})
    engine = BrownianEngine(scenario, 7, time_step, 1, 0.0)
    tracer = engine.composition.names.index("tracer")
    is_tracer = engine.species_of_slots == tracer

    def advance(time):
        left = round(time / time_step)
        while left:
            left -= engine.advance(left)
            engine.drain_events()

    def net():
        outward, inward = engine.observe().crossings[0, tracer]
        return outward - inward

    advance(400.0)
    ends = []
    interval, records = 5.0, round(duration / blocks / 5.0)
    for _ in range(blocks):
        before, ions = net(), []
        for _ in range(records):
            advance(interval)
            depth = engine.locate().x[is_tracer] - 4.0
            ions.append(np.sum((depth > low) & (depth < high)))
        flux = (net() - before) / (records * interval)
        ends.append((low + high) / 2.0 + coefficient * np.mean(ions) / (high - low) / flux)
    return np.array(ends)


@pytest.mark.parametrize("time_step", [1.0, 0.25])
def test_an_end_acts_half_a_step_beyond_its_place(time_step):
    """By 0.516 deviations of a step, as Milne's problem says; 5 standard errors, and as far from its place."""
    ends = far_end_of_a_gradient(time_step)
    error = ends.std(ddof=1) / np.sqrt(len(ends))
    assert error < 0.06
    assert abs(ends.mean() - LENGTH - 0.516 * np.sqrt(2.0 * 2.5 * time_step)) < 5.0 * error
    assert ends.mean() - LENGTH > 5.0 * error


def test_the_ledger_counts_who_came_and_went():
    engine = BrownianEngine(make_box(1.0), 6, 1.0, 1)
    engine.advance(100)
    now = engine.observe()
    start = np.stack([engine.composition.counts_inside, engine.composition.counts_outside], axis=1)
    np.testing.assert_array_equal(now.ions, start + now.exchanged[:, :, 0] - now.exchanged[:, :, 1])
    assert now.exchanged.min() > 1000
    present = ~np.isnan(engine.locate().x)
    assert present.sum() == now.ions.sum() < engine.n_slots
