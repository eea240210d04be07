"""A channel that lets calcium into water without any, in two dimensions, and pumps that take it up again."""

from __future__ import annotations

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.validation.scenarios import patch


def calcium_patch(
    title: str,
    *,
    width: float,
    depth: float,
    length: float,
    spacing: tuple[float, float],
    duration: float,
    time_step: float,
    interval: float,
    permeability: float,
    boundary: str = "closed",
    outside_length: float | None = None,
    sink: str = "",
) -> str:
    """Return a scenario with one open channel in the middle of the membrane, and calcium outside only.

    Lengths in nm, `spacing` across and along the membrane; `permeability` in nm3/ns; `sink`: see `make_sink`.
    """
    across, along = spacing
    text = patch(
        title,
        inside={"K": 1.0, "Cl": 1.0},
        outside={"Ca": 200.0, "tetravalent": 99.99},
        area=width * depth,
        length=length,
        outside_length=outside_length,
        duration=duration,
        time_step=time_step,
        interval=interval,
        geometry=(
            f'dimensions = 2\nwidth = "{width} nm"\ndepth = "{depth} nm"\nboundary = "{boundary}"\n'
            f'grid_spacing = "{across} nm"\ngrid_spacing_y = "{along} nm"'
        ),
        recording=f'events = false\nprofile_interval = "{interval} ns"',
        more=f"""
[species.tetravalent]
valence = -4
diffusion_coefficient = "0.1 nm^2/ns"

[[channels]]
name = "channel"
count = 1
permeability = {{ Ca = "{permeability:.12g} nm^3/ns" }}
pore = {{ mouth_width = "2 nm", mouth_depth = "0.8 nm" }}
placement = ["{width / 2.0} nm"]
{sink}
""",
    )
    return text.replace(f'area = "{width * depth:.12g} nm^2"\n', "")


def make_sink(uptake: float, area: float, pumps: int, half_saturation: float) -> str:
    """Return the table of pumps that together take up calcium at the velocity `uptake`, nm/ns.

    `area` of the membrane in nm2; `half_saturation` in mM, far above what there is.
    """
    per_pump = uptake * area * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR / pumps
    return f"""
[[pumps]]
name = "sink"
count = {pumps}
placement = "even"
turnover = "{per_pump * half_saturation:.12g} /ns"
outward = {{ Ca = 1 }}
half_saturation = {{ Ca = "{half_saturation} mM" }}
"""
