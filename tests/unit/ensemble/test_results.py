"""The numbers of the table: means and errors between replicas, theory, chances."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from mc.ensemble.plan import Replica, SweepPlan, folder_of
from mc.ensemble.results import chance_of, make_table, measure

POTENTIALS = [-70.5, -69.0, -71.5]


def summary(potential=-70.0, **changes):
    """What summary.json holds of a run, as far as the table asks for it."""
    content = {
        "engine": "lattice",
        "has_noise": True,
        "free": True,
        "long_enough": True,
        "settled": True,
        "independent_samples": 50.0,
        "membrane_potential_mV": {"mean": potential, "standard_error": 0.7},
        "ghk_potential_with_pump_mV": {"mean": -70.2, "standard_error": 0.1},
        "difference_with_pump_mV": {"mean": potential + 70.2, "standard_error": 0.6},
        "standard_deviation_mV": {"mean": 5.0, "standard_error": 0.5},
        "charge_separation_standard_deviation_mV": 4.5,
        "capacitance_noise_mV": 4.63,
        "reversal_potential_mV": {"K": -89.0, "Na": None, "Cl": -66.0},
        "permeability_nm3_per_ns": {"K": 14.8, "Na": 0.6, "Cl": 0.0},
        "pump_cycles": {},
        "pump_current_e_per_ns": 0.0,
    }
    return {**content, **changes}


@pytest.fixture
def write(tmp_path):
    """Return a function that marks runs as finished with their summaries and returns folder and plan."""

    def write_summaries(summaries, points=(("3 mM",), ("500 uM",)), replicas=3):
        plan = SweepPlan("s.toml", "", (), ("outside.K",), points, replicas, 7)
        for run, content in summaries.items():
            folder = tmp_path / folder_of(Replica(*run))
            folder.mkdir(parents=True)
            (folder / "summary.json").write_text(json.dumps(content))
            (folder / ".done").touch()
        return tmp_path, plan

    return write_summaries


def test_replicas_give_the_mean_and_the_error_between_them(write):
    folder, plan = write({(0, i): summary(potential) for i, potential in enumerate(POTENTIALS)})
    rows = make_table(folder, plan, "", paired=False).of("membrane_potential")
    error = np.std(POTENTIALS, ddof=1) / math.sqrt(3)
    difference = np.mean(POTENTIALS) + 70.2
    assert rows["mean"][0] == pytest.approx(np.mean(POTENTIALS))
    assert rows["standard_error"][0] == pytest.approx(error)
    assert rows["standard_error_from"].tolist() == ["between replicas", ""]
    assert rows["runs"].tolist() == [3, 0]
    assert rows["n_effective"].tolist() == [150.0, 0.0]
    assert rows["theory"][0] == pytest.approx(-70.2)
    assert rows["difference_in_standard_errors"][0] == pytest.approx(difference / error)
    expected = stats.ttest_1samp(np.array(POTENTIALS) + 70.2, 0.0).pvalue
    assert rows["probability"][0] == pytest.approx(expected)
    assert math.isnan(rows["mean"][1])


def test_a_single_run_has_its_own_error_and_says_so(write):
    folder, plan = write({(0, 0): summary(-71.4)}, replicas=1)
    rows = make_table(folder, plan, "", paired=False).of("membrane_potential")
    assert rows["standard_error"][0] == 0.7
    assert rows["standard_error_from"][0] == "within the run"
    assert rows["difference_in_standard_errors"][0] == pytest.approx(-1.2 / 0.6)
    assert rows["probability"][0] == pytest.approx(2 * stats.norm.sf(2.0))


def test_only_finished_runs_count(write):
    folder, plan = write({(0, i): summary(potential) for i, potential in enumerate(POTENTIALS)})
    (folder / folder_of(Replica(0, 1)) / ".done").unlink()
    rows = make_table(folder, plan, "", paired=False).of("membrane_potential")
    assert rows["runs"][0] == 2
    assert rows["mean"][0] == pytest.approx(-71.0)


def test_values_are_numbers_in_the_unit_of_the_first(write):
    folder, plan = write({(0, 0): summary()})
    (parameter,) = make_table(folder, plan, "", paired=False).parameters
    assert parameter.label == "outside.K (mM)"
    np.testing.assert_allclose(parameter.numbers, [3.0, 0.5])
    folder, plan = write({(1, 0): summary()}, points=(("lattice",), ("brownian",)))
    (parameter,) = make_table(folder, plan, "", paired=False).parameters
    assert not parameter.is_number
    assert parameter.texts == ("lattice", "brownian")


def test_noise_is_freed_of_the_bias_of_its_own_mean():
    """Samples of variance 1 about their own mean: the square of what is told is 1 on average."""
    generator = np.random.default_rng(3)
    deviations = generator.standard_normal((20_000, 5)).std(axis=1)
    squares = [
        measure(summary(independent_samples=5.0, charge_separation_standard_deviation_mV=one))["noise"].value
        ** 2
        for one in deviations
    ]
    error = np.std(squares) / math.sqrt(len(squares))
    # Five standard errors: a false alarm in two million.
    assert abs(np.mean(squares) - 1.0) < 5 * error
    assert abs(np.mean(deviations**2) - 1.0) > 5 * error


def test_under_a_protocol_there_is_no_verdict():
    found = measure(summary(free=False))
    assert found["membrane_potential"].value == -70.0
    assert math.isnan(found["membrane_potential"].difference)
    assert math.isnan(found["noise"].value)


def test_the_continuum_has_no_noise_and_leaves_nothing_to_chance(write):
    folder, plan = write({(0, i): summary(engine="continuum", has_noise=False) for i in range(2)})
    table = make_table(folder, plan, "", paired=False)
    rows = table.of("membrane_potential")
    assert rows["difference"][0] == pytest.approx(0.2)
    assert rows["standard_error"][0] == 0.0
    assert math.isnan(rows["difference_in_standard_errors"][0])
    assert math.isnan(rows["probability"][0])
    assert table.of("noise")["runs"].tolist() == [0, 0]


def test_reversal_potentials_are_those_of_permeant_ions_and_pumps_have_a_current():
    found = measure(summary(pump_cycles={"Na/K-ATPase": 12}, pump_current_e_per_ns=0.3))
    assert [name for name in found if name.startswith("reversal")] == ["reversal_potential.K"]
    assert found["pump_current"].value == 0.3


def test_short_runs_are_counted(write):
    folder, plan = write(
        {(0, 0): summary(), (0, 1): summary(settled=False), (0, 2): summary(long_enough=False)}
    )
    assert make_table(folder, plan, "", paired=False).of("membrane_potential")["short_runs"][0] == 2


def test_three_standard_errors_of_three_replicas_are_not_rare():
    assert chance_of(3.0, 3) == pytest.approx(2 * stats.t.sf(3.0, 2))
    assert chance_of(3.0, 3) > 0.09
    assert chance_of(3.0, 1) < 0.003
    assert math.isnan(chance_of(math.nan, 4))


def test_a_failure_is_kept_with_the_command_that_repeats_it(write):
    folder, plan = write({(0, 0): summary()})
    table = make_table(folder, plan, "", paired=False, failures={Replica(1, 2): "too short"})
    (failure,) = table.failures
    assert failure[:3] == (1, 2, "too short")
    assert failure.command == plan.command_of(Replica(1, 2))
