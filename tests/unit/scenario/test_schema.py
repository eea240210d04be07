import math
import re

import pytest
from pydantic import BaseModel

from mc.errors import ScenarioError
from mc.scenario.fields import Model
from mc.scenario.gating import Gating
from mc.scenario.schema import MOST_RECORDED_IONS, Scenario, make_known_species

GATE = "channels.0.gating="


def test_known_ions_have_their_tabulated_diffusion_coefficients():
    cold, warm = make_known_species(298.15), make_known_species(310.15)
    for name, at_25, at_37 in (
        ("K", 1.957, 2.53),
        ("Na", 1.334, 1.77),
        ("Cl", 2.032, 2.64),
        ("Ca", 0.792, 1.05),
    ):
        assert cold[name].diffusion_coefficient == pytest.approx(at_25, rel=1e-12)
        assert warm[name].diffusion_coefficient == pytest.approx(at_37, rel=1e-12)


def test_diffusion_coefficients_follow_an_arrhenius_law():
    inverse = [1 / temperature for temperature in (290.0, 300.0, 330.0)]
    logs = [math.log(make_known_species(1 / x)["Na"].diffusion_coefficient) for x in inverse]
    slopes = [(logs[i + 1] - logs[i]) / (inverse[i + 1] - inverse[i]) for i in (0, 1)]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-9)
    assert slopes[0] < 0


def test_species_follow_the_temperature_of_the_scenario(read):
    assert read().species["K"].diffusion_coefficient == pytest.approx(2.53)
    assert read("simulation.temperature=25 degC").species["K"].diffusion_coefficient == pytest.approx(1.957)


def test_species_hold_known_ones_own_ones_and_the_anion(read):
    scenario = read("species.Mg.valence=2", "species.Mg.diffusion_coefficient=0.71 um^2/ms", "inside.Mg=1 mM")
    assert set(scenario.species) == {"K", "Na", "Cl", "Ca", "Mg", "A"}
    assert scenario.species["Mg"].valence == 2
    assert scenario.species["A"].valence == -1
    assert scenario.species["A"].diffusion_coefficient == 1.0


def test_a_known_species_can_be_redefined(read):
    scenario = read("species.K.valence=1", "species.K.diffusion_coefficient=3 um^2/ms")
    assert scenario.species["K"].diffusion_coefficient == 3.0


def test_conductance_becomes_permeability(read):
    """A 20 pS channel in symmetric 150 mM has 0.0369 nm3/ns at 37 degC."""
    channel = read(
        'channels.0={name="K leak", count=1, conductance="20 pS", concentration="150 mM", '
        "selectivity={K=2.0, Na=0.04}}"
    ).channels[0]
    assert channel.permeability["K"] == pytest.approx(0.0369, rel=2e-3)
    assert channel.permeability["Na"] == pytest.approx(0.02 * channel.permeability["K"])
    assert channel.conductance is None
    assert channel.selectivity == {}


def test_conductance_of_a_divalent_ion_needs_a_quarter_of_the_permeability(read):
    def permeability(name):
        channel = (
            'channels.0={name="x", count=1, conductance="20 pS", concentration="150 mM", '
            f"selectivity={{{name}=1.0}}}}"
        )
        return read("outside.Ca=1 mM", channel).channels[0].permeability[name]

    assert permeability("K") == pytest.approx(4 * permeability("Ca"))


def test_pumps_are_sodium_potassium_pumps_by_default(read):
    pump = read().pumps[0]
    assert (pump.outward, pump.inward) == ({"Na": 3}, {"K": 2})
    assert pump.half_saturation == {"Na": 10.0, "K": 1.5}
    assert pump.acceleration == 1.0
    assert pump.turnover == pytest.approx(1e-7)


def test_half_saturation_of_the_default_pump_can_be_changed_alone(read):
    pump = read("pumps.0.half_saturation.K=2 mM").pumps[0]
    assert (pump.outward, pump.half_saturation) == ({"Na": 3}, {"Na": 10.0, "K": 2.0})


