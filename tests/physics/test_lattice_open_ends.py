"""Open far ends on the lattice: reservoirs hold the concentrations of the baths and leave the membrane its charge."""

import numpy as np
import pytest
from lattice_patch import RATIOS, RELAXATION_TIME, THERMAL, make_engine, watch

from mc.analysis.statistics import block_average

INSIDE, OUTSIDE = {"K": 140.0, "Na": 10.0, "Cl": 150.0}, {"K": 20.0, "Na": 130.0, "Cl": 150.0}
PATCH = {"inside": INSIDE, "outside": OUTSIDE, "length": 20.0, "area": 4000.0}


def run(ratio, *, n_records=2000, seed=1, width=None, **patch):
    engine = make_engine(
        seed, ratio * RELAXATION_TIME, width=width, **PATCH | {"grid": {"boundary": "bath"}} | patch
    )
    # A bath of 20 nm follows its far end within some 60 ns.
    settling = max(1, round(200.0 / engine.time_step))
    engine.advance(settling)
    return engine, watch(engine, n_records, max(1, round(10.0 / engine.time_step)))


@pytest.mark.parametrize("ratio", RATIOS)
def test_baths_keep_the_concentrations_of_their_reservoirs(ratio):
    """Each species on each side, without the end voxel that is the reservoir's own; 5 sigma, errors below 1.5 %."""
    engine, observations = run(ratio, n_records=1500)
    centres, widths, _ = engine.cells_along_x()
    inner = (centres > -19.0) & (centres < 23.0)
    for side, solution in enumerate((INSIDE, OUTSIDE)):
        here = inner & ((centres > 0.0) if side else (centres < 0.0))
        for i, name in enumerate(engine.composition.names):
            means = block_average(
                [
                    (one.cell_concentrations[i, here] * widths[here]).sum() / widths[here].sum()
                    for one in observations
                ]
            )
            assert means.standard_error < max(0.015 * solution[name], 0.4)
            assert abs(means.mean - solution[name]) < 5.0 * means.standard_error, (name, side, means)


@pytest.mark.parametrize("width", [None, 40.0], ids=["1D", "2D"])
@pytest.mark.parametrize("ratio", [1.0, 100.0])
def test_reservoirs_leave_a_closed_membrane_its_charge(ratio, width):
    """Exactly, though a hundred thousand ions come and go."""
    engine, observations = run(ratio, n_records=20, width=width)
    assert all(one.charge_separation_potential == 0.0 for one in observations)
    assert all(one.total_charge == 0.0 for one in observations)
    assert observations[-1].exchanged.sum() > 1000
    del engine


@pytest.mark.parametrize("ratio", [1.0, 100.0])
def test_a_leak_between_reservoirs_rests_at_the_nernst_potential(ratio):
    """And stays there, as nothing runs down; standard error below 0.6 mV, 5 sigma."""
    time_step = ratio * RELAXATION_TIME
    leak = {"name": "K", "count": 10, "permeability": {"K": 60.0 / max(time_step, 3.0)}}
    _, observations = run(ratio, n_records=3000, channels=[leak])
    estimate = block_average([one.charge_separation_potential for one in observations])
    nernst = THERMAL * np.log(20.0 / 140.0)
    assert estimate.standard_error < 0.6
    # The charge reads the diffuse layers too, up to 0.7 mV of them.
    assert abs(estimate.mean - nernst) < 5.0 * estimate.standard_error + 0.7, (estimate, nernst)


@pytest.mark.parametrize(("time_step", "permeability"), [(1.0, 0.5), (100.0, 5e-3)])
def test_a_flux_runs_from_reservoir_to_reservoir(time_step, permeability):
    """A tracer through pores of permeability P a nm2 and two baths: c D/(L_in + L_out + D/P) a nm2 and time; 5 sigma.

    In steps of 2 and of 20 nm, the second as long as the baths.
    """
    length, diffusion, n_steps = 20.0, 2.0, 20_000
    engine = make_engine(
        4,
        time_step,
        clamped_potential=0.0,
        species={"tracer": {"valence": 1, "diffusion_coefficient": diffusion}},
        inside={"tracer": 150.0, "Cl": 150.0},
        outside={"K": 150.0, "Cl": 150.0},
        channels=[{"name": "pore", "count": 1, "permeability": {"tracer": permeability * 4000.0}}],
        area=4000.0,
        length=length,
        grid={"boundary": "bath"},
    )
    engine.advance(1000)
    before = engine.observe().crossings[0, 0]
    engine.advance(n_steps)
    after = engine.observe().crossings[0, 0]
    net = (after[0] - before[0]) - (after[1] - before[1])
    resistance = 2.0 * length + diffusion / permeability
    density = 150.0 * engine.state.box.ions_per_volume
    expected = n_steps * time_step * 4000.0 * density * diffusion / resistance
    assert expected > 100_000
    # Many come and go: what goes through is a Poisson number, what is counted at the membrane at any time more.
    error = np.sqrt(2.0 * expected)
    assert abs(net - expected) < 5.0 * error, (net, expected)
    # An end that acts half a step's length farther out would be noticed.
    farther = np.sqrt(2.0 * diffusion * time_step)
    assert abs(net - expected * resistance / (resistance + farther)) > 10.0 * error
