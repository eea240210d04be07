import h5py
import numpy as np
import pytest

from mc import Recording
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines.lattice import engine as lattice
from mc.engines.lattice.engine import LatticeEngine
from mc.errors import LedgerError, NumericalError, RecordingError, ScenarioError, StabilityError
from mc.scenario.schema import MOST_RECORDED_IONS, Scenario
from mc.simulation import Progress, choose_recorded, simulate

TABLES = {
    "title": "Small",
    "simulation": {"duration": "50 ns", "time_step": "0.5 ns", "seed": 5},
    "geometry": {"area": "0.002 um^2", "inside_length": "8 nm", "outside_length": "12 nm"},
    "membrane": {"thickness": "4 nm", "capacitance": "1 uF/cm^2"},
    "inside": {"K": "140 mM", "Na": "50 mM", "Cl": "10 mM"},
    "outside": {"K": "20 mM", "Na": "130 mM", "Cl": "120 mM"},
    "channels": [
        {
            "name": "K leak",
            "count": 100,
            "permeability": {"K": "0.04 nm^3/ns"},
            "gating": {
                "states": ["shut", "open"],
                "open": ["open"],
                "rates": {"shut->open": "50 /us", "open->shut": "20 /us"},
            },
        }
    ],
    "pumps": [{"name": "Na/K-ATPase", "count": 10, "turnover": "100 /s", "acceleration": 1e6}],
    "recording": {
        "interval": "2 ns",
        "profile_interval": "10 ns",
        "positions_interval": "20 ns",
        "positions_stride": 3,
    },
}


def make(**changes):
    """Return the small scenario with tables updated."""
    return Scenario.model_validate(
        {
            key: {**value, **changes.get(key, {})} if isinstance(value, dict) else value
            for key, value in TABLES.items()
        }
    )


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return simulate(make(), tmp_path_factory.mktemp("run"), threads=1)


def test_records_come_at_the_start_every_interval_and_the_end(recording):
    np.testing.assert_allclose(recording.time, np.arange(0.0, 50.1, 2.0))
    np.testing.assert_array_equal(recording.step, np.arange(0, 101, 4))


def test_an_end_between_records_is_recorded_too(tmp_path):
    recording = simulate(
        make(
            simulation={"duration": "5 ns"},
            recording={"positions_interval": "5 ns", "profile_interval": "5 ns"},
        ),
        tmp_path,
        threads=1,
    )
    np.testing.assert_allclose(recording.time, [0.0, 2.0, 4.0, 5.0])
    assert recording.profiles.time[-1] == 5.0


