"""Every protein of the library can be used, has its source, and may be overridden."""

import numpy as np
import pytest

from mc.errors import ScenarioError
from mc.scenario import library
from mc.scenario.library import library_names, override, read_protein
from mc.scenario.schema import Scenario

SOLUTION = {"K": "100 mM", "Na": "50 mM", "Cl": "100 mM", "Ca": "2 mM"}
LIGANDS = [{"name": name, "concentration": "1 mM"} for name in ("GABA", "glutamate")]


def use(protein_name, **given):
    """Return the scenario of a patch of 1 um2 with one protein of the library."""
    protein = read_protein(protein_name)
    return Scenario.model_validate(
        {
            "simulation": {"duration": "1 us"},
            "geometry": {"area": "1 um^2", "inside_length": "10 nm", "outside_length": "10 nm"},
            "membrane": {"thickness": "4 nm", "capacitance": "1 uF/cm^2"},
            "inside": SOLUTION,
            "outside": SOLUTION,
            "protocol": {"ligands": LIGANDS},
            protein.table: [{"use": protein_name, **given}],
        }
    )


def the_protein(scenario):
    [protein] = (*scenario.channels, *scenario.carriers)
    return protein


@pytest.mark.parametrize("name", library_names())
def test_every_protein_can_be_used_and_says_where_it_is_from(name):
    protein = the_protein(use(name))
    assert protein.count >= 1
    assert protein.source == read_protein(name).keys["source"]
    assert any(character.isdigit() for character in protein.source)
    assert read_protein(name).text.startswith("# ")
    assert 10 < len(read_protein(name).summary) < 80


@pytest.mark.parametrize("name", library.proteins_of("channels"))
def test_every_channel_opens_at_some_potential(name):
    channel, scenario = the_protein(use(name)), use(name)
    ligands = {**scenario.ligands_at_start, ("Ca", "inside"): 1e-3}
    shares = [
        max(channel.mean_permeability(potential, ligands).values()) / max(channel.permeability.values())
        for potential in np.linspace(-120.0, 60.0, 37)
    ]
    # Sodium channels at rest are open in a narrow window, to less than a hundredth.
    assert max(shares) > 0.005
    assert max(shares) <= 1.0 + 1e-12


def test_a_protein_survives_being_written_and_read():
    for name in library_names():
        scenario = use(name)
        assert Scenario.from_json(scenario.to_json()).model_dump() == scenario.model_dump()


def test_the_density_becomes_a_count_and_a_count_takes_its_place():
    assert the_protein(use("squid_k")).count == 30
    assert the_protein(use("squid_k", count=7)).count == 7
    assert the_protein(use("squid_k", density="5 /um^2")).count == 5


def test_what_is_given_stands_in_place_of_the_librarys():
    channel = the_protein(use("squid_k", name="K", permeability={"K": "0.01 nm^3/ns"}))
    assert channel.name == "K"
    assert channel.permeability == {"K": 0.01}
    assert channel.gating.gates[0].name == "n"
    faster = the_protein(use("squid_k", gating={"acceleration": 1000.0}))
    assert faster.gating.acceleration == 1000.0
    assert faster.gating.q10 == 3.0
    two_states = {"states": ["c", "o"], "open": ["o"], "rates": {"c->o": "1 /ms", "o->c": "1 /ms"}}
    assert the_protein(use("squid_k", gating=two_states)).gating.gates == ()


def test_overriding_leaves_the_library_as_it_is():
    before = read_protein("kcc2").keys
    changed = override(before, {"half_saturation": {"K": "1 mM"}})
    assert changed["half_saturation"] == {"K": "1 mM", "Cl": "6.8 mM"}
    assert before["half_saturation"]["K"] == "9.3 mM"


def test_a_name_that_is_none_and_one_of_another_kind_are_refused(read):
    with pytest.raises(ScenarioError, match=r'no protein of the library is called "squid_n".*did you mean'):
        read('channels=[{use="squid_n"}]')
    with pytest.raises(ScenarioError, match=r"kcc2 is a transporter: write it under \[\[transporters\]\]"):
        read('channels=[{use="kcc2"}]')


def test_hodgkin_and_huxley_at_rest_are_the_published_numbers():
    """m, h and n at -65 mV: 0.053, 0.596, 0.318; the open fractions m3h and n4."""
    sodium, potassium = the_protein(use("squid_na")), the_protein(use("squid_k"))
    assert sodium.gating.open_probability(-65.0) == pytest.approx(0.0529**3 * 0.596, rel=0.01)
    assert potassium.gating.open_probability(-65.0) == pytest.approx(0.3177**4, rel=0.01)


def test_the_exchangers_affinities_agree_with_detailed_balance():
    """The way back saturates at about the same rate: the product of the ratios of its K is near 1."""
    exchanger = the_protein(use("ncx1"))
    ratio = 1.0
    for name, n in {"Ca": 1, "Na": 3}.items():
        ratio *= (exchanger.half_saturation_opposite[name] / exchanger.half_saturation[name]) ** n
    assert 0.5 < ratio < 2.0
