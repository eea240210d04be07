"""Small membrane patches for the tests of physics."""

from mc.scenario.schema import Scenario

BODY_TEMPERATURE = 310.15
"""K."""


def make_patch(
    *,
    inside,
    outside,
    channels=(),
    pumps=(),
    transporters=(),
    protocol=None,
    species=None,
    area=5000.0,
    width=None,
    length=15.0,
    outside_length=None,
    duration=1000.0,
    time_step=1.0,
    interval=20.0,
    events=False,
    capacitance="1 uF/cm^2",
    grid=None,
    recording=None,
    engine="brownian",
):
    """Return a scenario of one patch, in internal units: a membrane of 4 nm and 1 uF/cm2 at 37 degC.

    `channels`, `pumps`, `transporters` and `protocol` are tables as in a scenario file; `length`: of both baths, nm,
    unless the one outside has another; `width`: of the line of the membrane in two dimensions, nm, as deep as gives
    the area;
    `grid` and `recording`: more keys of the geometry and of the recording.
    """
    size = {"area": area} if width is None else {"dimensions": 2, "width": width, "depth": area / width}
    tables = {
        "title": "A patch",
        "simulation": {"engine": engine, "duration": duration, "time_step": time_step},
        "geometry": size
        | {"inside_length": length, "outside_length": outside_length or length}
        | (grid or {}),
        "membrane": {"thickness": 4.0, "capacitance": capacitance},
        "species": species or {},
        "inside": inside,
        "outside": outside,
        "channels": list(channels),
        "pumps": list(pumps),
        "transporters": list(transporters),
        "protocol": protocol or {},
        "recording": {"interval": interval, "positions_interval": duration, "events": events}
        | (recording or {}),
    }
    return Scenario.model_validate(tables, context={"internal_units": True})
