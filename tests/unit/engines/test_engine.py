import numpy as np
import pytest

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines.brownian import stepping
from mc.engines.brownian.crossing import charge_in_pores
from mc.errors import LedgerError
from mc.field.deposition import PARKED, Sums, restore


def trajectory(engine):
    """Return everything that a run decides, up to now."""
    state = engine.state
    return (
        state.ions.positions.copy(),
        state.pores.table[: state.pores.n_ions[0]].copy(),
        state.pores.crossings.copy(),
        state.channels.chains["state"].copy(),
        state.pumps.cycles.copy(),
    )


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


# --- the start ---


def test_ions_start_uniform_on_their_own_sides(make_engine):
    """Counts to the ion; means of each bath within 5 standard errors of its middle."""
    engine = make_engine()
    composition, ions = engine.composition, engine.state.ions
    for i in range(len(composition.names)):
        x = ions.positions[ions.first_ion[i] : ions.first_ion[i + 1]]
        assert (x < 0).sum() == composition.counts_inside[i]
        assert (x > 0).sum() == composition.counts_outside[i]
        for distance, length in ((-x[x < 0], 8.0), (x[x > 0], 12.0)):
            assert np.all(distance <= length)
            if distance.size:
                assert abs(distance.mean() - length / 2) < 5.0 * length / np.sqrt(12 * distance.size)


def test_the_start_is_neutral_and_at_rest(make_engine):
    now = make_engine().observe()
    assert now.step == 0
    assert now.charge_separation_potential == 0.0
    assert now.field_potential_drop == 0.0
    assert now.total_charge == 0.0
    assert now.crossings.sum() == now.pump_cycles.sum() == now.ions_in_pores.sum() == 0


def test_gates_start_in_their_stationary_distribution(make_engine):
    """100 channels, open with probability 5/7: 5 standard deviations are 23."""
    now = make_engine().observe()
    assert abs(now.open_channels[0] - 100 * 5 / 7) < 23
    assert now.open_channels[1] == 30
    assert now.states[0].sum() == 100
    assert now.states[0][1] == now.open_channels[0]


# --- the ledger ---


def test_ions_and_charge_are_conserved_while_everything_happens(make_engine):
    engine = make_engine()
    expected = engine.composition.counts_inside + engine.composition.counts_outside
    for _ in range(40):
        engine.advance(20)
        now = engine.observe()
        np.testing.assert_array_equal(now.ions.sum(axis=1) + now.ions_in_pores, expected)
        assert now.total_charge == 0.0
        assert now.field_potential_drop == pytest.approx(now.charge_separation_potential, abs=1e-9)
    assert now.crossings.sum() > 20
    assert now.pump_cycles[0, 0] > 5
    assert now.states[0].sum() == 100


def test_counts_follow_from_crossings_pump_cycles_and_pores(make_engine):
    engine = make_engine()
    start = engine.observe()
    engine.advance(800)
    now, names = engine.observe(), engine.composition.names
    entered_from = engine.state.pores.table["origin"][: engine.state.pores.n_ions[0]]
    ions_in_pores = engine.state.pores.table["ion"][: engine.state.pores.n_ions[0]]
    species = np.searchsorted(engine.state.ions.first_ion, ions_in_pores, side="right") - 1
    for i, name in enumerate(names):
        outward, inward = now.crossings[:, i].sum(axis=0)
        pumped = {"Na": 3, "K": -2}.get(name, 0) * now.pump_cycles[0, 0]
        left = ((species == i) & (entered_from == 0)).sum()
        assert start.ions[i, 0] - now.ions[i, 0] == outward - inward + pumped + left


def test_running_sums_are_those_of_a_fresh_deposit(make_engine):
    engine = make_engine()
    engine.advance(300)
    ions, sums = engine.state.ions, engine.state.sums
    fresh = Sums(np.zeros_like(sums.counts), np.zeros_like(sums.counts), sums.inverse_spacing, sums.stride)
    for species in range(len(ions.valences)):
        for x in ions.positions[ions.first_ion[species] : ions.first_ion[species + 1]]:
            restore.py_func(x, species, fresh)
    np.testing.assert_array_equal(fresh.counts, sums.counts)
    # What ions in no bath weigh means nothing.
    in_baths = np.arange(2 * sums.stride) % sums.stride != sums.stride - 1
    np.testing.assert_array_equal(fresh.weight_sums[:, in_baths], sums.weight_sums[:, in_baths])


