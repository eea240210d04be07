"""What a protocol does to the engine: clamps, drugs, ligands, other solutions; and electrodes."""

import numpy as np
import pytest
from small_membrane import TABLES

from mc.engines.brownian.engine import BrownianEngine
from mc.errors import StabilityError
from mc.scenario.schema import Scenario

WIDE = {
    "dimensions": 2,
    "width": "64 nm",
    "depth": "32 nm",
    "inside_length": "8 nm",
    "outside_length": "12 nm",
}


def make_engine(**changes):
    return BrownianEngine(Scenario.model_validate(TABLES | changes), 1, 0.5, 1)


def charge_balance(engine):
    """Return the charge on the membrane, that which was injected, displaced and pumped outward, all in e."""
    now = engine.observe()
    capacitance = engine.state.box.grid.membrane_capacitance
    on_membrane = now.charge_separation_potential * capacitance
    pumped = now.pump_cycles[:, 0].sum() - now.pump_cycles[:, 1].sum()
    return on_membrane, now.injected_charge, now.displaced_charge.sum(), pumped


@pytest.mark.parametrize("geometry", [TABLES["geometry"], WIDE], ids=["1D", "2D"])
def test_charge_injected_is_charge_on_the_membrane_plus_charge_that_left(geometry):
    """A step, a ramp and a current, with channels that gate and pumps at work: to the last elementary charge."""
    engine = make_engine(
        geometry=geometry,
        protocol={
            "voltage": [
                {"stop": "20 ns", "potential": "-60 mV"},
                {"start": "20 ns", "stop": "40 ns", "potential": "-60 mV", "end_potential": "60 mV"},
            ],
            "current": [{"start": "50 ns", "stop": "80 ns", "current": "0.2 nA"}],
        },
    )
    capacitance = engine.state.box.grid.membrane_capacitance
    moved = []
    while engine.step < 200:
        engine.advance(2)
        on_membrane, injected, displaced, pumped = charge_balance(engine)
        assert on_membrane + displaced + pumped - injected == pytest.approx(0.0, abs=1e-9)
        command = engine.observe().command_potential
        if np.isfinite(command):
            # What ions in pores displace in a fraction is not made up for: half a charge each way.
            assert abs(on_membrane - command * capacitance) <= 0.5 + 1e-9
        moved.append(injected)
    assert moved[39] != 0
    # 0.2 nA for 30 ns are 37.4 e.
    assert moved[79] - moved[49] == 37
    assert moved[-1] == moved[79]


def test_a_clamp_carries_its_current_with_the_ion_that_it_is_told():
    engine = make_engine(
        protocol={"carrier": "Cl", "current": [{"stop": "20 ns", "current": "0.5 nA"}]}, channels=[], pumps=[]
    )
    before = engine.observe()
    engine.advance(60)
    now = engine.observe()
    chloride = engine.composition.names.index("Cl")
    change = now.ions[:, 0] - before.ions[:, 0]
    assert change[chloride] == -now.injected_charge == -62
    assert np.count_nonzero(change) == 1


def test_an_electrode_without_ions_stops_the_run_with_a_remedy():
    engine = make_engine(protocol={"carrier": "Cl", "current": [{"current": "10 nA"}]}, channels=[], pumps=[])
    with pytest.raises(StabilityError, match="no more Cl to carry their current: take larger baths"):
        engine.advance(200)


def test_a_drug_blocks_its_share_and_lets_go_again():
    engine = make_engine(
        protocol={
            "blocks": [
                {"protein": "Cl leak", "start": "10 ns", "stop": "20 ns", "fraction": 0.7},
                {"protein": "Na/K-ATPase", "start": "10 ns", "stop": "60 ns"},
            ]
        }
    )
    counts, cycles = [], []
    for _ in range(7):
        engine.advance(20)
        now = engine.observe()
        counts.append(now.open_channels[1])
        cycles.append(now.pump_cycles[0, 0])
    assert counts == [30, 9, 30, 30, 30, 30, 30]
    assert cycles[0] > 0
    assert cycles[0] == cycles[5] < cycles[6]


def test_ligands_open_channels_while_they_are_there():
    gating = {
        "states": ["shut", "open"],
        "open": ["open"],
        "rates": {
            "shut->open": {"rate": "1 /ns", "ligand": "GABA", "per_concentration": "1 mM"},
            "open->shut": "1 /ns",
        },
    }
    engine = make_engine(
        channels=[{"name": "GABA-A", "count": 400, "permeability": {"Cl": "1e-6 nm^3/ns"}, "gating": gating}],
        pumps=[],
        protocol={"ligands": [{"name": "GABA", "start": "10 ns", "stop": "20 ns", "concentration": "3 mM"}]},
    )
    counts = []
    for _ in range(6):
        engine.advance(10)
        counts.append(engine.observe().open_channels[0])
    assert counts[0] == counts[1] == 0
    # Three of four: 300 with a standard deviation of 8.7.
    assert abs(counts[3] - 300) < 5 * 8.7
    assert counts[5] < 20


