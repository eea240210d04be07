import pytest

from mc.errors import ScenarioError
from mc.scenario.schema import Scenario

VOLTAGE = 'protocol.voltage=[{start="1 us", stop="2 us", potential="-80 mV"}]'


def fault_of(read, *overrides):
    with pytest.raises(ScenarioError) as error:
        read("simulation.duration=10 us", *overrides)
    [line] = str(error.value).splitlines()
    return line


def test_without_a_protocol_the_membrane_is_free(read):
    assert not read().protocol.has_commands


def test_times_and_commands_are_read_in_internal_units(read):
    scenario = read(
        "simulation.duration=10 us",
        VOLTAGE,
        'protocol.current=[{start="3 us", current="10 pA"}]',
        'electrodes=[{name="tip", inside="10 nm", outside="20 nm", low_pass="1 MHz"}]',
    )
    [command], [current], [electrode] = (
        scenario.protocol.voltage,
        scenario.protocol.current,
        scenario.electrodes,
    )
    assert (command.start, command.stop, command.potential) == (1000.0, 2000.0, -80.0)
    assert current.current == pytest.approx(0.0624151, rel=1e-5)
    assert current.stop is None
    assert electrode.low_pass == pytest.approx(1e-3)
    assert Scenario.from_json(scenario.to_json()).model_dump() == scenario.model_dump()


@pytest.mark.parametrize(
    ("override", "fragments"),
    [
        ('protocol.voltage=[{start="2 us", stop="1 us", potential="0 mV"}]', ("stop", "not after the start")),
        ('protocol.voltage=[{start="20 us", potential="0 mV"}]', ("voltage.0.start", "never comes")),
        (
            'protocol.voltage=[{potential="0 mV"}, {start="3 us", potential="9 mV"}]',
            ("voltage.1.start", "is before the entry ahead of it is over"),
        ),
        ('protocol.current=[{current="10 mV"}]', ("current.0.current", "expected a current")),
        ("protocol.carrier=Ca", ("protocol.carrier", "no monovalent ion")),
        ('protocol.blocks=[{protein="K leek"}]', ("blocks.0.protein", 'did you mean "K leak"?')),
        ('protocol.blocks=[{protein="K leak", fraction=1.5}]', ("fraction", "at most 1")),
        ('protocol.solutions=[{start="1 us", concentrations={K="50 mM"}}]', ('boundary = "bath"',)),
        ('protocol.ligands=[{name="K", concentration="1 mM"}]', ("ligands.K.name", "K is an ion")),
        ('electrodes=[{name="tip", inside="10 um", outside="1 nm"}]', ("inside", "beyond the far end")),
        ('electrodes=[{name="tip", inside="1 nm", outside="1 nm", y="3 nm"}]', ("y needs dimensions = 2",)),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_key(read, override, fragments):
    line = fault_of(read, override)
    for fragment in fragments:
        assert fragment in line


def test_a_solution_may_only_change_what_is_there_at_the_start(read):
    bath = "geometry.boundary=bath"
    change = 'protocol.solutions=[{start="1 us", concentrations={Cs="5 mM"}}]'
    assert "Cs is in neither solution at the start" in fault_of(read, bath, change)


def test_the_carrier_is_potassium_or_what_is_there(read):
    assert read("simulation.duration=10 us", VOLTAGE).protocol.carrier == "K"
    scenario = read(
        "simulation.duration=10 us",
        VOLTAGE,
        "channels=[]",
        "pumps=[]",
        'inside={Na="100 mM", Cl="90 mM"}',
        'outside={Na="20 mM", Cl="15 mM"}',
    )
    assert scenario.protocol.carrier == "Na"