def test_ions_in_pores_are_parked_and_no_others(make_engine):
    engine = make_engine()
    engine.advance(200)
    in_pores = engine.state.pores.table["ion"][: engine.state.pores.n_ions[0]]
    assert in_pores.size > 0
    assert np.unique(in_pores).size == in_pores.size
    np.testing.assert_array_equal(np.sort(in_pores), np.flatnonzero(engine.state.ions.positions == PARKED))
    depths = engine.state.pores.table["depth"][: in_pores.size]
    assert np.all((depths > 0.0) & (depths < 4.0))
    np.testing.assert_allclose(engine.locate(np.sort(in_pores)).x, depths[np.argsort(in_pores)], rtol=1e-6)


def lose_an_ion(engine):
    engine.state.ions.positions[7] = PARKED


def duplicate_an_ion(engine):
    engine.state.pores.table[engine.state.pores.n_ions[0]]["depth"] = 1.0
    engine.state.pores.n_ions[0] += 1


def move_an_ion_across(engine):
    engine.state.ions.positions[7] *= -1.0


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (lose_an_ion, "ions were lost or made"),
        (duplicate_an_ion, "ions were lost"),
        (move_an_ion_across, "charge was"),
    ],
)
def test_tampering_with_an_ion_stops_the_run_and_names_the_time(make_engine, tamper, message):
    engine = make_engine()
    engine.advance(10)
    tamper(engine)
    engine.advance(0)
    with pytest.raises(LedgerError, match=rf"{message}.* by 5 ns"):
        engine.observe()


def test_a_clamped_run_still_counts_its_ions(make_engine):
    engine = make_engine(clamped_potential=-50.0)
    engine.advance(10)
    lose_an_ion(engine)
    engine.advance(0)
    with pytest.raises(LedgerError, match="ions were lost"):
        engine.observe()


# --- the field ---


def test_the_field_drop_is_the_charge_inside_and_in_pores_over_the_capacitance(make_engine):
    engine = make_engine()
    engine.advance(300)
    now, valences = engine.observe(), engine.state.ions.valences
    induced, _ = charge_in_pores(engine.state.pores, valences, engine.state.ions.first_ion)
    capacitance = engine.scenario.membrane.capacitance * engine.scenario.geometry.area
    expected = (valences @ now.ions[:, 0] + induced) / capacitance
    assert expected != 0.0
    assert now.field_potential_drop == pytest.approx(expected)


def test_the_potential_is_that_of_the_charges_in_the_cells(make_engine):
    """Second differences of the potential: minus the charge at each node over area and permittivity."""
    engine = make_engine()
    engine.advance(300)
    engine.observe()
    state, look = engine.state, engine.state.look
    grid, stride = state.box.grid, state.box.grid.stride
    charges = np.zeros(2 * stride)
    for species, valence in enumerate(state.ions.valences):
        for cell in range(2 * stride - 1):
            if cell % stride == stride - 1:
                continue
            far = look.weight_sums[species, cell] / 65536
            charges[cell] += valence * (look.counts[species, cell] - far)
            charges[cell + 1] += valence * far
    for side in range(2):
        nodes = slice(side * stride, (side + 1) * stride - 1)
        second = np.diff(look.potential[nodes], 2) / grid.spacing
        expected = -charges[nodes][1:-1] / (grid.area * grid.permittivity)
        np.testing.assert_allclose(second, expected, atol=1e-6)


def test_a_clamp_holds_the_slab_and_leaves_the_baths_without_field(make_engine):
    engine = make_engine(clamped_potential=-80.0)
    engine.advance(100)
    now = engine.observe()
    assert now.field_potential_drop == -80.0
    assert now.membrane_potential == pytest.approx(-80.0)
    assert np.unique(np.round(now.potential, 9)).size == 2
    thermal = engine.state.box.thermal_potential
    slopes = engine.state.field.slopes
    np.testing.assert_allclose(slopes, engine.state.ions.valences * -80.0 / 4.0 / thermal)


# --- looking ---


def test_looking_does_not_change_what_happens(make_engine):
    watched, alone = make_engine(), make_engine()
    for _ in range(60):
        watched.advance(1)
        watched.observe()
        watched.drain_events()
    alone.advance(60)
    assert_same(trajectory(watched), trajectory(alone))
    np.testing.assert_array_equal(watched.locate().x, alone.locate().x)


