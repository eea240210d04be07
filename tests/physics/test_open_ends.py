"""Open far ends: a uniform bath stays uniform, its number fluctuates as it should, two baths carry a flux."""

import numpy as np
import pytest
from membrane_patch import BODY_TEMPERATURE

from mc.analysis.statistics import block_average
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines.brownian.engine import BrownianEngine
from mc.scenario.schema import Scenario

AREA, LENGTH, SALT = 500.0, 15.0, 150.0


def make_box(time_step, dimensions=1, inside=SALT, outside=SALT):
    """Return a scenario of two baths of potassium chloride with a membrane that nothing crosses."""
    size = {"area": AREA} if dimensions == 1 else {"dimensions": 2, "width": 50.0, "depth": AREA / 50.0}
    tables = {
        "title": "Open ends",
        "simulation": {"duration": 1000.0, "time_step": time_step, "temperature": BODY_TEMPERATURE},
        "geometry": size | {"inside_length": LENGTH, "outside_length": LENGTH, "boundary": "bath"},
        "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
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
    engine = BrownianEngine(make_box(time_step, dimensions=2), 4, time_step, 1, 0.0)
    numbers, concentrations = observe(engine, 200)
    expected = engine.composition.counts_inside[0]
    total, ends = block_average(numbers.sum(axis=(1, 2))), block_average(layer(engine, concentrations))
    assert abs(total.mean - 4 * expected) < 5.0 * total.standard_error < 0.05 * 4 * expected
    assert abs(ends.mean - SALT) < 5.0 * ends.standard_error < 0.1 * SALT


def test_a_plane_with_its_field_holds_its_concentration_within_the_activity_of_line_charges():
    """A reservoir is ideal, while ions that are lines 10 nm deep draw one another in: some per cent more of them."""
    engine = BrownianEngine(make_box(1.0, dimensions=2), 4, 1.0, 1)
    numbers, _ = observe(engine, 200)
    total = block_average(numbers.sum(axis=(1, 2)))
    assert -5.0 * total.standard_error < total.mean - 4 * 677 < 0.08 * 4 * 677


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


def test_the_ledger_counts_who_came_and_went():
    engine = BrownianEngine(make_box(1.0), 6, 1.0, 1)
    engine.advance(100)
    now = engine.observe()
    start = np.stack([engine.composition.counts_inside, engine.composition.counts_outside], axis=1)
    np.testing.assert_array_equal(now.ions, start + now.exchanged[:, :, 0] - now.exchanged[:, :, 1])
    assert now.exchanged.min() > 1000
    present = ~np.isnan(now.positions)
    assert present.sum() == now.ions.sum() < engine.n_slots
