"""Every scenario that is shipped can be checked and takes its first steps."""

import re
from pathlib import Path

import pytest

from mc.scenario.advice import advise
from mc.scenario.reading import read_scenario
from mc.scenario.time_steps import resolve_time_step
from mc.simulation import simulate

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_shipped_scenario_says_what_to_expect_and_takes_a_few_steps(path, tmp_path):
    scenario = read_scenario(path)
    assert scenario.title
    opening = path.read_text(encoding="utf-8").split("[simulation]")[0]
    assert re.search(r"\d (mV|mM|pA|us)\b", opening), "the first lines promise no number"
    advise(scenario).raise_refusals()
    time_step = resolve_time_step(scenario)
    # What a protocol does later than that is left out; recording intervals follow the duration.
    short = read_scenario(
        path,
        [
            f"simulation.duration={5 * time_step} ns",
            *(f"protocol.{key}=[]" for key in ("voltage", "current", "solutions", "blocks")),
            *(
                f"recording.{key}={time_step} ns"
                for key in scenario.recording.model_fields_set
                if "interval" in key
            ),
        ],
    )
    recording = simulate(short, tmp_path, threads=1)
    assert recording.finished
    assert recording["ledger_charge"].tolist() == [0.0] * len(recording.time)
