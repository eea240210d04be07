"""A channel more permeable than the way to it: its current saturates, at the resistance of the baths to its mouths.

At 0 mV two tracers go through one pore against each other. In series with it, 1/p, are on each side the half plane
between the strip of its mouth and the far end, whose concentration is held. The particles know of no resistance.

Ions come out anywhere in the mouth alike, so its net flux is uniform, but for one thing: of those that enter to the
mouth depth most come back, and so stir the mouth. With kappa w/D = 3.75 that takes a quarter off the difference to a
mouth of one concentration, which resists 4 % less (from the integral equation of such a mouth); with less, less.

An ion does not enter again in the step in which it came out. Of the entries that lack for it, 4/(3 sqrt(pi)) kappa
sqrt(dt/D), the share 0.4 of the mouth depth in the pore would have crossed, and as large a share of those that lack
on the other side would have come back: a fifth of it is missing in the net flux, 0.4 % of all resistance at 5 ps.
"""

import numpy as np
import pytest
from membrane_patch import BODY_TEMPERATURE
from scipy.stats import t as student

from mc import theory
from mc.engines.brownian.engine import BrownianEngine
from mc.scenario.schema import Scenario
from mc.validation.scenarios import lost_entries

MOUTH_WIDTH, MOUTH_DEPTH = 4.0, 1.6
LENGTH, WIDTH, DEPTH = 12.0, 30.0, 20.0
DIFFUSION_COEFFICIENT, CONCENTRATION = 2.0, 300.0
SETTLING = 100.0
"""ns; gradients settle as exp(-t/(30 ns))."""
BLOCKS = 12
FALSE_ALARM = 1e-5
"""Share of all seeds with which one comparison would fail by chance."""


def make_scenario(permeability, time_step):
    tracer = {"valence": 1, "diffusion_coefficient": DIFFUSION_COEFFICIENT}
    # Few ions are needed to balance the tracers; without a field it does not matter where they are.
    balance = {"tetravalent": CONCENTRATION / 4.0}
    tables = {
        "title": "Access",
        "simulation": {"duration": 1000.0, "time_step": time_step, "temperature": BODY_TEMPERATURE},
        "geometry": {
            "dimensions": 2,
            "width": WIDTH,
            "depth": DEPTH,
            "inside_length": LENGTH,
            "outside_length": LENGTH,
            "boundary": "bath",
            "grid_spacing": 1.5,
            "grid_spacing_y": 7.5,
        },
        "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
        "species": {
            "outgoing": tracer,
            "incoming": tracer,
            "tetravalent": {"valence": -4, "diffusion_coefficient": 0.1},
        },
        "inside": {"outgoing": CONCENTRATION} | balance,
        "outside": {"incoming": CONCENTRATION} | balance,
        "channels": [
            {
                "name": "pore",
                "count": 1,
                "permeability": {"outgoing": permeability, "incoming": permeability},
                "pore": {"mouth_width": MOUTH_WIDTH, "mouth_depth": MOUTH_DEPTH},
                "placement": [WIDTH / 2.0],
            }
        ],
    }
    return Scenario.model_validate(tables, context={"internal_units": True})


def measure_current(permeability, time_step, duration, seed, blocks=BLOCKS):
    """Return tracers through the pore per ns and per their density in 1/nm3, nm3/ns, by block: (blocks,)."""
    engine = BrownianEngine(make_scenario(permeability, time_step), seed, time_step, 1, clamped_potential=0.0)
    names = engine.composition.names
    outgoing, incoming = names.index("outgoing"), names.index("incoming")

    def advance(time):
        left = round(time / time_step)
        while left:
            left -= engine.advance(left)
            engine.drain_events()

    def count():
        (outward, inward) = engine.observe().crossings[0].T
        return outward[outgoing] - inward[outgoing] + inward[incoming] - outward[incoming]

    advance(SETTLING)
    counts = [count()]
    for _ in range(blocks):
        advance(duration / blocks)
        counts.append(count())
    density = engine.composition.counts_inside[outgoing] / (LENGTH * WIDTH * DEPTH)
    return np.diff(counts) / (duration / blocks) / (2.0 * density)