def test_recording_intervals_follow_the_duration(read):
    recording = read("simulation.duration=100 us").recording
    assert (recording.interval, recording.profile_interval, recording.positions_interval) == (
        100.0,
        500.0,
        500.0,
    )
    assert read("recording.interval=50 ns").recording.profile_interval == 50.0
    assert read("simulation.duration=100 ns").recording.interval == 0.5


def test_single_ions_are_not_looked_at_every_few_steps_unless_there_were_too_few_records_else(read):
    """A step takes 0.5 ns: 100 of them are a thousandth of 50 us."""
    expected = {"60 us": 60.0, "20 us": 50.0, "4 us": 20.0, "50 ns": 0.5}
    for duration, interval in expected.items():
        recording = read(f"simulation.duration={duration}").recording
        assert recording.interval == interval
        assert recording.positions_interval % interval == 0.0
    assert read("simulation.duration=4 us", "simulation.time_step=auto").recording.interval == 4.0
    assert read("simulation.duration=4 us", "simulation.engine=continuum").recording.interval == 4.0


@pytest.mark.parametrize(("interval", "expected"), [(3.0, 9.0), (4.0, 8.0), (10.0, 10.0), (50.0, 10.0)])
def test_positions_are_looked_at_when_something_is_recorded_anyway(read, interval, expected):
    assert read(f"recording.interval={interval} ns").recording.positions_interval == expected


def test_without_a_stride_few_ions_are_recorded_and_with_one_every_nth(read):
    assert read().recording.recorded_ions(1e6) == MOST_RECORDED_IONS
    assert read().recording.recorded_ions(70) == 70
    assert read("recording.positions_stride=4").recording.recorded_ions(1e6) == 250_000


def test_open_probability_of_a_two_state_channel(read):
    gate = 'states=["c","o"], open=["o"], rates={"c->o"="2 /us", "o -> c"="0.5 /us"}'
    channel = read(f"{GATE}{{{gate}}}").channels[0]
    assert {key: law.rate for key, law in channel.gating.rates.items()} == {"c->o": 2e-3, "o->c": 5e-4}
    assert channel.mean_permeability()["K"] == pytest.approx(0.8 * channel.permeability["K"])
    assert channel.gating.rate_matrix().tolist() == [[0, 2e-3], [5e-4, 0]]


def test_a_channel_without_gating_is_open(read):
    channel = read().channels[0]
    assert channel.mean_permeability() == channel.permeability


@pytest.mark.parametrize(
    ("gate", "fragment"),
    [
        ('states=["c","o"], open=["o"], rates={"c->x"="1 /us"}', '"x" is not a state'),
        ('states=["c","o"], open=["oo"], rates={"c->o"="1 /us"}', 'did you mean "o"?'),
        ('states=["c","o"], open=[], rates={"c->o"="1 /us"}', "at least 1 of them, found an empty array"),
        ('states=["c","o"], open=["o"], rates={"c->o"="-1 /us"}', "must not be negative"),
        ('states=["c","o"], open=["o"], rates={}', "no transition with a rate above zero"),
        ('states=["c","o"], open=["o"], rates={"c->o"="0 /us"}', "no transition with a rate above zero"),
        ('states=["c","o"], open=["o"], rates={"o->c"="1 /us"}', "can never be reached"),
        ('states=["c","o"], open=["o"], rates={"o->c"="1 /us"}, initial="c"', "can never be reached"),
        ('states=["c","o"], open=["o"], rates={"c->o"="1 /us"}, initial="x"', '"x" is not a state'),
        ('states=["c","c","o"], open=["o"], rates={"c->o"="1 /us"}', "named twice"),
        ('states=["c","o"], open=["o"], rates={"c-o"="1 /us"}', 'is written "from->to"'),
        ('states=["c","o"], open=["o"], rates={"c->c"="1 /us"}', "two different states"),
        (
            'states=["a","b","o"], open=["o"], rates={"o->a"="1 /us", "o->b"="1 /us"}, initial="o"',
            "cannot reach each other",
        ),
    ],
)
def test_impossible_gating_is_refused(read, gate, fragment):
    with pytest.raises(ScenarioError) as error:
        read(f"{GATE}{{{gate}}}")
    assert fragment in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_an_open_state_that_is_only_left_is_fine_as_the_initial_one(read):
    gate = 'states=["o","c"], open=["o"], rates={"o->c"="1 /us"}, initial="o"'
    assert read(f"{GATE}{{{gate}}}").channels[0].gating.open_probability() == 0.0


