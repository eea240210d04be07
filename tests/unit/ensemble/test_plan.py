"""The plan of a sweep: points, seeds, folders, and what makes it another one."""

import json
import shlex
from dataclasses import replace

import pytest

from mc.ensemble.plan import (
    Replica,
    find_differences,
    folder_of,
    make_plan,
    plan_of,
    read_plan,
    write_plan,
)
from mc.errors import ScenarioError, SweepError
from mc.scenario.reading import read_scenario
from mc.scenario.schema import Scenario
from mc.scenario.sweeps import Sweep

SCENARIO = """\
title = "Small"
[simulation]
duration = "2 us"
engine = "lattice"
[geometry]
area = "0.01 um^2"
inside_length = "20 nm"
outside_length = "30 nm"
[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"
[inside]
K = "140 mM"
Cl = "10 mM"
[outside]
K = "5 mM"
Na = "145 mM"
Cl = "115 mM"
[[channels]]
name = "K leak"
count = 100
permeability = { K = "0.037 nm^3/ns" }
"""


@pytest.fixture
def scenario_file(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SCENARIO)
    return path


def make(path, *overrides, values=("3 mM", "30 mM"), key="outside.K", replicas=2, seed=7):
    sweep = Sweep(vary=({"key": key, "values": values},), replicas=replicas)
    return make_plan(read_scenario(path, overrides), sweep, seed)


def test_every_point_has_its_own_scenario_and_every_run_its_own_seed_and_folder(scenario_file):
    plan = make(scenario_file, "simulation.duration=3 us")
    assert [plan.scenario(point).outside["K"] for point in range(2)] == [3.0, 30.0]
    assert plan.scenario(0).simulation.duration == 3000.0
    runs = list(plan.runs)
    assert runs == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert len({plan.seed_of(run) for run in runs}) == len({folder_of(run) for run in runs}) == 4


def test_seeds_follow_from_root_point_and_replica_alone(scenario_file):
    """The same numbers for ever: numpy promises that SeedSequence does not change."""
    plan, longer = make(scenario_file), make(scenario_file, "simulation.duration=9 us", replicas=50)
    run = Replica(1, 1)
    assert plan.seed_of(run) == longer.seed_of(run) == 178759216615823961
    assert plan.seed_of(run) != make(scenario_file, seed=8).seed_of(run)
    assert 0 <= plan.seed_of(run) < 2**63


def test_the_root_seed_is_the_given_one_or_the_scenarios_or_drawn(scenario_file):
    with_own = "simulation.seed=3"
    assert make(scenario_file, with_own, seed=5).seed == 5
    assert make(scenario_file, with_own, seed=None).seed == 3
    assert make(scenario_file, seed=None).seed != make(scenario_file, seed=None).seed


def test_the_command_repeats_the_run(scenario_file):
    plan = make(scenario_file, "simulation.duration=3 us")
    program, command, path, *options = shlex.split(plan.command_of(Replica(1, 0)))
    assert (program, command) == ("ionmc", "run")
    seed = options.pop()
    assert seed == f"--seed={plan.seed_of(Replica(1, 0))}"
    scenario = read_scenario(path, [option.removeprefix("--set=") for option in options])
    assert scenario == plan.scenario(1)


def test_a_value_that_cannot_be_read_is_told_before_anything_runs(scenario_file):
    with pytest.raises(ScenarioError) as caught:
        make(scenario_file, values=("3 mV", "3 mM", "-1 mM"))
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("--vary outside.K=3 mV: outside.K: expected a concentration")
    assert lines[1].startswith("--vary outside.K=-1 mM")


def test_a_scenario_without_a_file_is_refused(scenario_file):
    scenario = Scenario.from_json(read_scenario(scenario_file).to_json())
    with pytest.raises(ScenarioError, match="read from a file"):
        make_plan(scenario, Sweep())


def test_a_plan_survives_its_file_and_is_known_by_its_fingerprint(scenario_file, tmp_path):
    plan = make(scenario_file)
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path) == plan
    assert plan_of(str(tmp_path), plan.fingerprint) == plan
    assert replace(plan, replicas=9).fingerprint == plan.fingerprint
    assert replace(plan, seed=9).fingerprint != plan.fingerprint
    with pytest.raises(SweepError, match="holds another sweep"):
        plan_of(str(tmp_path), "another")


@pytest.mark.parametrize("content", ["", "{}", '{"format": "x", "format_version": 1}', "[1]"])
def test_a_plan_that_is_none_is_told(tmp_path, content):
    with pytest.raises(SweepError, match="holds no sweep"):
        read_plan(tmp_path)
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(SweepError, match=r"sweep\.json"):
        read_plan(tmp_path)


def test_another_sweep_is_told_apart_and_remarks_and_replicas_make_no_other(scenario_file):
    plan = make(scenario_file)
    scenario_file.write_text("# a remark\n" + SCENARIO)
    assert find_differences(plan, make(scenario_file, replicas=5)) == []
    for other, difference in (
        (make(scenario_file, seed=8), "seed there: 7; here: 8"),
        (
            make(scenario_file, values=("3 mM", "20 mM")),
            "outside.K there: 3 mM, 30 mM; here: 3 mM, 20 mM",
        ),
        (make(scenario_file, key="inside.K"), "varied there: outside.K; here: inside.K"),
        (
            make(scenario_file, "simulation.duration=3 us"),
            "simulation.duration there: 2000.0; here: 3000.0",
        ),
        (make(scenario_file, 'channels."K leak".count=7'), "channels.0.count there: 100; here: 7"),
    ):
        assert difference in find_differences(plan, other), json.dumps(find_differences(plan, other))
