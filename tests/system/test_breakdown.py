"""A run whose numbers overflow or turn into none stops with the time, the quantity, a cause, its last good state."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from small_run import write_scenario

import mc
from mc.cli import cli
from mc.engines.brownian.engine import BrownianEngine
from mc.engines.lattice.engine import LatticeEngine
from mc.errors import LedgerError, NumericalError
from mc.lineage import branch
from mc.simulation import check_numbers

ENGINES = {"brownian": BrownianEngine, "lattice": LatticeEngine}
LAST_GOOD = 9_000


def break_down(monkeypatch, engine, **spoilt):
    """Let an engine's observations be spoilt after some steps."""
    observe = ENGINES[engine].observe

    def spoilt_observe(self, *arguments):
        found = observe(self, *arguments)
        return replace(found, **spoilt) if found.step > LAST_GOOD else found

    monkeypatch.setattr(ENGINES[engine], "observe", spoilt_observe)
    # A run looks once at a time, and the state is remembered at every record.
    monkeypatch.setattr(ENGINES[engine], "most_watched", 1)
    monkeypatch.setattr("mc.simulation.MEMORY_INTERVAL", 0.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_run_stops_and_says_when_what_and_why(tmp_path, monkeypatch, engine):
    path = write_scenario(tmp_path, engine)
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        break_down(patch, engine, membrane_potential=float("nan"))
        command = ["run", str(path), "--output", str(folder), "--threads", "1", "--no-figures", "--no-report"]
        result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if "error" in line]
    assert "at 9030 ns the membrane potential became nan; a likely cause is" in line
    assert f'ionmc branch {folder} --at "9000 ns"' in line
    with mc.Recording(folder) as recording:
        assert not recording.finished
        assert recording.stop_reason.startswith("NumericalError: at 9030 ns")
        assert recording.step[-1] == 8995
        assert np.all(np.isfinite(recording["membrane_potential"]))
    # From the state that was kept the experiment goes on: nothing is repeated.
    told = []
    with branch(
        folder, tmp_path / "branch", at=9_000.0, seed=6, threads=1, on_change=told.append
    ) as recording:
        assert recording.finished
        assert recording.step[0] == LAST_GOOD
    assert not any("repeating" in line for line in told)


def test_other_breakdowns_keep_the_last_good_state_too(tmp_path, monkeypatch):
    observe = LatticeEngine.observe

    def losing_observe(self, *arguments):
        if self.step > LAST_GOOD:
            raise LedgerError("ions were lost")
        return observe(self, *arguments)

    scenario = mc.read_scenario(write_scenario(tmp_path, "lattice"))
    monkeypatch.setattr(LatticeEngine, "observe", losing_observe)
    with pytest.raises(LedgerError, match=r"ions were lost\. The state at .* is kept"):
        mc.simulate(scenario, tmp_path / "run", threads=1)
    assert list((tmp_path / "run").glob("checkpoint.step-*.npz"))


@pytest.fixture(scope="module")
def observation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lattice")
    return LatticeEngine(mc.read_scenario(write_scenario(folder, "lattice")), 1, 1.0).observe()


def test_a_good_observation_passes(observation):
    check_numbers(observation, 0.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("field", "quantity"),
    [
        ("charge_separation_potential", "charge on the membrane"),
        ("field_potential_drop", "drop across the membrane"),
        ("potential", "potential along x"),
        ("electrodes", "potential at the electrodes"),
        ("bulk_concentrations", "concentrations in the bulk"),
        ("cell_concentrations", "concentrations along x"),
        ("permeability", "permeability"),
        ("displaced_charge", "charge through the channels"),
        ("total_charge", "total charge"),
    ],
)
def test_one_number_that_is_none_is_enough(observation, field, quantity, value):
    good = getattr(observation, field)
    spoilt = value
    if isinstance(good, np.ndarray):
        spoilt = good.astype(float)
        spoilt.flat[-1] = value
    with pytest.raises(NumericalError, match=rf"at 7 ns the {quantity} became {value}; a likely cause is"):
        check_numbers(replace(observation, **{field: spoilt}), 7.0)
