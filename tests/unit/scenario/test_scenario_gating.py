import pytest

from mc.errors import ScenarioError

GATE = "channels.0.gating="
CALCIUM_GATE = (
    'states=["c","o"], open=["o"], '
    'rates={"c->o"={rate="1 /ms", ligand="LIGAND", per_concentration="1 uM"}, "o->c"="1 /ms"}'
)


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


def test_a_ligand_needs_its_concentration_and_the_reverse(fault_of):
    gate = 'states=["c","o"], open=["o"], rates={"c->o"=RATE, "o->c"="1 /ms"}'
    lacking = gate.replace("RATE", '{rate="1 /ms", ligand="K"}')
    assert "a ligand needs a per_concentration" in fault_of(f"{GATE}{{{lacking}}}")
    lonely = gate.replace("RATE", '{rate="1 /ms", per_concentration="1 mM"}')
    assert "needs a ligand beside it" in fault_of(f"{GATE}{{{lonely}}}")
