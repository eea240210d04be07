"""Diffusion on the lattice: profiles level as fast as Fick says, one salt's ions together, at any time step."""

import numpy as np
import pytest
from lattice_patch import RATIOS, RELAXATION_TIME, make_engine

from mc import theory

LENGTH, VOXELS = 100.0, 40
AREA = 1e6
PATCH = {
    "inside": {"K": 150.0, "Cl": 150.0},
    "outside": {"K": 150.0, "Cl": 150.0},
    "area": AREA,
    "length": LENGTH,
    "grid": {"grid_spacing": LENGTH / VOXELS},
}


def put_wave(engine, amplitude):
    """Let the concentrations inside vary as 1 + amplitude cos(pi x/L), neutral everywhere."""
    counts, box = engine.state.counts, engine.state.box
    rows = slice(0, int(box.voxels.n_voxels[0]))
    distances = np.arange(rows.stop) * box.grid.spacing
    for species in range(len(counts)):
        total = counts[species, rows].sum()
        shares = box.voxels.widths[rows] * (1.0 + amplitude * np.cos(np.pi * distances / distances[-1]))
        ions = np.floor(total * shares / shares.sum()).astype(np.int64)
        ions[1] += total - ions.sum()
        counts[species, rows, 0] = ions


def wave(engine, species):
    """Return the amplitude of that wave."""
    box = engine.state.box
    rows = slice(0, int(box.voxels.n_voxels[0]))
    distances = np.arange(rows.stop) * box.grid.spacing
    ions = engine.state.counts[species, rows, 0]
    return 2.0 * (ions * np.cos(np.pi * distances / distances[-1])).sum() / ions.sum()


def relaxed(ratio, time, clamped_potential, length=LENGTH, ion=0, **changes):
    """Return what is left of the wave after about a time in ns, that time, and the standard error of what is left."""
    time_step = ratio * RELAXATION_TIME
    patch = PATCH | {"length": length, "grid": {"grid_spacing": length / VOXELS}} | changes
    engine = make_engine(1, time_step, clamped_potential=clamped_potential, **patch)
    put_wave(engine, 0.8)
    n_steps = max(1, round(time / time_step))
    start = wave(engine, ion)
    engine.advance(n_steps)
    error = np.sqrt(2.0 / engine.observe().ions[ion, 0])
    return wave(engine, ion) / start, n_steps * time_step, error / start


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_wave_levels_as_fast_as_fick_says(ratio):
    """In a field-free bath: exp(-D (pi/L)^2 t) within 5 sigma and what the voxels leave out, 0.05 % of the rate."""
    left, time, error = relaxed(ratio, 400.0, clamped_potential=0.0)
    exponent = 2.53 * (np.pi / LENGTH) ** 2 * time
    assert error < 1e-3
    assert abs(left - np.exp(-exponent)) < 5.0 * error + 6e-4 * exponent
    # A diffusion coefficient two per cent off would be noticed.
    assert abs(left - np.exp(-0.98 * exponent)) > 5.0 * error + 6e-4 * exponent


FAST, SLOW = 2.5, 0.5
SALT = {
    "species": {
        "slow": {"valence": 1, "diffusion_coefficient": SLOW},
        "fast": {"valence": -1, "diffusion_coefficient": FAST},
    },
    "inside": {"slow": 150.0, "fast": 150.0},
    "outside": {"slow": 150.0, "fast": 150.0},
}


@pytest.mark.parametrize(("ratio", "length"), [(0.1, 100.0), (1.0, 100.0), (100.0, 400.0), (1000.0, 1200.0)])
def test_the_ions_of_a_salt_spread_together(ratio, length):
    """With its field a slow cation and a fast anion level at Nernst and Hartley's common rate; 5 sigma.

    A step in which ions spread by themselves before the field ties them errs by less than its share of the
    relaxation time: the bath is as long as makes that 2 % at most.
    """
    rate = float(theory.nernst_hartley(SLOW, FAST)) * (np.pi / length) ** 2
    assert rate * ratio * RELAXATION_TIME < 0.02
    for species in range(2):
        left, time, error = relaxed(ratio, 0.6 / rate, None, length, species, **SALT)
        allowed = 5.0 * error + (6e-4 + 0.2 * rate * ratio * RELAXATION_TIME) * rate * time
        assert abs(left - np.exp(-rate * time)) < allowed, (species, left, np.exp(-rate * time))
        # Each by itself would have gone much farther, or much less.
        for alone in (SLOW, FAST):
            assert abs(left - np.exp(-alone * (np.pi / length) ** 2 * time)) > 20.0 * allowed


@pytest.mark.parametrize("ratio", RATIOS)
def test_two_compartments_equalise_at_the_rate_of_their_membrane(ratio):
    """P (1/L_in + 1/L_out); a tracer that starts inside, each ion of it inside or not by itself: 5 sigma."""
    time_step, inside_length, outside_length = ratio * RELAXATION_TIME, 8.0, 16.0
    # Slow against diffusion in the baths, to 0.4 %, and over a step: both to 0.1 % of what is left.
    rate = min(1e-3 / time_step, 2e-4)
    permeability = rate / (1.0 / inside_length + 1.0 / outside_length)
    area = 20_000.0
    engine = make_engine(
        1,
        time_step,
        clamped_potential=0.0,
        species={"tracer": {"valence": 1, "diffusion_coefficient": 2.5}},
        inside={"tracer": 150.0, "Cl": 150.0},
        outside={"K": 10.0, "Cl": 10.0},
        channels=[{"name": "pore", "count": 1, "permeability": {"tracer": permeability * area}}],
        area=area,
        length=inside_length,
        outside_length=outside_length,
    )
    n_steps = round(0.8 / rate / time_step)
    total = engine.observe().ions[0].sum()
    engine.advance(n_steps)
    final = inside_length / (inside_length + outside_length)
    for factor, is_right in ((1.0, True), (0.85, False), (1.15, False), (final, False)):
        share = final + (1.0 - final) * np.exp(-factor * rate * n_steps * time_step)
        error = np.sqrt(share * (1.0 - share) / total)
        is_close = abs(engine.observe().ions[0, 0] / total - share) < 5.0 * error + 1e-3
        assert is_close == is_right, (factor, engine.observe().ions[0, 0] / total, share, error)
