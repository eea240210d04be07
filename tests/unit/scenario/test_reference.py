"""The reference in docs/ is what the models say, and the models' examples and defaults are true."""

import re
from pathlib import Path

import pytest

from mc.scenario.carriers import Pump, Transporter
from mc.scenario.channels import Channel, Pore
from mc.scenario.gating import Gating
from mc.scenario.protocol import (
    Block,
    CurrentCommand,
    Electrode,
    LigandPulse,
    Protocol,
    SolutionChange,
    VoltageCommand,
)
from mc.scenario.reading import write_value
from mc.scenario.reference import _default, write_reference
from mc.scenario.schema import (
    Geometry,
    ImpermeantAnion,
    Membrane,
    RecordingSettings,
    SimulationSettings,
    Species,
)
from mc.units import parse_quantity

MODELS = {
    "simulation": SimulationSettings,
    "geometry": Geometry,
    "membrane": Membrane,
    "impermeant_anion": ImpermeantAnion,
    "species.Mg": Species,
    "channels.0": Channel,
    "channels.0.pore": Pore,
    "pumps.0": Pump,
    "recording": RecordingSettings,
}

DIMENSIONS_OF_DEFAULTS = {
    "temperature": "temperature",
    "diffusion_coefficient": "diffusion_coefficient",
    "mouth_depth": "length",
    "mouth_width": "length",
}


def test_the_file_in_docs_is_up_to_date():
    path = Path(__file__).parents[3] / "docs" / "scenario.md"
    assert path.read_text(encoding="utf-8") == write_reference(), (
        "refresh it: python -m mc.scenario.reference > docs/scenario.md"
    )


OTHERS = [
    Gating,
    Transporter,
    Protocol,
    VoltageCommand,
    CurrentCommand,
    SolutionChange,
    Block,
    LigandPulse,
    Electrode,
]


@pytest.mark.parametrize("model", [*MODELS.values(), *OTHERS], ids=lambda model: model.__name__)
def test_every_key_has_a_row_with_what_it_says(model):
    reference = write_reference()
    for name, field in model.model_fields.items():
        assert field.description
        assert f"| `{name}` | {field.description} |" in reference


def test_the_readme_quotes_the_scenario_that_is_shipped():
    root = Path(__file__).parents[3]
    quoted = re.search(r"```toml\n(.+?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    scenario = (root / "scenarios" / "resting_potential.toml").read_text(encoding="utf-8").splitlines()
    assert quoted is not None
    assert set(quoted[1].splitlines()) <= set(scenario)


def test_nothing_of_the_library_shows():
    assert "Undefined" not in write_reference()
    assert "None" not in write_reference()


def test_defaults_of_quantities_are_their_examples():
    for model in MODELS.values():
        for name, field in model.model_fields.items():
            if isinstance(field.default, float) and name in DIMENSIONS_OF_DEFAULTS:
                written = _default(field).strip('`"')
                assert parse_quantity(written, DIMENSIONS_OF_DEFAULTS[name]) == pytest.approx(field.default)


TOGETHER = (
    *("conductance", "concentration", "selectivity"),
    *("outward", "inward", "half_saturation", "charge", "hill", "half_saturation_opposite"),
    *("use", "density", "substates", "end_potential", "end_current", "y", "reference_y"),
)
"""Keys that need others beside them."""

SINGLE_EXAMPLES = [
    (f"{path}.{name}", example)
    for path, model in MODELS.items()
    for name, field in model.model_fields.items()
    for example in field.examples or ()
    if name not in TOGETHER and path != "species.Mg"
]


@pytest.mark.parametrize(("key", "example"), SINGLE_EXAMPLES)
def test_every_example_is_accepted(read, read_2d, key, example):
    name = key.split(".")[-1]
    if name in ("width", "depth", "grid_spacing_y", "placement"):
        change = ["channels.0.count=2", "pumps.0.count=2"] if isinstance(example, list) else []
        read_2d(*change, f"{key}={write_value(example)}")
    else:
        read("simulation.duration=20 us", "inside.Na=12 mM", f"{key}={write_value(example)}")


def test_examples_that_go_together_are_accepted(read):
    channel = {
        name: Channel.model_fields[name].examples[0]
        for name in ("name", "count", "conductance", "concentration", "selectivity")
    }
    gating = {name: field.examples[0] for name, field in Gating.model_fields.items() if name != "gates"}
    pump = {
        name: Pump.model_fields[name].examples[0]
        for name in ("name", "count", "turnover", "acceleration", "outward", "inward", "half_saturation")
    }
    species = {name: field.examples[0] for name, field in Species.model_fields.items()}
    scenario = read(
        f"channels={write_value([{**channel, 'gating': gating}])}",
        f"pumps={write_value([pump])}",
        f"species.Mg={write_value(species)}",
    )
    assert scenario.channels[0].permeability["K"] == pytest.approx(0.037, rel=0.01)
    assert scenario.channels[0].gating.open_probability() == pytest.approx(0.8)
    assert scenario.pumps[0].half_saturation == {"Na": 10.0, "K": 1.5}
    assert scenario.species["Mg"].valence == 2
