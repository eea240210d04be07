import pytest

from mc.errors import ScenarioError

GATE = "channels.0.gating="
CALCIUM_GATE = (
    'states=["c","o"], open=["o"], '
    'rates={"c->o"={rate="1 /ms", ligand="LIGAND", per_concentration="1 uM"}, "o->c"="1 /ms"}'
)


def fault_of(read, *overrides):
    with pytest.raises(ScenarioError) as error:
        read(*overrides)
    [line] = str(error.value).splitlines()
    return line


def read_gate(read, ligand, *more):
    return read(f"{GATE}{{{CALCIUM_GATE.replace('LIGAND', ligand)}}}", *more)


def test_a_rate_may_be_proportional_to_an_ion_of_one_side(read):
    gating = read_gate(read, "K").channels[0].gating
    assert not gating.is_constant
    # 1/ms for 1 uM is 1e-6/ns for 1e-3 mM.
    rates = gating.rate_matrix(ligands={("K", "inside"): 2.0, ("K", "outside"): 9.0})
    assert rates[0, 1] == pytest.approx(2e-3)
    assert rates[1, 0] == pytest.approx(1e-6)


def test_a_ligand_may_be_one_of_the_protocol(read):
    pulse = 'protocol.ligands=[{name="GABA", concentration="3 uM"}]'
    scenario = read_gate(read, "GABA", pulse)
    assert scenario.ligands_at_start["GABA", "inside"] == pytest.approx(3e-3)
    probability = scenario.channels[0].gating.open_probability(ligands=scenario.ligands_at_start)
    assert probability == pytest.approx(0.75)


def test_a_ligand_that_is_nowhere_is_refused_at_its_key(read):
    with pytest.raises(ScenarioError) as error:
        read_gate(read, "GABA")
    message = str(error.value)
    assert "gating.rates.c->o.ligand" in message.replace('"', "")
    assert '"GABA" is neither in the solutions nor in the protocol' in message


def test_a_ligand_needs_its_concentration_and_the_reverse(read):
    gate = 'states=["c","o"], open=["o"], rates={"c->o"=RATE, "o->c"="1 /ms"}'
    lacking = gate.replace("RATE", '{rate="1 /ms", ligand="K"}')
    assert "a ligand needs a per_concentration" in fault_of(read, f"{GATE}{{{lacking}}}")
    lonely = gate.replace("RATE", '{rate="1 /ms", per_concentration="1 mM"}')
    assert "needs a ligand beside it" in fault_of(read, f"{GATE}{{{lonely}}}")


def test_substates_are_open_states_with_species_that_pass(read):
    steps = ", ".join(f'"{step}"="1 /ms"' for step in ("c->s", "s->o", "o->s", "s->c"))
    gate = f'{{states=["c","s","o"], open=["s","o"], rates={{{steps}}}}}'
    channel = read(f"{GATE}{gate}", "channels.0.substates={s={K=0.5}}").channels[0]
    assert channel.levels == (0, 2, 1)
    assert channel.level_permeabilities[2]["K"] == pytest.approx(0.5 * channel.permeability["K"])
    # A third in each state: (1 + 0.5)/3 of what an open one lets through.
    assert channel.mean_permeability()["K"] == pytest.approx(0.5 * channel.permeability["K"])
    fault = fault_of(read, f"{GATE}{gate}", "channels.0.substates={c={K=0.5}}")
    assert '"c" is not an open state of the gating: s, o' in fault
    fault = fault_of(read, f"{GATE}{gate}", "channels.0.substates={s={Ca=0.5}}")
    assert "the channel does not let Ca through" in fault


COTRANSPORTER = (
    '{name="KCC2", count=5, turnover="1 /ms", outward={K=1, Cl=1}, half_saturation={K="9 mM", Cl="6 mM"}'
)


def test_a_transporter_is_read(read):
    [transporter] = read(f"transporters=[{COTRANSPORTER}, charge=0}}]").transporters
    assert transporter.net_charge({"K": 1, "Cl": -1}) == 0
    assert transporter.turnover == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("transporter", "fragments"),
    [
        (f"{COTRANSPORTER}, charge=1}}", ("KCC2.charge", "1 e is declared, but a cycle moves +0 e outward")),
        (COTRANSPORTER.replace("Cl=1", "Br=1").replace("Cl=", "Br=") + "}", ("Br", "in neither solution")),
        (COTRANSPORTER.replace(', Cl="6 mM"', "") + "}", ("half_saturation", "missing for Cl")),
        (f'{COTRANSPORTER}, half_saturation_opposite={{Na="1 mM"}}}}', ("a cycle does not move Na",)),
        (COTRANSPORTER.replace("KCC2", "Na/K-ATPase") + "}", ("is the name of a pump too",)),
        (COTRANSPORTER.replace('"1 /ms"', '"-1 /ms"') + "}", ("turnover", "must not be negative")),
    ],
)
def test_impossible_transporters_are_refused(read, transporter, fragments):
    line = fault_of(read, f"transporters=[{transporter}]")
    for fragment in fragments:
        assert fragment in line


def test_a_pump_may_have_hill_numbers_and_follow_the_potential(read):
    dependence = '{kind="HHSigmoidRate", midpoint="-90 mV", scale="30 mV"}'
    pump = read("pumps.0.hill={Na=2.5}", f"pumps.0.voltage_dependence={dependence}").pumps[0]
    assert pump.hill == {"Na": 2.5}
    assert pump.voltage_dependence.scale == 30.0
    assert "a cycle does not move Ca" in fault_of(read, "pumps.0.hill={Ca=2.0}")
