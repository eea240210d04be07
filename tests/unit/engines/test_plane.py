"""The engine with places along the membrane: mouths, ledger, threads."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from small_membrane import TABLES

from mc.compilation import entry_point
from mc.constants import SENSING_REACH
from mc.engines.brownian import crossing, stepping
from mc.engines.brownian.engine import BrownianEngine
from mc.engines.brownian.plane import SAMPLE_EVERY, find_bin
from mc.engines.brownian.sorting import SORT_EVERY
from mc.field import shares
from mc.scenario.schema import Scenario

WIDTH, DEPTH = 100.0, 20.0


def make_scenario(boundary="closed", **changes):
    geometry = {
        "dimensions": 2,
        "width": f"{WIDTH} nm",
        "depth": f"{DEPTH} nm",
        "inside_length": "8 nm",
        "outside_length": "12 nm",
        "boundary": boundary,
    }
    return Scenario.model_validate(TABLES | {"geometry": geometry} | changes)


@entry_point
def add_all(positions, places_along, species, valences, weighed, mesh, sums):
    for ion in range(positions.size):
        of = species[ion]
        shares.add_ion(positions[ion], places_along[ion], 1, of, valences[of], weighed[of], mesh, sums)


@entry_point
def set_chances(state):
    stepping.set_chances(
        state.box, state.ions, state.pores, state.channels, state.field, state.plane, state.line
    )


@pytest.fixture(scope="module")
def engine():
    """An engine after 400 steps."""
    engine = BrownianEngine(make_scenario(), 1, 0.5, 1)
    for _ in range(4):
        engine.advance(100)
    return engine


def test_ions_and_charge_are_conserved(engine):
    now = engine.observe()
    expected = engine.composition.counts_inside + engine.composition.counts_outside
    np.testing.assert_array_equal(now.ions.sum(axis=1) + now.ions_in_pores, expected)
    assert now.total_charge == 0.0
    assert now.crossings.sum() > 20
    assert now.pump_cycles[0, 0] > 5


def test_the_drop_of_the_plane_is_charge_over_capacitance(engine):
    now = engine.observe()
    assert now.charge_separation_potential != 0.0
    # The field is solved in single precision.
    assert now.field_potential_drop == pytest.approx(now.charge_separation_potential, abs=2e-4)


def deposit_anew(engine):
    """Return the sums of all ions, added one by one."""
    state = engine.state
    plane, ions = state.plane, state.ions
    fresh = shares.make_sums(plane.mesh, ions.valences.size)
    add_all(
        ions.positions,
        plane.transverse[0],
        engine.species_of_slots,
        ions.valences,
        plane.tables.weighed,
        plane.mesh,
        fresh,
    )
    return fresh


@pytest.mark.parametrize("boundary", ["closed", "bath"])
def test_ions_are_counted_with_those_that_have_crossed_or_come_in(boundary):
    """From them the conductivity is sampled. Ions that have just left are beyond the far end, and counted no more."""
    engine = BrownianEngine(make_scenario(boundary), 1, 0.5, 1)
    engine.advance(3 * SAMPLE_EVERY)
    np.testing.assert_array_equal(engine.state.plane.sums.counts, deposit_anew(engine).counts)


def test_running_sums_are_those_of_a_fresh_deposit(engine):
    plane, fresh = engine.state.plane, deposit_anew(engine)
    np.testing.assert_array_equal(fresh.charges, plane.sums.charges)
    np.testing.assert_array_equal(fresh.weights, plane.sums.weights)
    # Pumps sense K and Na as far as they reach, and nothing senses Cl and the impermeant anion.
    reach = int(SENSING_REACH / engine.state.box.grid.spacing) + 1
    sensed = dict.fromkeys(("K", "Na"), reach)
    assert list(plane.tables.weighed) == [sensed.get(name, 0) for name in engine.composition.names]


def test_ions_keep_their_names_when_they_are_sorted():
    """Whoever follows an ion sees it go on from where it was, though its slot of memory changes."""
    engine = BrownianEngine(make_scenario(), 1, 0.5, 1)
    engine.advance(SORT_EVERY)
    names = engine.state.plane.names.copy()
    before, chosen = engine.locate(), np.array([3, 40, 500, 7000])
    engine.advance(1)
    assert (engine.state.plane.names != names).mean() > 0.9
    np.testing.assert_array_equal(np.sort(engine.state.plane.names), np.arange(engine.n_slots))
    after, few = engine.locate(), engine.locate(chosen)
    farthest = 2.0 * math.sqrt(6.0 * engine.composition.diffusion_coefficients.max() * 0.5)
    moved = np.abs(after.y - before.y)
    assert np.nanmax(np.minimum(moved, WIDTH - moved)) < farthest
    assert np.nanmax(np.abs(after.x - before.x)) < farthest + 4.0
    np.testing.assert_array_equal(few.x, after.x[chosen])
    np.testing.assert_array_equal(few.y, after.y[chosen])


def test_places_are_on_the_axis_and_uniform_along_it(engine):
    """The mean of some 8000 uniform places, 5 standard errors."""
    y = engine.locate().y
    assert np.all((y >= 0.0) & (y < WIDTH))
    assert abs(y.mean() - WIDTH / 2) < 5.0 * WIDTH / math.sqrt(12 * y.size)


def test_maps_average_to_the_profiles(engine):
    now = engine.observe()
    np.testing.assert_allclose(now.maps.concentrations.mean(axis=2), now.cell_concentrations)
    np.testing.assert_allclose(now.maps.potential.mean(axis=1, dtype=float), now.potential, atol=1e-9)


def test_ions_come_out_within_the_mouth_of_their_channel():
    engine = BrownianEngine(make_scenario(), 1, 0.5, 1)
    sites, seen = engine.state.plane.mouths.sites, 0
    for _ in range(200):
        engine.advance(1)
        crossings = engine.drain_events()["crossings"]
        for channel, ion in zip(crossings["channel"], crossings["ion"], strict=True):
            slot = np.flatnonzero(engine.state.plane.names == ion)[0]
            distance = abs(engine.state.plane.transverse[0, slot] - sites[channel])
            assert min(distance, WIDTH - distance) <= 0.5 + 1e-5
            seen += 1
    assert seen > 10


def test_every_ion_enters_a_channel_whose_mouth_it_is_in():
    engine = BrownianEngine(make_scenario(), 1, 0.5, 1)
    sites, seen = engine.state.plane.mouths.sites, 0
    before, names = set(), engine.state.plane.names
    for _ in range(100):
        engine.advance(1)
        table = engine.state.pores.table[: engine.state.pores.n_ions[0]]
        for row in table:
            if names[row["ion"]] not in before:
                # Ions in no bath keep the place at which they entered until the next move.
                distance = abs(engine.state.plane.transverse[0, row["ion"]] - sites[row["channel"]])
                assert min(distance, WIDTH - distance) <= 0.5 + 1e-5
                seen += 1
        before = set(names[table["ion"]])
    assert seen > 10


def test_the_sum_of_velocities_counts_the_open_mouths_above_a_place(engine):
    state, mouths = engine.state, engine.state.plane.mouths
    # The bounds of the drops as they are now; those of the last step were of the drops before it.
    set_chances(state)
    thermal, chains = state.box.thermal_potential, state.channels.chains
    valences = state.ions.valences
    sum_velocities = crossing.sum_velocities.py_func
    scene = SimpleNamespace(chains=chains.view(np.recarray), slope_per_drop=state.field.slope_per_drop)
    overlapping = is_bounded_by_place = 0
    for place in np.linspace(0.0, 99.99, 97):
        for side in range(2):
            for species in (0, 2):
                expected, n = 0.0, 0
                for channel in range(mouths.sites.size):
                    distance = abs(place - mouths.sites[channel])
                    if min(distance, WIDTH - distance) > 0.5:
                        continue
                    if side == 0 and not chains["level"][channel]:
                        continue
                    kind = chains["channel_type"][channel]
                    slope = valences[species] / thermal * mouths.drops[channel] / 4.0
                    velocity = crossing.entry_velocity(slope, 0.3, 1.0 if side == 0 else -1.0)
                    expected += state.pores.capture[kind, 1, species, 1] / (1.0 * DEPTH) * velocity
                    n += 1
                overlapping += n > 1
                found, _ = sum_velocities(
                    np.float32(place), species, side, math.inf, state.pores, scene, mouths
                )
                assert found == pytest.approx(expected, rel=1e-9)
                highest = crossing.entry_exponent(found, state.ions.diffusion_coefficients[species], 0.5)
                largest = state.field.entry_exponents[species, side]
                share = mouths.shares[find_bin(place, mouths), species]
                assert highest <= largest * share * (1 + 1e-9)
                is_bounded_by_place += share < 1.0
    assert overlapping > 10
    assert is_bounded_by_place > 10


def test_results_are_the_same_bits_for_one_thread_and_two(monkeypatch):
    monkeypatch.setattr("mc.engines.brownian.engine.SERIAL_IONS", 0)
    one, two = (BrownianEngine(make_scenario(), 3, 0.5, threads) for threads in (1, 2))
    assert two.state.scratch.n_candidates.size == 2
    for engine in (one, two):
        engine.advance(150)
    first, second = one.observe(), two.observe()
    np.testing.assert_array_equal(one.state.ions.positions, two.state.ions.positions)
    np.testing.assert_array_equal(one.state.plane.transverse, two.state.plane.transverse)
    np.testing.assert_array_equal(first.maps.potential, second.maps.potential)
    np.testing.assert_array_equal(first.crossings, second.crossings)
    assert first.crossings.sum() > 0


def test_looking_does_not_change_what_happens():
    watched, alone = (BrownianEngine(make_scenario(), 2, 0.5, 1) for _ in range(2))
    for _ in range(40):
        watched.advance(2)
        watched.observe()
    alone.advance(80)
    np.testing.assert_array_equal(watched.state.ions.positions, alone.state.ions.positions)
    np.testing.assert_array_equal(watched.state.plane.transverse, alone.state.plane.transverse)


def test_a_clamp_holds_every_channel():
    engine = BrownianEngine(make_scenario(), 1, 0.5, 1, -60.0)
    engine.advance(20)
    now = engine.observe()
    assert now.membrane_potential == pytest.approx(-60.0)
    np.testing.assert_allclose(engine.state.plane.mouths.drops, -60.0)
