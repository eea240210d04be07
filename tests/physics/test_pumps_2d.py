"""Pumps in their places sense the ions there, take the nearest of them, and put them opposite.

Sodium and potassium hardly diffuse here, and a clamp leaves the baths without a field: where they are put they stay,
so that every cycle can be checked against the places of single ions. Sodium is plenty around the end of the period
and scarce elsewhere.
"""

from typing import NamedTuple

import numpy as np
import pytest
from membrane_patch import make_patch

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR, SENSING_REACH
from mc.engines.brownian import stepping
from mc.engines.brownian.engine import BrownianEngine

WIDTH, DEPTH, LENGTH = 128.0, 500.0, 10.0
SPACING, SPACING_ALONG = 0.5, 1.0
PLENTY, SCARCE, POTASSIUM = 100.0, 20.0, 30.0
"""mM."""
HALF_WIDTH = 20.0
"""nm on either side of the end of the period, where sodium is plenty."""
SITES = {"here": 0.5, "there": 64.5}
"""nm, each in the middle of a cell of 1 nm; a pump senses this cell and the five on either side."""
HALF_REACH = 5.5
"""nm."""
COUNT, TURNOVER, DURATION = 20, 0.03, 1500
HALF_SATURATION = {"Na": 40.0, "K": 5.0}
MOVED = {"Na": 3, "K": 2}
SIDE = {"Na": -1.0, "K": 1.0}
"""Sign of the positions from which a species is taken."""
FROZEN = 1e-3
"""nm; ions that are not taken move less in a step."""


class Cycle(NamedTuple):
    """What one cycle took, and from where."""

    site: str
    ions: dict
    """(ions,) by species."""
    before: np.ndarray
    """(2, all ions) signed distance from the membrane and place along it, nm."""
    after: np.ndarray


class Pumped(NamedTuple):
    """A run of pumps."""

    engine: BrownianEngine
    cycles: list
    expected: dict
    """Integral of the rate that the ions at each place call for, by site."""


def distance_along(places, site):
    distance = np.abs(places - site)
    return np.minimum(distance, WIDTH - distance)


def ions_of(engine, name):
    first_ion, species = engine.state.ions.first_ion, engine.composition.names.index(name)
    return np.arange(first_ion[species], first_ion[species + 1])


def places_of(engine):
    """Return where each ion is, in the order of their names rather than of memory."""
    state, places = engine.state, np.empty((2, engine.n_slots))
    places[:, state.plane.names] = state.ions.positions, state.plane.transverse[0]
    return places


def share_within(distance, reach, spacing):
    """Return what an ion shared between nodes counts for in a patch: the nodes at its edge are half in it."""
    return np.clip((reach + spacing - distance) / (2.0 * spacing), 0.0, 1.0)


def make_engine(sites):
    share = 2.0 * HALF_WIDTH / WIDTH
    sodium = share * PLENTY + (1.0 - share) * SCARCE
    pump = {
        "turnover": TURNOVER,
        "outward": {"Na": 3},
        "inward": {"K": 2},
        "half_saturation": HALF_SATURATION,
    }
    patch = make_patch(
        inside={"Na": sodium, "Cl": sodium},
        outside={"K": POTASSIUM, "Cl": POTASSIUM},
        species={name: {"valence": 1, "diffusion_coefficient": 1e-9} for name in MOVED},
        pumps=[
            pump | {"name": name, "count": COUNT, "placement": [site] * COUNT} for name, site in sites.items()
        ],
        area=WIDTH * DEPTH,
        width=WIDTH,
        length=LENGTH,
        grid={"grid_spacing": SPACING, "grid_spacing_y": SPACING_ALONG},
    )
    engine = BrownianEngine(patch, 1, 1.0, 1, 0.0)
    random, ions = np.random.default_rng(1), ions_of(engine, "Na")
    is_where_plenty = random.random(ions.size) < share * PLENTY / sodium
    places = np.where(
        is_where_plenty,
        random.uniform(-HALF_WIDTH, HALF_WIDTH, ions.size),
        random.uniform(HALF_WIDTH, WIDTH - HALF_WIDTH, ions.size),
    )
    engine.state.plane.transverse[0, ions] = (places % WIDTH).astype(np.float32) % np.float32(WIDTH)
    stepping.advance(engine.state, 0)
    engine.deposit_as_looked_at()
    return engine


def rate_at(engine, site):
    """Return the rate of all pumps at a site in 1/ns, from the places of single ions."""
    x, y = places_of(engine)
    volume = SENSING_REACH * 2.0 * HALF_REACH * DEPTH * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    rate = COUNT * TURNOVER
    for name, n in MOVED.items():
        ions = ions_of(engine, name)
        normal = x[ions] * SIDE[name]
        near = (normal > 0.0) * share_within(normal, SENSING_REACH, SPACING)
        near *= share_within(distance_along(y[ions], site), HALF_REACH, SPACING_ALONG)
        concentration = near.sum() / volume
        rate *= (concentration / (concentration + HALF_SATURATION[name])) ** n
    return rate