def test_gates_bind_the_ions_beside_them():
    """Half a channel's calcium at 2 mM outside, none inside: the gate that binds it outside opens alone."""

    def channel(name, side):
        rates = {
            "shut->open": {"rate": "1 /ns", "ligand": "Ca", "side": side, "per_concentration": "1 mM"},
            "open->shut": "1 /ns",
        }
        gating = {"states": ["shut", "open"], "open": ["open"], "rates": rates}
        return {"name": name, "count": 400, "permeability": {"Cl": "1e-6 nm^3/ns"}, "gating": gating}

    for geometry in (TABLES["geometry"], WIDE):
        engine = make_engine(
            geometry=geometry, channels=[channel("in", "inside"), channel("out", "outside")], pumps=[]
        )
        engine.advance(40)
        inner, outer = engine.observe().open_channels
        assert inner == 0
        assert outer > 100
    # In the plane it takes a table of its own to know them, which only what is sensed has.
    is_weighed = engine.state.plane.tables.weighed > 0
    assert [name for name, one in zip(engine.composition.names, is_weighed, strict=True) if one] == ["Ca"]


def test_substates_have_their_own_permeability_and_are_counted_as_open():
    gating = {
        "states": ["shut", "half", "full"],
        "open": ["half", "full"],
        "rates": {
            "shut->half": "1 /ns",
            "half->full": "1 /ns",
            "full->half": "1 /ns",
            "half->shut": "1 /ns",
        },
    }
    engine = make_engine(
        channels=[
            {
                "name": "K",
                "count": 300,
                "permeability": {"K": "0.01 nm^3/ns", "Na": "0.004 nm^3/ns"},
                "gating": gating,
                "substates": {"half": {"K": 0.25}},
            }
        ],
        pumps=[],
    )
    engine.advance(20)
    now = engine.observe()
    shut, half, full = now.states[0]
    assert min(shut, half, full) > 50
    assert now.open_channels[0] == half + full
    names = engine.composition.names
    assert now.permeability[names.index("K")] == pytest.approx(0.01 * (full + 0.25 * half))
    assert now.permeability[names.index("Na")] == pytest.approx(0.004 * (full + half))


def test_another_solution_fills_the_reservoir_and_flows_in():
    engine = make_engine(
        geometry=TABLES["geometry"] | {"boundary": "bath"},
        channels=[],
        pumps=[],
        protocol={"solutions": [{"start": "20 ns", "concentrations": {"K": "100 mM", "Na": "50 mM"}}]},
    )
    names = engine.composition.names
    engine.advance(38)
    before = engine.observe()
    for _ in range(4):
        engine.advance(100)
    now = engine.observe()
    potassium, sodium = names.index("K"), names.index("Na")
    # 1.2 ions for each mM: 24 and 156 to 120 and 60, each with the spread of a Poisson number.
    per_millimolar = 2000.0 * 12.0 * 6.02214076e-4
    assert before.ions[potassium, 1] == pytest.approx(
        20 * per_millimolar, abs=5 * np.sqrt(20 * per_millimolar)
    )
    assert now.ions[potassium, 1] == pytest.approx(
        100 * per_millimolar, abs=5 * np.sqrt(100 * per_millimolar)
    )
    assert now.ions[sodium, 1] == pytest.approx(50 * per_millimolar, abs=5 * np.sqrt(50 * per_millimolar))
    assert now.total_charge == 0.0


def test_an_electrode_reads_the_potential_where_it_is():
    engine = make_engine(
        electrodes=[
            {"name": "deep", "inside": "7.9 nm", "outside": "11.9 nm"},
            {"name": "near", "inside": "0.01 nm", "outside": "0.01 nm"},
        ]
    )
    engine.advance(100)
    now = engine.observe()
    spacing = engine.state.box.grid.spacing
    inner, outer = np.split(now.potential, 2)
    for reading, inside, outside in zip(now.electrodes, (7.9, 0.01), (11.9, 0.01), strict=True):
        nodes = np.arange(inner.size) * spacing
        assert reading == pytest.approx(
            np.interp(inside, nodes, inner[::-1]) - np.interp(outside, nodes, outer)
        )
    assert now.electrodes[1] == pytest.approx(now.field_potential_drop, abs=1.0)


def test_an_electrode_in_the_plane_reads_at_its_place():
    engine = make_engine(
        geometry=WIDE,
        electrodes=[
            {"name": "point", "inside": "2 nm", "outside": "2 nm", "y": "16 nm", "reference_y": "48.5 nm"},
            {"name": "mean", "inside": "2 nm", "outside": "2 nm"},
        ],
    )
    engine.advance(100)
    now, spacing = engine.observe(), engine.state.box.grid.spacing
    maps = now.maps.potential
    row, column_spacing = 2.0 / spacing, 64.0 / maps.shape[1]
    half = maps.shape[0] // 2

    def at(side, y):
        rows = maps[:half][::-1] if side == 0 else maps[half:]
        low = int(row)
        along = rows[low] + (row - low) * (rows[low + 1] - rows[low])
        k = y / column_spacing
        return along[int(k)] + (k - int(k)) * (along[int(k) + 1] - along[int(k)])

    assert now.electrodes[0] == pytest.approx(at(0, 16.0) - at(1, 48.5))
    mean_in, mean_out = maps[:half][::-1].mean(axis=1), maps[half:].mean(axis=1)
    nodes = np.arange(half) * spacing
    assert now.electrodes[1] == pytest.approx(
        np.interp(2.0, nodes, mean_in) - np.interp(2.0, nodes, mean_out)
    )