def test_a_scenario_survives_json_exactly(read):
    scenario = read(
        "simulation.temperature=25 degC",
        'channels.0={name="x", count=1, conductance="20 pS", concentration="150 mM", selectivity={K=1.0}}',
    )
    again = Scenario.from_json(scenario.to_json())
    assert again.model_dump() == scenario.model_dump()
    assert again.source is None


def test_a_scenario_in_two_dimensions_survives_json_exactly(read_2d):
    scenario = read_2d(
        "geometry.boundary=bath",
        "channels.0.count=2",
        'channels.0.placement=["3 nm", "4 nm"]',
        'pumps.0.cluster={centre="1 nm", radius="5 nm"}',
    )
    again = Scenario.from_json(scenario.to_json())
    assert again.model_dump() == scenario.model_dump()
    assert again.channels[0].placement == (3.0, 4.0)


def test_automatic_time_step_survives_json(read):
    scenario = read("simulation.time_step=auto")
    assert Scenario.from_json(scenario.to_json()).simulation.time_step == "auto"


def test_in_two_dimensions_the_area_is_width_times_depth(read, read_2d):
    assert read_2d().geometry.area == read().geometry.area == 10_000.0
    assert read_2d().geometry.transverse_lengths == (200.0,)
    assert read().geometry.transverse_lengths == ()


def test_places_are_random_by_default_where_there_are_places(read, read_2d):
    assert read_2d().channels[0].placement == read_2d().pumps[0].placement == "random"
    assert read().channels[0].placement is None


def test_the_far_ends_are_closed_unless_they_are_baths(read, read_2d):
    assert read().geometry.boundary == "closed"
    assert read("geometry.boundary=bath").geometry.boundary == "bath"
    assert read_2d("geometry.boundary=bath").geometry.boundary == "bath"


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        (
            "geometry.area=1 nm^2",
            "geometry.area: leave it out: in two dimensions the area is width times depth",
        ),
        ("geometry.boundary=open", "geometry.boundary: expected 'closed' or 'bath', found \"open\""),
        ("geometry.width=0 nm", "geometry.width: must be positive"),
        ("geometry.grid_spacing_y=0.05 nm", "at most 2048 cells, 0.0977 nm"),
        (
            'geometry={dimensions=2, depth="9 nm", inside_length="9 nm", outside_length="9 nm"}',
            "width: missing",
        ),
        (
            'geometry={dimensions=2, width="9 nm", depht="9 nm", inside_length="9 nm", outside_length="9 nm"}',
            "geometry.depht: unknown key; allowed are dimensions, width, depth, area, inside_length, outside_length, "
            'boundary, grid_spacing, grid_spacing_y; did you mean "depth"?',
        ),
    ],
)
def test_faults_of_a_line(read_2d, override, fragment):
    with pytest.raises(ScenarioError) as error:
        read_2d(override)
    assert fragment in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("geometry.width=5 nm", "geometry.width: needs dimensions = 2; in one dimension give the area"),
        ("geometry.depth=5 nm", "geometry.depth: needs dimensions = 2"),
        ("geometry.grid_spacing_y=1 nm", "geometry.grid_spacing_y: needs dimensions = 2"),
        (
            'geometry={inside_length="9 nm", outside_length="9 nm"}',
            'area: missing; write e.g. area = "0.02 um^2"',
        ),
    ],
)
def test_faults_of_a_patch_without_places(read, override, fragment):
    with pytest.raises(ScenarioError) as error:
        read(override)
    assert fragment in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_models_cannot_be_changed(read):
    with pytest.raises(ValueError, match="frozen"):
        read().simulation.duration = 5.0