def pumped(sites):
    """Run pumps at `sites`; note the cycles of steps with one only."""
    engine = make_engine(sites)
    cycles, expected, names = [], dict.fromkeys(SITES, 0.0), list(sites)
    for _ in range(DURATION):
        for name, site in SITES.items():
            expected[name] += rate_at(engine, site)
        before = places_of(engine)
        engine.advance(1)
        moves = engine.drain_events()["pumps"]
        if np.unique(moves["cycle"]).size == 1 and np.unique(moves["pump"]).size == 1:
            species = np.array(engine.composition.names)[moves["species"]]
            taken = {name: moves["ion"][species == name] for name in MOVED}
            cycles.append(Cycle(names[moves["pump"][0] // COUNT], taken, before, places_of(engine)))
    return Pumped(engine, cycles, expected)


@pytest.fixture(scope="module")
def run():
    return pumped(SITES)


def count(run):
    """Return the cycles by site: each type of pump has its own."""
    return dict(zip(SITES, run.engine.state.pumps.cycles[:, 0].tolist(), strict=True))


def score(counted, expected):
    return (counted - expected) / np.sqrt(expected)


def test_the_rate_follows_the_concentrations_at_the_site(run):
    """Counts are martingales about the integrated rate: 5 sigma, a false alarm in 1e-5 of all seeds."""
    counted = count(run)
    assert run.expected["here"] > 100.0
    for site in SITES:
        assert abs(score(counted[site], run.expected[site])) < 5.0, (counted, run.expected)
    # The concentrations of the other site, or those of the whole membrane, would be noticed:
    assert abs(score(counted["here"], run.expected["there"])) > 5.0
    assert abs(score(counted["there"], run.expected["here"])) > 5.0
    share = 2.0 * HALF_WIDTH / WIDTH
    sodium = share * PLENTY + (1.0 - share) * SCARCE
    everywhere = COUNT * TURNOVER * DURATION * (sodium / (sodium + 40.0)) ** 3 * (30.0 / 35.0) ** 2
    assert abs(score(counted["here"], everywhere)) > 5.0


def test_pumps_elsewhere_would_be_noticed():
    """The twin: with the sites exchanged, each turns as often as the other should."""
    exchanged = pumped({"here": SITES["there"], "there": SITES["here"]})
    counted = count(exchanged)
    assert abs(score(counted["here"], exchanged.expected["here"])) > 5.0
    assert abs(score(counted["there"], exchanged.expected["there"])) > 5.0


def is_nearest(cycle, engine, site):
    """Return whether the ions of a cycle were the nearest of their side to a site, to the precision of a step."""
    x, y = cycle.before
    for name, taken in cycle.ions.items():
        ions = ions_of(engine, name)
        on_side = ions[x[ions] * SIDE[name] > 0.0]
        distances = np.sort(np.hypot(x[on_side], distance_along(y[on_side], site)))
        own = np.hypot(x[taken], distance_along(y[taken], site))
        if taken.size != MOVED[name] or np.any(own > distances[taken.size - 1] + FROZEN):
            return False
    return True


def test_a_cycle_takes_the_nearest_ions_to_its_site(run):
    """All of them; to the other site, or to one 2 nm off, those of no cycle are the nearest."""
    assert len(run.cycles) > 100
    assert {cycle.site for cycle in run.cycles} == set(SITES)
    assert all(is_nearest(cycle, run.engine, SITES[cycle.site]) for cycle in run.cycles)
    others = {"here": "there", "there": "here"}
    assert not any(is_nearest(cycle, run.engine, SITES[others[cycle.site]]) for cycle in run.cycles)
    assert not any(is_nearest(cycle, run.engine, SITES[cycle.site] + 2.0) for cycle in run.cycles)


def test_ions_change_sides_at_their_distance_and_place_and_no_others_do(run):
    for cycle in run.cycles:
        taken = np.concatenate(list(cycle.ions.values()))
        np.testing.assert_allclose(cycle.after[0, taken], -cycle.before[0, taken], atol=FROZEN)
        assert np.all(distance_along(cycle.after[1, taken], cycle.before[1, taken]) < FROZEN)
        changed = np.flatnonzero(np.sign(cycle.after[0]) != np.sign(cycle.before[0]))
        np.testing.assert_array_equal(changed, np.sort(taken))


def test_the_ledger_is_exact(run):
    now, composition = run.engine.observe(), run.engine.composition
    cycles = sum(count(run).values())
    for name, change in (("Na", -3 * cycles), ("K", 2 * cycles)):
        species = composition.names.index(name)
        assert now.ions[species, 0] - composition.counts_inside[species] == change
        assert now.ions[species, 1] - composition.counts_outside[species] == -change
    assert now.total_charge == 0.0
