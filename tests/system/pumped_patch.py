"""A patch with gates and pumps that engines without single ions run in a moment, in one dimension and in two."""

SCENARIO = """
title = "A patch with gates and pumps"

[simulation]
engine = "{engine}"
duration = "{duration}"
seed = 1

[geometry]
{size}
inside_length = "{length}"
outside_length = "{length}"

[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"

[inside]
K = "140 mM"
Na = "12 mM"
Cl = "8 mM"

[outside]
K = "5 mM"
Na = "145 mM"
Cl = "115 mM"

[[channels]]
name = "K leak"
count = 400
permeability = {{ K = "0.037 nm^3/ns", Na = "0.0004 nm^3/ns" }}
gating.states = ["closed", "open"]
gating.open = ["open"]
gating.rates = {{ "closed->open" = "40 /ms", "open->closed" = "10 /ms" }}

[[pumps]]
name = "Na/K-ATPase"
count = 50
turnover = "100 /s"
acceleration = 100.0

[recording]
interval = "{interval}"
"""

SIZES = {
    1: 'area = "0.5 um^2"',
    2: 'dimensions = 2\nwidth = "500 nm"\ndepth = "1 um"\ngrid_spacing_y = "125 nm"',
}


def write_patch(folder, dimensions, engine, *, duration, length, interval):
    """Write the scenario with baths of a length and return its path."""
    path = folder / "patch.toml"
    path.write_text(
        SCENARIO.format(
            size=SIZES[dimensions], engine=engine, duration=duration, length=length, interval=interval
        ),
        encoding="utf-8",
    )
    return path
