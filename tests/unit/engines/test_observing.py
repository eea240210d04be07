"""What is seen of single ions at many moments in one go."""

import numpy as np
import pytest
from small_membrane import TABLES

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines.brownian.engine import BrownianEngine
from mc.errors import LedgerError, StabilityError
from mc.field.deposition import PARKED
from mc.scenario.schema import Scenario

WIDTH = 64.0


def make_engine(dimensions=1, boundary="closed", **changes):
    geometry = TABLES["geometry"] | {"boundary": boundary}
    electrode = {"name": "tip", "inside": "4 nm", "outside": "6 nm"}
    if dimensions == 2:
        del geometry["area"]
        geometry |= {"dimensions": 2, "width": f"{WIDTH} nm", "depth": "30 nm"}
        electrode |= {"y": "10 nm"}
    tables = TABLES | {"geometry": geometry, "electrodes": [electrode]} | changes
    return BrownianEngine(Scenario.model_validate(tables), 1, 0.5, 1)


def assert_same_observation(one, other):
    assert vars(one).keys() == vars(other).keys()
    for name, value in vars(one).items():
        expected = getattr(other, name)
        if name == "states":
            for here, there in zip(value, expected, strict=True):
                np.testing.assert_array_equal(here, there)
        elif name == "maps":
            assert (value is None) == (expected is None)
            for field in vars(value) if value is not None else ():
                np.testing.assert_array_equal(getattr(value, field), getattr(expected, field), err_msg=field)
        else:
            np.testing.assert_array_equal(value, expected, err_msg=name)


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("boundary", ["closed", "bath"])
def test_what_is_seen_on_the_way_is_what_steps_and_looks_in_turn_see(dimensions, boundary):
    """To the last bit, however many are seen in a go; what a protocol changes on a stop and between two included."""
    protocol = {
        "voltage": [{"start": "10 ns", "stop": "21.5 ns", "potential": "-40 mV", "end_potential": "20 mV"}],
        "blocks": [{"start": "25 ns", "stop": "30 ns", "protein": "K leak", "fraction": 0.5}],
    }
    watched, looked_at = (make_engine(dimensions, boundary, protocol=protocol) for _ in range(2))
    ions = np.array([0, 5, 70, 300])
    stops, seen, located, goes = [*range(4, 80, 4), 100], [], {}, 0
    while watched.step < stops[-1]:
        watch = watched.watch([stop for stop in stops if stop > watched.step][:7], (12, 40, 100), ions)
        assert watch.error is None
        assert watch.seconds > 0.0
        goes += 1
        seen += [watch.seen.at(moment) for moment in range(len(watch.seen.step))]
        located |= watch.positions
    assert 4 <= goes < len(stops)
    assert [one.step for one in seen] == stops
    assert sorted(located) == [12, 40, 100]
    for one in seen:
        while looked_at.step < one.step:
            looked_at.advance(one.step - looked_at.step)
        assert_same_observation(one, looked_at.observe())
        if one.step in located:
            expected = looked_at.locate()
            np.testing.assert_array_equal(located[one.step].x, expected.x[ions])
            if dimensions == 2:
                np.testing.assert_array_equal(located[one.step].y, expected.y[ions])
    np.testing.assert_array_equal(watched.state.ions.positions, looked_at.state.ions.positions)
    assert seen[-1].crossings.sum() > 0
    assert np.abs(seen[-1].electrodes[0]) > 0.0


@pytest.mark.parametrize("dimensions", [1, 2])
def test_ions_are_located_where_they_are_counted(dimensions):
    """In the cells along x, but for one that rounding puts beyond an edge, and in pores at the sites of these."""
    engine = make_engine(dimensions, "bath")
    engine.advance(150)
    now, place = engine.observe(), engine.locate()
    centres, widths, _ = engine.cells_along_x()
    per_millimolar = engine.scenario.geometry.area * widths * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    assert now.ions_in_pores.sum() > 0
    for species in range(len(engine.composition.names)):
        x = place.x[engine.species_of_slots == species].astype(float)
        is_in_pore = (x >= 0.0) & (x <= 4.0)
        assert is_in_pore.sum() == now.ions_in_pores[species]
        assert [(x < 0.0).sum(), (x > 4.0).sum()] == now.ions[species].tolist()
        counted = now.cell_concentrations[species] * per_millimolar
        beyond = (x[~is_in_pore, np.newaxis] > centres + widths / 2.0).sum(axis=0)
        total = now.ions[species].sum()
        np.testing.assert_allclose(beyond, total - np.cumsum(counted), atol=1.0 + 1e-6)
    if dimensions == 2:
        is_in_pore = (place.x >= 0.0) & (place.x <= 4.0)
        assert np.isin(place.y[is_in_pore], engine.state.plane.mouths.sites.astype(np.float32)).all()


@pytest.mark.parametrize("dimensions", [1, 2])
def test_what_was_seen_before_an_ion_is_lost_is_told_with_the_error(dimensions):
    engine = make_engine(dimensions)
    assert engine.watch([2, 4]).seen.step.tolist() == [2, 4]
    before = engine.advance

    def lose(n_steps):
        if engine.step == 8:
            engine.state.ions.positions[7] = PARKED
        return before(n_steps)

    engine.advance = lose
    watch = engine.watch([6, 8, 10, 12])
    assert watch.seen.step.tolist() == [6, 8]
    assert isinstance(watch.error, LedgerError)
    assert "ions were lost or made by 5 ns" in str(watch.error)


def test_what_was_seen_before_a_bath_is_full_is_told_with_the_error():
    engine = make_engine(boundary="bath")
    before = engine.advance

    def overflow(n_steps):
        if engine.step == 8:
            engine.state.reservoirs.lacking[0] = 1
        return before(n_steps)

    engine.advance = overflow
    watch = engine.watch([6, 8, 10, 12])
    assert watch.seen.step.tolist() == [6, 8]
    assert isinstance(watch.error, StabilityError)


def test_a_go_ends_where_events_wait_to_be_drained():
    engine = make_engine()
    full = engine.state.events.crossings
    engine.watch([2, 4])
    full.n[0] = full.rows.size
    watch = engine.watch([6, 8])
    assert (watch.seen, watch.error, engine.step) == (None, None, 4)
    engine.drain_events()
    assert engine.watch([6, 8]).seen.step.tolist() == [6, 8]
