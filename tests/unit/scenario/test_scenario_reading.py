import tomllib

import pytest

from mc.errors import ScenarioError
from mc.scenario.reading import _LineScanner, read_scenario

TANGLED_TOML = '''
# a comment with "quotes" and [brackets]
"quo.ted" . 'lit' = """first
second "" ]] # } \\\\" """
a.b.c = 1 # a comment
d = [ # ]
  1, 2,
  [3, "x]"],
  { k = 1, "z z".w = [ {q=1}, ] },
]
e = 1979-05-27 07:32:00
f = \'\'\'it''s
over\'\'\'
g = {}
h = []
i = """ab""""
[ t . "u v" ]
x = -1e3
[[arr]]
[[arr]]
n = 1
[arr.sub]
m = 2
[[arr.deep]]
k = 1
[[arr.deep]]
k = 2
[[arr]]
[arr.sub]
m = { a = { b = 1 } }
'''


def _paths(value, path=()):
    if path:
        yield path
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from _paths(value[key], (*path, key))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_key_of_any_toml_has_its_line(newline):
    text = TANGLED_TOML.replace("\n", newline)
    lines = _LineScanner(text).lines
    assert set(lines) == set(_paths(tomllib.loads(text)))
    assert lines["quo.ted", "lit"] == 3
    assert lines["d", 2] == 8
    assert lines["d", 3, "z z", "w", 0, "q"] == 9
    assert lines["e",] == 11
    assert lines["g",] == 14
    assert lines["t", "u v", "x"] == 18
    assert lines["arr", 1, "deep", 1, "k"] == 27
    assert lines["arr", 2, "sub", "m", "a", "b"] == 30


def test_numbers_are_in_internal_units(read):
    scenario = read()
    assert scenario.simulation.duration == 2000.0
    assert scenario.geometry.area == 10_000.0
    assert scenario.membrane.capacitance == pytest.approx(6.2415e-5, rel=1e-5)
    assert scenario.outside == {"K": 5.0, "Na": 145.0, "Cl": 115.0}
    assert scenario.simulation.temperature == pytest.approx(310.15)


def test_the_source_is_kept_verbatim(scenario_file):
    scenario = read_scenario(scenario_file, ["inside.K=100 mM"])
    assert scenario.source.path == scenario_file
    assert scenario.source.text == scenario_file.read_text()
    assert scenario.source.overrides == ("inside.K=100 mM",)
    assert "source" not in scenario.model_dump()


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("inside.K=100 mM", lambda s: s.inside["K"] == 100),
        ('inside.K="100 mM"', lambda s: s.inside["K"] == 100),
        (" inside . K = 100 mM ", lambda s: s.inside["K"] == 100),
        ("inside.Ca=1 mM", lambda s: s.inside["Ca"] == 1),
        ("channels.0.count=7", lambda s: s.channels[0].count == 7),
        ('channels."K leak".count=7', lambda s: s.channels[0].count == 7),
        ("channels.K leak.count=7", lambda s: s.channels[0].count == 7),
        ("pumps.Na/K-ATPase.acceleration=1e4", lambda s: s.pumps[0].acceleration == 1e4),
        ("simulation.time_step=auto", lambda s: s.simulation.time_step == "auto"),
        ("channels=[]", lambda s: s.channels == ()),
        ("recording.events=false", lambda s: s.recording.events is False),
        ("channels.0.pore.mouth_depth=0.2 nm", lambda s: s.channels[0].pore.mouth_depth == 0.2),
    ],
)
def test_overrides(scenario_file, override, value):
    assert value(read_scenario(scenario_file, [override]))


def test_overrides_as_a_mapping(scenario_file):
    scenario = read_scenario(scenario_file, {"inside.K": "100 mM", "simulation.seed": "5"})
    assert (scenario.inside["K"], scenario.simulation.seed) == (100.0, 5)


def test_later_overrides_win(read):
    assert read("inside.K=100 mM", "inside.K=50 mM").inside["K"] == 50.0


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("inside.K=5 mV", "inside.K: expected a concentration"),
        ("inside.K", "an override is written key=value"),
        ("=5", "an override is written key=value"),
        ("channels.1.count=7", 'channels has no entry 1; there are 1: "K leak"'),
        ('channels."K laek".count=7', 'did you mean "K leak"?'),
        ("simulation.seed.x=1", "simulation.seed is a value, not a table"),
        ("geometry.aera=1 um^2", 'did you mean "area"?'),
        ("duration=1us", 'did you mean "simulation.duration"?'),
        ("channels.0.mouth_depth=0.2 nm", 'did you mean "pore.mouth_depth"?'),
        ("geometry.thickness=5 nm", 'did you mean "membrane.thickness"?'),
        ("pumps.0.turnover=100", 'write its unit too: "100 /s"'),
        ("simulation.time_step=0.5", 'write its unit too: "0.5 ns"'),
        ("recording.interval=20", 'write its unit too: "20 ns"'),
        ("species.Mg.valence=2", "species.Mg.diffusion_coefficient: missing"),
    ],
)
def test_a_fault_in_an_override_names_the_override(scenario_file, override, fragment):
    with pytest.raises(ScenarioError) as error:
        read_scenario(scenario_file, [override])
    assert str(error.value).startswith(f"--set {override}: ")
    assert fragment in str(error.value)


def test_all_faults_are_reported_at_once_with_their_lines(scenario_file):
    text = scenario_file.read_text()
    text = text.replace('K = "140 mM"', 'K = "140 mV"').replace("count = 100", 'count = "many"')
    text = text.replace('area = "0.01 um^2"', 'aera = "0.01 um^2"').replace("seed = 1", "seed = -1")
    scenario_file.write_text(text)
    with pytest.raises(ScenarioError) as error:
        read_scenario(scenario_file, ["membrane.thickness=4"])
    message = str(error.value)
    assert len(message.splitlines()) == 5
    for fragment in (
        ":6: simulation.seed: must be at least 0, found -1",
        ":9: geometry.aera: unknown key",
        ":18: inside.K: expected a concentration",
        ':28: channels."K leak".count: expected a whole number, found "many"',
        "--set membrane.thickness=4: membrane.thickness: expected a length",
    ):
        assert fragment in message


def test_a_fault_in_one_table_does_not_hide_an_absent_species_in_another(scenario_file):
    text = scenario_file.read_text().replace("seed = 1", "seed = -1").replace("{ K = ", "{ Mg = ")
    scenario_file.write_text(text)
    with pytest.raises(ScenarioError) as error:
        read_scenario(scenario_file)
    assert "seed" in str(error.value)
    assert "Mg is in neither solution" in str(error.value)