def test_looking_twice_shows_the_same(make_engine):
    engine = make_engine()
    engine.advance(50)
    first, second = engine.observe(), engine.observe()
    assert first.membrane_potential == second.membrane_potential
    np.testing.assert_array_equal(first.potential, second.potential)


def test_another_seed_gives_another_run(make_engine):
    first, second = make_engine(seed=1), make_engine(seed=2)
    first.advance(10)
    second.advance(10)
    assert not np.array_equal(first.state.ions.positions, second.state.ions.positions)


def test_concentrations_of_cells_hold_all_ions_of_the_baths(make_engine):
    engine = make_engine()
    engine.advance(100)
    now = engine.observe()
    _, widths, _ = engine.cells_along_x()
    volumes = widths * engine.scenario.geometry.area * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    np.testing.assert_allclose(now.cell_concentrations @ volumes, now.ions.sum(axis=1))


def test_cells_and_nodes_lie_along_x_without_gaps(make_engine):
    engine = make_engine()
    centres, widths, nodes = engine.cells_along_x()
    is_bath = widths > 0.0
    edges = np.stack([centres - widths / 2, centres + widths / 2])[:, is_bath]
    assert edges[0, 0] == pytest.approx(-8.0)
    assert edges[1, -1] == pytest.approx(16.0)
    gaps = edges[0, 1:] - edges[1, :-1]
    assert gaps.max() == pytest.approx(4.0)
    assert np.sort(gaps)[-2] == pytest.approx(0.0, abs=1e-9)
    assert np.all(np.diff(nodes) > 0.0)


def test_bulk_concentrations_are_those_of_the_start_within_their_fluctuation(make_engine):
    """Potassium inside: 140 mM in about half of the bath, some 700 ions, 5 sigma."""
    now = make_engine().observe()
    assert now.bulk_concentrations[0, 0] == pytest.approx(140.0, abs=5 * 140.0 / np.sqrt(700))


# --- events ---


def test_events_are_drained_once_and_agree_with_the_counts(make_engine):
    engine = make_engine()
    engine.advance(600)
    now, events = engine.observe(), engine.drain_events()
    crossings = events["crossings"]
    assert crossings["ion"].size == now.crossings.sum()
    assert (crossings["direction"] == 1).sum() == now.crossings[:, :, 0].sum()
    species = np.searchsorted(engine.state.ions.first_ion, crossings["ion"], side="right") - 1
    np.testing.assert_array_equal(species, crossings["species"])
    np.testing.assert_array_equal(crossings["channel"] >= 100, crossings["species"] == 2)
    np.testing.assert_allclose(crossings["time"], crossings["step"] * 0.5)
    assert events["pumps"]["ion"].size == 5 * now.pump_cycles[0, 0]
    assert events["gating"]["channel"].size > 0
    assert all(columns["step"].size == 0 for columns in engine.drain_events().values())


def test_a_full_buffer_of_events_stops_the_engine_until_it_is_emptied(make_engine):
    engine = make_engine()
    transitions = engine.state.events.transitions
    transitions.n[0] = transitions.rows.size // 2 + 1
    assert engine.advance(5) == 0
    assert engine.step == 0
    engine.drain_events()
    assert engine.advance(5) == 5
    assert engine.step == 5


def test_channels_that_are_shut_are_not_crossed(make_engine):
    engine = make_engine()
    engine.state.channels.rates[:] = 0.0
    engine.state.channels.leaving_rates[:] = 0.0
    channels = engine.state.channels
    channels.n_at_level[:, 0], channels.n_at_level[:, 1:] = channels.n_at_level.sum(axis=1), 0
    channels.chains["level"] = 0
    engine.advance(400)
    assert engine.observe().crossings.sum() == 0


def test_the_threads_asked_for_are_used_only_where_they_help(make_engine):
    """A few thousand ions are faster on one."""
    engine = make_engine()
    assert engine.n_ions < 20_000
    assert engine.threads == 1
    assert engine.state.scratch.n_candidates.size == 1


def test_steps_are_numbered_from_zero_over_calls(make_engine):
    engine = make_engine()
    assert (engine.advance(3), engine.advance(4), engine.step) == (3, 4, 7)
    assert stepping.advance(engine.state, 0) == 0
    assert engine.step == 7