def _all_models(model: type[BaseModel]) -> set[type[BaseModel]]:
    return {model}.union(*(_all_models(child) for child in model.__subclasses__()))


def test_every_field_of_every_model_has_a_sentence_of_description():
    models = _all_models(Model)
    assert Gating in models
    for model in models:
        for name, field in model.model_fields.items():
            assert (field.description or "").endswith("."), f"{model.__name__}.{name}"


LAW = '{kind="HHExpRate", rate="1 /ms", midpoint="-40 mV", scale="10 mV"}'


@pytest.mark.parametrize(
    ("gating", "message"),
    [
        (
            'gates=[{name="n", forward={kind="HHExpRat", rate="1 /ms"}, reverse="1 /ms"}]',
            "expected 'constant'",
        ),
        ('gates=[{name="n", forward={kind="HHExpRate", rate="1 /ms"}, reverse="1 /ms"}]', "needs a scale"),
        (
            'gates=[{name="n", forward={rate="1 /ms", scale="1 mV"}, reverse="1 /ms"}]',
            "a constant rate has none",
        ),
        ('gates=[{name="n", forward="0 /ms", reverse="1 /ms"}]', "could never open"),
        ('gates=[{name="n", forward="-1 /ms", reverse="1 /ms"}]', "must not be negative"),
        ('states=["n"], gates=[{name="n", forward="1 /ms", reverse="1 /ms"}]', "stands beside gates"),
        ('gates=[{name="n", forward="1 /ms", reverse="1 /ms"}], initial="n2"', "the states are n0, n1"),
        ('gates=[{name="n", forward="1 /ms", reverse="1 /ms"}], q10=3.0', "needs reference_temperature"),
        (
            'gates=[{name="n", instances=8, forward="1 /ms", reverse="1 /ms"}, '
            '{name="m", instances=8, forward="1 /ms", reverse="1 /ms"}]',
            "make 81 states; at most 64",
        ),
        ('open=["o"]', "states is missing"),
    ],
)
def test_gates_that_cannot_be_are_refused(read, gating, message):
    with pytest.raises(ScenarioError, match=re.escape(message)):
        read(f"{GATE}{{{gating}}}")


def test_rates_may_depend_on_the_potential_and_the_temperature(read):
    gate = f'states=["c","o"], open=["o"], rates={{"c->o"={LAW}, "o->c"="2 /ms"}}'
    gating = read(f'{GATE}{{{gate}, q10=3.0, reference_temperature="27 degC"}}').channels[0].gating
    assert not gating.is_constant
    assert gating.rate_matrix(-30.0)[0, 1] == pytest.approx(1e-6 * math.e)
    assert gating.rate_matrix(-30.0, 310.15)[1, 0] == pytest.approx(6e-6)
    assert gating.open_probability(-40.0) == pytest.approx(1.0 / 3.0)


def test_gates_are_written_out_as_a_scheme(read):
    gates = (
        f'gates=[{{name="m", instances=2, forward={LAW}, reverse="1 /ms"}}, '
        '{name="h", forward="1 /ms", reverse="3 /ms"}]'
    )
    scheme = read(f"{GATE}{{{gates}}}").channels[0].gating.scheme
    assert scheme.states == ("m0h0", "m0h1", "m1h0", "m1h1", "m2h0", "m2h1")
    assert scheme.is_open == (False,) * 5 + (True,)
    assert {(one.source, one.target, one.multiplicity) for one in scheme.transitions if one.source == 3} == {
        (3, 5, 1),
        (3, 1, 1),
        (3, 2, 1),
    }
    # In each state each of the three subunits can change.
    assert sum(one.multiplicity for one in scheme.transitions) == len(scheme.states) * 3


def test_a_gate_survives_being_written_and_read(read):
    gates = f'gates=[{{name="n", instances=4, forward={LAW}, reverse="1 /ms"}}]'
    scenario = read(f"{GATE}{{{gates}}}")
    again = Scenario.from_json(scenario.to_json())
    assert again.channels == scenario.channels