def test_positions_come_at_their_own_interval_of_every_third_ion(recording):
    np.testing.assert_allclose(recording.positions.time, [0.0, 20.0, 40.0, 50.0])
    assert recording.positions.x.shape == (4, -(-recording.n_ions // 3))
    np.testing.assert_array_equal(recording.positions.ion, np.arange(0, recording.n_ions, 3))
    species = np.bincount(recording.positions.species)
    totals = [
        recording[f"ions_inside.{name}"][0] + recording[f"ions_outside.{name}"][0]
        for name in recording.species_names
    ]
    np.testing.assert_allclose(species, np.array(totals) / 3, atol=1.0)


def test_without_a_stride_a_fair_sample_of_every_species_is_recorded():
    species = np.repeat([0, 1, 2], [30_000, 9_990, 10])
    chosen = choose_recorded(species, None)
    assert np.bincount(species[chosen])[2] == 10
    assert len(chosen) == pytest.approx(MOST_RECORDED_IONS, abs=20)
    np.testing.assert_array_equal(choose_recorded(species, 7), np.arange(0, 40_000, 7))
    np.testing.assert_array_equal(choose_recorded(species[:100], None), np.arange(100))
    assert choose_recorded(species[:0], None).size == 0


def test_profiles_are_means_over_the_records_of_their_windows(recording):
    np.testing.assert_allclose(recording.profiles.time, [10.0, 20.0, 30.0, 40.0, 50.0])
    ions = (
        recording.profiles.concentration
        @ recording.profiles.cell_width
        * 2000.0
        * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    )
    i_potassium = recording.species_names.index("K")
    columns = recording["ions_inside.K"] + recording["ions_outside.K"]
    np.testing.assert_allclose(ions[0, i_potassium], columns[:6].mean(), rtol=1e-5)
    np.testing.assert_allclose(ions[1, i_potassium], columns[6:11].mean(), rtol=1e-5)
    np.testing.assert_allclose(ions[-1, i_potassium], columns[21:].mean(), rtol=1e-5)


def test_columns_agree_with_each_other(recording):
    for name in recording.species_names:
        total = sum(
            recording[f"{place}.{name}"] for place in ("ions_inside", "ions_outside", "ions_in_pores")
        )
        assert np.all(total == total[0])
    assert np.all(recording["ledger_charge"] == 0.0)
    np.testing.assert_array_equal(recording["open_channels.K leak"], recording["state.K leak.open"])
    assert np.all(recording["state.K leak.open"] + recording["state.K leak.shut"] == 100)


def test_events_agree_with_the_cumulative_columns(recording):
    crossings = recording.crossings
    outward = recording["crossings_outward.K leak.K"][-1]
    inward = recording["crossings_inward.K leak.K"][-1]
    assert (crossings["direction"] == 1).sum() == outward
    assert (crossings["direction"] == -1).sum() == inward
    assert outward + inward > 0
    assert recording.pump_moves["ion"].size == 5 * recording["pump_cycles.Na/K-ATPase"][-1]
    changes = np.where(recording.gating["to_state"] == 1, 1, -1).sum()
    assert recording["open_channels.K leak"][-1] - recording["open_channels.K leak"][0] == changes


def test_events_are_left_out_where_they_are_not_wanted(tmp_path):
    recording = simulate(make(recording={"events": False}), tmp_path, threads=1)
    assert recording.crossings["ion"].size == recording.gating["channel"].size == 0
    assert recording["crossings_outward.K leak.K"][-1] > 0


def test_the_run_describes_itself(recording):
    assert recording.finished
    assert recording.seed == 5
    assert recording.n_steps == 100
    assert recording.time_step == 0.5
    assert recording.wall_seconds > 0.0
    assert recording.scenario == make()


def test_how_often_is_recorded_does_not_change_what_happens(recording, tmp_path):
    seldom = simulate(
        make(recording={"interval": "10 ns", "positions_interval": "50 ns"}), tmp_path, threads=1
    )
    np.testing.assert_array_equal(seldom.values, recording.values[::5])
    np.testing.assert_array_equal(seldom.positions.x[-1], recording.positions.x[-1])
    for name, column in recording.crossings.items():
        np.testing.assert_array_equal(seldom.crossings[name], column)


def test_a_seed_given_to_the_run_goes_before_the_scenarios(tmp_path):
    assert (
        simulate(
            make(
                simulation={"duration": "2 ns"},
                recording={"interval": "1 ns", "profile_interval": "1 ns", "positions_interval": "1 ns"},
            ),
            tmp_path,
            seed=77,
            threads=1,
        ).seed
        == 77
    )


def test_without_any_seed_one_is_drawn_and_recorded(tmp_path):
    short = make(
        simulation={"duration": "2 ns", "seed": None},
        recording={"interval": "1 ns", "profile_interval": "1 ns", "positions_interval": "1 ns"},
    )
    seeds = {simulate(short, tmp_path / str(i), threads=1).seed for i in range(3)}
    assert len(seeds) == 3
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_clamped_potential_is_held(tmp_path):
    recording = simulate(make(), tmp_path, threads=1, clamped_potential=-40.0)
    np.testing.assert_allclose(recording["membrane_potential"], -40.0, atol=1e-9)


def test_progress_is_reported_at_the_end(tmp_path):
    reports = []
    simulate(make(), tmp_path, threads=1, on_progress=reports.append)
    assert (reports[-1].step, reports[-1].n_steps, reports[-1].time, reports[-1].duration) == (
        100,
        100,
        50.0,
        50.0,
    )
    assert reports[-1].steps_per_second > 0.0
    assert reports[-1].n_ions_followed > 0
    assert reports[-1].seconds_left == 0.0


def test_time_left_follows_from_the_pace_so_far():
    half_way = Progress(50, 100, 25.0, 50.0, 3.0, 1e6, -70.0)
    assert half_way.seconds_left == 3.0
    assert np.isnan(Progress(0, 100, 0.0, 50.0, 0.1, 0.0, 0.0).seconds_left)


def test_a_result_is_not_overwritten_unless_asked(tmp_path):
    short = make(
        simulation={"duration": "2 ns"},
        recording={"interval": "1 ns", "profile_interval": "1 ns", "positions_interval": "1 ns"},
    )
    simulate(short, tmp_path, threads=1)
    with pytest.raises(RecordingError):
        simulate(short, tmp_path, threads=1)
    assert simulate(short, tmp_path, threads=1, overwrite=True).finished


def test_a_scenario_that_cannot_work_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(StabilityError):
        simulate(
            make(
                simulation={"duration": "100 us", "time_step": "20 ns"},
                recording={"interval": "20 ns", "profile_interval": "20 ns"},
            ),
            tmp_path / "run",
            threads=1,
        )
    assert not (tmp_path / "run").exists()


def test_an_interruption_leaves_a_readable_file_and_is_passed_on(tmp_path, monkeypatch):
    from mc.engines.brownian.engine import BrownianEngine

    advance = BrownianEngine.advance

    def interrupted(engine, n_steps):
        if engine.step >= 40:
            raise KeyboardInterrupt
        return advance(engine, n_steps)

    monkeypatch.setattr(BrownianEngine, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate(make(), tmp_path, threads=1)
    recording = Recording(tmp_path)
    assert not recording.finished
    assert "interrupt" in recording.stop_reason
    assert recording.time[-1] == 20.0


def make_lattice():
    """Return the small scenario on the lattice, with records that come every few steps."""
    return make(
        simulation={"engine": "lattice", "duration": "500 ns"}, recording={"positions_interval": "7 ns"}
    )


def contents(folder):
    """Return all datasets of a run by name."""
    with h5py.File(folder / "run.h5") as file:
        found = {}
        file.visititems(
            lambda name, one: found.update({name: one[()]}) if isinstance(one, h5py.Dataset) else None
        )
    return found


def test_records_are_the_same_looked_at_one_by_one_or_many_in_one_go(tmp_path, monkeypatch):
    goes = []
    watch = LatticeEngine.watch
    monkeypatch.setattr(LatticeEngine, "watch", lambda *given: goes.append(len(given[1])) or watch(*given))
    simulate(make_lattice(), tmp_path / "many", threads=1, checkpoint_at=[300.0]).close()
    assert max(goes) > 10
    monkeypatch.setattr(lattice, "MOST_WATCHED", 1)
    goes.clear()
    simulate(make_lattice(), tmp_path / "one", threads=1, checkpoint_at=[300.0]).close()
    assert not goes
    many, one = contents(tmp_path / "many"), contents(tmp_path / "one")
    assert many.keys() == one.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(many[name], values, err_msg=name)
    assert len(one["series/step"]) == 251
    assert len(one["particles/trajectory/position/step"]) == 73
    assert (tmp_path / "many" / "checkpoint.step-600.npz").exists()
    for folder in ("many", "one"):
        assert Recording(tmp_path / folder).attributes["recording_seconds"] > 0.0


def test_what_was_seen_before_a_number_is_not_finite_is_recorded(tmp_path, monkeypatch):
    """Also where the engine looked at many moments in one go."""
    watch = LatticeEngine.watch

    def spoilt(engine, *how):
        found = watch(engine, *how)
        found.seen.potential[found.seen.step >= 600, 3] = np.nan
        return found

    monkeypatch.setattr(LatticeEngine, "watch", spoilt)
    with pytest.raises(NumericalError, match="at 300 ns the potential along x became nan"):
        simulate(make_lattice(), tmp_path, threads=1)
    recording = Recording(tmp_path)
    assert recording.stop_reason.startswith("NumericalError: at 300 ns")
    np.testing.assert_allclose(recording.time, np.arange(0.0, 299.0, 2.0))


def test_what_was_seen_before_an_ion_is_lost_is_recorded(tmp_path, monkeypatch):
    watch = LatticeEngine.watch

    def spoilt(engine, *how):
        if engine.step >= 600:
            engine.state.counts[0, 0, 0] += 1
        return watch(engine, *how)

    monkeypatch.setattr(LatticeEngine, "watch", spoilt)
    with pytest.raises(LedgerError, match="ions were lost or made"):
        simulate(make_lattice(), tmp_path, threads=1)
    recording = Recording(tmp_path)
    assert recording.time[-1] >= 300.0
    np.testing.assert_allclose(recording.time, 2.0 * np.arange(len(recording.time)))


@pytest.mark.parametrize("arguments", [{"seed": "abc"}, {"seed": -1}, {"seed": 1.5}, {"threads": 0}])
def test_a_slip_in_the_arguments_gets_one_clear_error(tmp_path, arguments):
    with pytest.raises(ScenarioError, match=next(iter(arguments))):
        simulate(make(), tmp_path, **arguments)


def test_a_path_in_place_of_a_scenario_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(ScenarioError, match="read_scenario"):
        simulate("scenario.toml", tmp_path)
