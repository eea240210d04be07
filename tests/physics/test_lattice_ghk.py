"""On the lattice one-way fluxes are GHK's, and several ions rest at the GHK potential, at any time step."""

import numpy as np
import pytest
from lattice_patch import RATIOS, RELAXATION_TIME, THERMAL, make_engine, slope_conductance
from membrane_patch import BODY_TEMPERATURE, make_patch

from mc import theory
from mc.analysis.potential import bulk_concentrations
from mc.comparison import compare_potential
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.simulation import simulate

# --- one-way fluxes ---

VALENCES = {"anion": -1, "monovalent": 1, "divalent": 2}
POTENTIALS = (-100.0, -50.0, 0.0, 50.0)
AREA, LENGTH, CONCENTRATION = 20_000.0, 10.0, 100.0
LARGEST_SHARE = 1e-3
"""Of a tracer's ions that cross in a step: concentrations are as good as constant over it."""
COUNTS = 3000
"""Crossings of a tracer, about: to 2 %."""


def tracers():
    return [(name, valence, side) for name, valence in VALENCES.items() for side in ("inside", "outside")]


def one_way_flux(permeability, valence, side, potential):
    """Return the flux from a side for each mM of it."""
    fluxes = theory.ghk_flux(permeability, 1.0, 1.0, valence, potential, BODY_TEMPERATURE)
    return fluxes.outward if side == "inside" else fluxes.inward


