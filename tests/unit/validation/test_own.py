import numpy as np
import pytest

from mc.scenario.schema import Scenario
from mc.simulation import simulate
from mc.validation import own
from mc.validation.own import OWN_LAWS, judge


def record(tmp_path, **changes):
    tables = {
        "title": "A patch",
        "simulation": {"duration": 60.0, "time_step": 1.0},
        "geometry": {"area": 400.0, "inside_length": 8.0, "outside_length": 8.0},
        "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
        "inside": {"K": 100.0, "Na": 20.0},
        "outside": {"K": 20.0, "Na": 100.0},
        "recording": {"interval": 2.0, "positions_interval": 60.0},
    } | changes
    scenario = Scenario.model_validate(tables, context={"internal_units": True})
    return simulate(scenario, tmp_path / "run", seed=1, threads=1, overwrite=True)


LEAK = {"name": "leak", "count": 5, "permeability": {"K": 0.5, "Na": 0.1}}
PUMP = {"name": "pump", "count": 20, "turnover": 0.05, "half_saturation": {"Na": 5.0, "K": 5.0}}


def test_what_is_exact_holds_for_channels_and_pumps(tmp_path):
    with record(tmp_path, channels=[LEAK], pumps=[PUMP]) as recording:
        outcomes, reasons = judge(recording)
        assert recording["pump_cycles.pump"][-1] > 3
    found = {one.law: one.checks for one in outcomes}
    assert {"ledger", "charge-balance", "stoichiometry"} <= set(found)
    for name in ("ledger", "charge-balance", "stoichiometry"):
        assert all(check.p_value == 1.0 for check in found[name])
    assert set(found) | set(reasons) == set(OWN_LAWS)
    assert "too short" in reasons["ghk"]
    assert "more than one ion" in reasons["nernst"] or "too short" in reasons["nernst"]


def test_a_lost_ion_or_charge_would_be_noticed(tmp_path):
    with record(tmp_path, channels=[LEAK]) as recording:
        values = recording.values.copy()
        for column, law in (("ions_inside.K", "ledger"), ("charge_separation_potential", "charge-balance")):
            recording.values[:] = values
            recording.values[5:, recording.columns.index(column)] += 1.0
            assert OWN_LAWS[law].compare(recording)[0 if law != "ledger" else 1].p_value == 0.0


def test_a_cycle_that_moves_another_number_would_be_noticed(tmp_path):
    with record(tmp_path, channels=[LEAK], pumps=[PUMP]) as recording:
        moves = recording.pump_moves
        keep = np.arange(len(moves["ion"])) != 0
        recording.__dict__["pump_moves"] = {name: column[keep] for name, column in moves.items()}
        assert OWN_LAWS["stoichiometry"].compare(recording)[0].measured == 1.0


def test_a_run_without_pumps_or_with_a_protocol_says_so(tmp_path):
    protocol = {"voltage": [{"start": 0.0, "potential": -40.0}]}
    with record(tmp_path, channels=[LEAK], protocol=protocol) as recording:
        reasons = judge(recording)[1]
    assert reasons["stoichiometry"] == "there are no pumps or transporters"
    assert reasons["nernst"] == "a protocol acts on the membrane"


def test_diffuse_layers_count_as_the_step_resolves_them(tmp_path):
    with record(tmp_path) as recording:
        assert own._slab_share(recording) == pytest.approx(0.985, abs=0.005)