def conductance(permeability, mouth="uniform flux", sides=2):
    """Return the conductance of a pore in series with the way to its mouths, nm3/ns."""
    access = theory.strip_access_resistance(
        MOUTH_WIDTH, DIFFUSION_COEFFICIENT, DEPTH, LENGTH, WIDTH, mouth=mouth
    )
    return 1.0 / (1.0 / permeability + sides * access)


def score(currents, expected):
    """Return by how many standard errors the mean of independent currents (blocks,) is above what is expected."""
    return (currents.mean() - expected) / (currents.std(ddof=1) / np.sqrt(len(currents)))


def is_off(currents, expected):
    """Return whether the mean of independent currents (blocks,) is away from what is expected."""
    return abs(score(currents, expected)) > student.isf(FALSE_ALARM / 2.0, len(currents) - 1)


@pytest.fixture(scope="module")
def currents():
    """By permeability in nm3/ns; kappa sqrt(dt/D) is 0.006, 0.019 and 0.094, and 1,000 to 4,500 tracers pass."""
    return {
        0.6: measure_current(0.6, 0.2, 6000.0, seed=1),
        6.0: measure_current(6.0, 0.02, 600.0, seed=2),
        60.0: measure_current(60.0, 0.005, 800.0, seed=3),
    }


@pytest.mark.parametrize("permeability", [0.6, 6.0, 60.0])
def test_pore_and_access_are_in_series(currents, permeability):
    """97, 78 and 26 % of what the pore alone would let through."""
    measured = currents[permeability]
    assert measured.std(ddof=1) / np.sqrt(BLOCKS) < 0.06 * measured.mean()
    assert not is_off(measured, conductance(permeability))


def test_a_hundredfold_permeability_carries_27_times_the_current(currents):
    ratio = currents[60.0].mean() / currents[0.6].mean()
    expected = conductance(60.0) / conductance(0.6)
    assert expected == pytest.approx(27.1, abs=0.1)
    relative = [(one.std(ddof=1) / one.mean()) ** 2 / BLOCKS for one in (currents[0.6], currents[60.0])]
    assert abs(np.log(ratio / expected)) < 5.0 * np.sqrt(sum(relative))


def test_other_laws_would_be_noticed(currents):
    """No access at all; access on one side only, or to whole planes around the mouths: half the resistance."""
    for wrong in (60.0, conductance(60.0, sides=1)):
        assert is_off(currents[60.0], wrong)


@pytest.mark.slow
def test_the_mouth_has_a_uniform_flux_that_is_hardly_stirred():
    """57,000 tracers, to half a per cent, with what the time step loses; one concentration is rejected.

    3 standard errors either way.
    """
    permeability, time_step = 60.0, 0.005
    currents = measure_current(permeability, time_step, 10_000.0, seed=4, blocks=40)
    velocity = permeability * 4.0 / (MOUTH_WIDTH * DEPTH * MOUTH_DEPTH)
    lost = (1.0 - 2.0 * MOUTH_DEPTH / 4.0) * lost_entries(velocity, DIFFUSION_COEFFICIENT, time_step)
    stirring = velocity * MOUTH_WIDTH / DIFFUSION_COEFFICIENT
    uniform, one_concentration = (
        conductance(permeability / (1.0 + lost), mouth) for mouth in ("uniform flux", "uniform concentration")
    )
    less = 2.0 * (1.5 - theory.stirred_mouth(stirring)) / (np.pi * DIFFUSION_COEFFICIENT * DEPTH)
    stirred = 1.0 / (1.0 / uniform - less)
    assert currents.std(ddof=1) / np.sqrt(len(currents)) < 0.006 * currents.mean()
    assert abs(score(currents, stirred)) < 3.0
    assert score(currents, one_concentration) < -3.0