class Fluxes:
    """Crossings of every tracer in one run in voltage clamp, and the concentration they came from over time."""

    def __init__(self, ratio, potential, seed):
        time_step = ratio * RELAXATION_TIME
        ions = CONCENTRATION * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * AREA * LENGTH
        share = min(LARGEST_SHARE, 1e-4 * time_step)
        n_steps = int(COUNTS / (share * ions))
        self.potential = potential
        self.permeability = {}
        for name, valence, side in tracers():
            per_permeability = one_way_flux(1.0, valence, side, potential) * CONCENTRATION
            self.permeability[f"{name}_{side}"] = share * ions / time_step / per_permeability
        solution = {
            side: {f"{name}_{side}": CONCENTRATION for name in VALENCES} for side in ("inside", "outside")
        }
        for side in solution.values():
            side["counterion"] = 2 * CONCENTRATION / 4
        species = {
            f"{name}_{side}": {"valence": valence, "diffusion_coefficient": 2.0}
            for name, valence, side in tracers()
        }
        species["counterion"] = {"valence": -4, "diffusion_coefficient": 1.0}
        engine = make_engine(
            seed,
            time_step,
            clamped_potential=potential,
            **solution,
            species=species,
            channels=[{"name": "pore", "count": 1, "permeability": self.permeability}],
            area=AREA,
            length=LENGTH,
        )
        names = engine.composition.names
        dose = np.zeros((len(names), 2))
        stretch = max(1, n_steps // 100)
        for _ in range(0, n_steps, stretch):
            before = engine.observe().ions
            engine.advance(stretch)
            # What crosses in a step comes from the concentration at its start.
            dose += before * stretch * time_step
        crossings = engine.observe().crossings[0]
        self.counted = {
            f"{name}_{side}": crossings[names.index(f"{name}_{side}"), int(side == "outside")]
            for name, _, side in tracers()
        }
        volume = AREA * LENGTH * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
        self.dose = {
            f"{name}_{side}": dose[names.index(f"{name}_{side}"), int(side == "outside")] / volume
            for name, _, side in tracers()
        }

    def score(self, name, side, valence=None, potential=None, factor=1.0):
        """Return by how many standard errors a count lies off GHK, as it is or with another valence or potential."""
        tracer = f"{name}_{side}"
        valence = VALENCES[name] if valence is None else valence
        potential = self.potential if potential is None else potential
        expected = (
            factor * self.dose[tracer] * one_way_flux(self.permeability[tracer], valence, side, potential)
        )
        return (self.counted[tracer] - expected) / np.sqrt(expected)


@pytest.fixture(scope="module")
def clamped():
    """Return a function that gives the fluxes at a ratio of times and a potential, from a run that is made once."""
    runs = {}

    def at(ratio, potential):
        if (ratio, potential) not in runs:
            runs[ratio, potential] = Fluxes(ratio, potential, seed=1)
        return runs[ratio, potential]

    return at


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("potential", POTENTIALS)
def test_one_way_fluxes_are_those_of_ghk(clamped, ratio, potential):
    """Six fluxes, each counted to 2 %; 5 sigma, a false alarm in 3e-6 of all seeds."""
    fluxes = clamped(ratio, potential)
    assert min(fluxes.counted.values()) > 0.7 * COUNTS
    scores = {(name, side): fluxes.score(name, side) for name, _, side in tracers()}
    assert max(map(abs, scores.values())) < 5.0, scores


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize(("name", "_", "side"), tracers())
def test_a_wrong_sign_or_a_tenth_more_would_be_noticed(clamped, ratio, name, _, side):
    """The same counts against the other sign of valence or potential, or ten per cent more."""
    fluxes = clamped(ratio, -50.0)
    assert abs(fluxes.score(name, side, valence=-VALENCES[name])) > 20.0
    assert abs(fluxes.score(name, side, potential=50.0)) > 20.0
    assert abs(fluxes.score(name, side, factor=1.15)) > 5.0


@pytest.mark.parametrize(("ratio", "cycles_wanted"), [(1.0, 300), (100.0, 3000), (1000.0, 3000)])
def test_three_ions_cross_as_often_as_each_of_many(ratio, cycles_wanted):
    """Most voxels are empty then: ions are inside by Boltzmann's chance and cross as often as they are; 5 sigma."""
    time_step, potential = ratio * RELAXATION_TIME, -30.0
    rate = min(0.01 / time_step, 0.004)
    engine = make_engine(
        5,
        time_step,
        clamped_potential=potential,
        species={"tracer": {"valence": 1, "diffusion_coefficient": 2.5}},
        inside={"tracer": 0.025, "K": 100.0, "Cl": 100.025},
        outside={"K": 100.0, "Cl": 100.0},
        channels=[{"name": "pore", "count": 1, "permeability": {"tracer": rate * AREA * LENGTH}}],
        area=AREA,
        length=LENGTH,
    )
    i = engine.composition.names.index("tracer")
    n_ions = engine.observe().ions[i].sum()
    assert n_ions == 3
    factor = potential / THERMAL / -np.expm1(-potential / THERMAL)
    outward, inward = rate * factor, rate * (factor - potential / THERMAL)
    n_steps = round(2.0 * cycles_wanted / (n_ions * outward * time_step))
    engine.advance(round(5.0 / outward / time_step))
    before = engine.observe().crossings[0, i]
    engine.advance(n_steps)
    counted = engine.observe().crossings[0, i] - before
    # Each ion is inside by the chance of a two-state process; the baths' own resistance takes 2 % at most.
    cycles = n_ions * n_steps * time_step * outward * inward / (outward + inward)
    assert abs(counted.sum() / 2.0 - cycles) < 5.0 * np.sqrt(cycles) + 0.02 * cycles, (counted, cycles)
    # Drawn from the first voxel as it is at one moment, mostly empty, they would cross far less often.
    assert counted.sum() / 2.0 > 0.5 * cycles


# --- the potential at rest ---

INSIDE, OUTSIDE = {"K": 140.0, "Na": 12.0, "Cl": 10.0}, {"K": 5.0, "Na": 145.0, "Cl": 115.0}
PERMEABILITY = {"K": 1.0, "Na": 0.2, "Cl": 0.45}
"""Relative."""
PATCH_AREA, PATCH_LENGTH = 1e6, 100.0
LEAST_CHARGING_TIME, STEPS_OF_CHARGING = 400.0, 40
"""ns: what crosses in it is 1.5 % of the potassium outside, and diffusion keeps up with it."""

EQUILIBRATION = 24
"""Records, six charging times."""


SEEDS = (1, 2, 3, 4)
"""One run has but twenty correlation times, and its standard error is uncertain by a seventh."""


@pytest.fixture(scope="module", params=RATIOS)
def resting_patches(tmp_path_factory, request):
    """Patches whose ions slowly run down: each record is compared with the concentrations of its own moment."""
    time_step = request.param * RELAXATION_TIME
    names = tuple(PERMEABILITY)
    relative = np.array([PERMEABILITY[name] for name in names])
    inside, outside = (np.array([side[name] for name in names]) for side in (INSIDE, OUTSIDE))
    conductance = slope_conductance(relative, inside, outside, np.array([1, 1, -1]), -40.0)
    charging_time = max(STEPS_OF_CHARGING * time_step, LEAST_CHARGING_TIME)
    unit = 6.241509e-5 * PATCH_AREA / charging_time / conductance
    scenario = make_patch(
        engine="lattice",
        inside=INSIDE,
        outside=OUTSIDE,
        channels=[
            {"name": name, "count": 10, "permeability": {name: unit * PERMEABILITY[name] / 10}}
            for name in names
        ],
        area=PATCH_AREA,
        length=PATCH_LENGTH,
        time_step=time_step,
        duration=50.0 * charging_time,
        interval=charging_time / 4.0,
    )
    return [simulate(scenario, tmp_path_factory.mktemp("lattice"), seed=seed, threads=1) for seed in SEEDS]


def compare_with_ghk(patches):
    """Return by how much the potential of all patches is off, and the standard error of that."""
    differences = [compare_potential(patch, patch.time[EQUILIBRATION]).difference for patch in patches]
    mean = np.mean([one.mean for one in differences])
    return mean, np.linalg.norm([one.standard_error for one in differences]) / len(differences)


def test_the_potential_is_ghks(resting_patches):
    """Standard error 0.10 mV, estimated to a fourteenth; 5 sigma, a false alarm in 6e-7 of all seeds."""
    difference, standard_error = compare_with_ghk(resting_patches)
    assert standard_error < 0.14
    assert abs(difference) < 5.0 * standard_error, (difference, standard_error)


@pytest.mark.parametrize("change", [{"Cl": 0.0}, {"Na": 0.0}, {"K": 0.0}, {"Na": 0.3}])
def test_wrong_permeabilities_would_be_noticed(resting_patches, change):
    records = slice(EQUILIBRATION, None)
    differences = []
    for patch in resting_patches:
        inside, outside = bulk_concentrations(patch)
        wrong = [(PERMEABILITY | change).get(name, 0.0) for name in patch.species_names]
        ghk = theory.ghk_potential(
            wrong, inside[:, records], outside[:, records], patch.valence, BODY_TEMPERATURE
        )
        differences.append(np.mean(patch["membrane_potential"][records] - ghk))
    assert abs(np.mean(differences)) > 5.0 * compare_with_ghk(resting_patches)[1]
