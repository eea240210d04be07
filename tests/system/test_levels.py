"""Engines side by side: their errors, what counts as a difference, and that a planted one is found and explained."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_ind

from mc.analysis.causes import explain, find_causes, judge
from mc.analysis.levels import (
    Estimate,
    Level,
    compare_levels,
    student_chance,
    welch_degrees_of_freedom,
)
from mc.scenario.schema import Scenario
from mc.simulation import simulate


def make_scenario(engine, **changes):
    """Return a small patch with one gated leak, in internal units."""
    settings = {
        "outside_potassium": 5.0,
        "area": 2e5,
        "count": 400,
        "spacing": 2.5,
        "inside_potassium": 140.0,
    } | changes
    potassium, inside = settings["outside_potassium"], settings["inside_potassium"]
    tables = {
        "title": "Side by side",
        "simulation": {"engine": engine, "duration": 2e4},
        "geometry": {
            "area": settings["area"],
            "inside_length": 25.0,
            "outside_length": 25.0,
            "grid_spacing": settings["spacing"],
        },
        "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
        "inside": {"K": inside, "Cl": 10.0},
        "outside": {"K": potassium, "Na": 150.0 - potassium, "Cl": 120.0},
        "channels": [
            {
                "name": "K leak",
                "count": settings["count"],
                "permeability": {"K": 0.4},
                "gating": {
                    "states": ["closed", "open"],
                    "open": ["open"],
                    "rates": {"closed->open": 1e-3, "open->closed": 1e-3},
                },
            }
        ],
        "recording": {"interval": 50.0, "events": False},
    }
    return Scenario.model_validate(tables, context={"internal_units": True})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function that runs a scenario and returns its level."""
    folder, number = tmp_path_factory.mktemp("levels"), itertools.count()

    def run_level(engine, seeds, **changes):
        scenario, name = make_scenario(engine, **changes), f"{engine}{next(number)}"
        return Level(
            engine,
            tuple(simulate(scenario, folder / f"{name}.{seed}", seed=seed, threads=1) for seed in seeds),
        )

    return run_level


@pytest.fixture(scope="module")
def lattice(run):
    return run("lattice", range(1, 9))


def test_welch_and_student_are_those_of_the_textbook():
    generator = np.random.default_rng(1)
    one, other = generator.normal(0.0, 1.0, 4), generator.normal(1.0, 3.0, 7)
    first, second = (
        Estimate(float(x.mean()), float(x.std(ddof=1) / math.sqrt(x.size)), x.size - 1.0)
        for x in (one, other)
    )
    score = (first.mean - second.mean) / math.hypot(first.standard_error, second.standard_error)
    expected = ttest_ind(one, other, equal_var=False)
    assert score == pytest.approx(expected.statistic)
    assert student_chance(score, welch_degrees_of_freedom(first, second)) == pytest.approx(expected.pvalue)
    assert student_chance(3.0, math.inf) == pytest.approx(2.0 * student.sf(3.0, 1e9), rel=1e-6)
    exact = Estimate(1.0, 0.0, math.inf)
    assert welch_degrees_of_freedom(first, exact) == pytest.approx(3.0)
    assert welch_degrees_of_freedom(exact, exact) == math.inf


def test_the_same_scenario_gives_the_same_potentials_on_two_engines(run, lattice):
    """Eight runs against the mean equations: a false alarm in 0.3 % of all seeds for each of the quantities."""
    comparison = compare_levels([lattice, run("continuum", [1])])
    names = [quantity.name for quantity in comparison.quantities]
    assert {"membrane_potential", "open_fraction.K leak", "crossings_outward.K"} <= set(names)
    by_name = {one.quantity.name: one for one in comparison.differences}
    assert abs(by_name["membrane_potential"].score) < 5.0
    assert not by_name["open_fraction.K leak"].is_real
    potential = comparison.estimates["membrane_potential"]
    assert 0.0 < potential["lattice"].standard_error < 0.5
    assert potential["lattice"].degrees_of_freedom == 7.0
    assert potential["continuum"].standard_error == 0.0
    assert potential["continuum"].mean == pytest.approx(comparison.ghk_potential["continuum"], abs=0.5)
    assert comparison.traces["membrane_potential"]["lattice"].standard_error[50:].min() > 0.0
    [profile] = comparison.profiles
    assert profile.potential < 2.0
    # A third of all records are charging or early rest: over time they agree as often as chance lets them.
    assert by_name["membrane_potential"].share_beyond < 0.1


def test_other_concentrations_on_one_engine_are_found(run, lattice):
    """With 7 mM outside rest is 8 mV higher: real, in potential and concentration, and not in what the gates do."""
    verdict = judge(compare_levels([lattice, run("continuum", [1], outside_potassium=7.0)]))[0]
    differing = {difference.quantity.name for difference, _ in verdict.differing}
    assert {"membrane_potential", "concentration_outside.K"} <= differing
    assert "open_fraction.K leak" in {difference.quantity.name for difference in verdict.agreeing}


def test_a_single_run_has_the_error_of_its_correlated_series(run):
    comparison = compare_levels([run("lattice", [1]), run("continuum", [1])])
    estimate = comparison.estimates["membrane_potential"]["lattice"]
    assert 0.1 < estimate.standard_error < 2.0
    crossed = comparison.estimates["crossings_outward.K"]["lattice"]
    assert crossed.standard_error == pytest.approx(math.sqrt(crossed.mean))
    assert np.isnan(comparison.traces["membrane_potential"]["lattice"].standard_error).all()
    assert all(math.isnan(one.share_beyond) for one in comparison.differences)


def test_reasons_name_what_is_few_and_what_is_not_resolved(run):
    small = {"area": 400.0, "count": 4, "outside_potassium": 3.0}
    few, mean = run("lattice", [1], **small), run("continuum", [1], **small)
    texts = [cause.text for cause in find_causes(few.recordings[0], mean.recordings[0])]
    assert any(text.startswith("few ions: 18 of K outside") for text in texts)
    assert any(text.startswith("correlation: the 4 channels") for text in texts)
    comparison = compare_levels([few, mean])
    by_name = {one.quantity.name: one for one in comparison.differences}
    causes = find_causes(few.recordings[0], mean.recordings[0])
    assert any("double layer" in text for text in explain(by_name["charge_separation_potential"], causes))
    assert not any("double layer" in text for text in explain(by_name["membrane_potential"], causes))


def test_nothing_is_few_in_a_large_patch():
    one, other = (
        SimpleNamespace(
            engine=engine,
            has_noise=engine != "continuum",
            time_step=1.0,
            scenario=make_scenario(engine, area=2e6, count=4000, spacing=0.3, outside_potassium=20.0),
        )
        for engine in ("lattice", "continuum")
    )
    assert not [cause.text for cause in find_causes(one, other) if cause.text.startswith(("few", "double"))]
