"""Two compartments joined by open pores equalise at the rate P (1/L_in + 1/L_out)."""

import numpy as np
import pytest

from mc import theory

AREA, PERMEABILITY, INSIDE_LENGTH, OUTSIDE_LENGTH = 20_000.0, 30.0, 8.0, 16.0
TIMES = (400.0, 1000.0, 2000.0)


@pytest.fixture(scope="module")
def equalising(simulate_patch):
    """A tracer that starts inside; at 0 mV and with open pores, 12,000 ions."""
    return simulate_patch(
        1,
        clamped_potential=0.0,
        species={"tracer": {"valence": 1, "diffusion_coefficient": 2.5}},
        inside={"tracer": 150.0, "Cl": 150.0},
        outside={"K": 10.0, "Cl": 10.0},
        channels=[{"name": "pore", "count": 300, "permeability": {"tracer": PERMEABILITY / 300}}],
        area=AREA,
        length=INSIDE_LENGTH,
        outside_length=OUTSIDE_LENGTH,
        duration=TIMES[-1],
    )


def score(recording, time, rate):
    """Return by how many standard errors the ions left inside differ from relaxation at this rate.

    Each ion is inside or not by itself: binomial.
    """
    inside, outside = (recording[f"ions_{side}.tracer"] for side in ("inside", "outside"))
    total = inside[0]
    final = INSIDE_LENGTH / (INSIDE_LENGTH + OUTSIDE_LENGTH)
    probability = final + (1.0 - final) * np.exp(-rate * time)
    left = np.interp(time, recording.time, inside / (inside + outside))
    return (left - probability) / np.sqrt(probability * (1.0 - probability) / total)


@pytest.mark.parametrize("time", TIMES)
def test_the_relaxation_rate_is_ficks(equalising, time):
    """A rate to 2 %; 5 sigma, a false alarm in 2e-6 of all seeds."""
    rate = theory.two_compartment_relaxation_rate(PERMEABILITY / AREA, INSIDE_LENGTH, OUTSIDE_LENGTH)
    assert abs(score(equalising, time, rate)) < 5.0


@pytest.mark.parametrize("factor", [INSIDE_LENGTH / (INSIDE_LENGTH + OUTSIDE_LENGTH), 2 / 3, 0.85, 1.15])
def test_another_rate_would_be_noticed(equalising, factor):
    """Without the other compartment; with one length for both; wrong by 15 %."""
    rate = theory.two_compartment_relaxation_rate(PERMEABILITY / AREA, INSIDE_LENGTH, OUTSIDE_LENGTH)
    assert max(abs(score(equalising, time, factor * rate)) for time in TIMES) > 5.0
