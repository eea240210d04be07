"""What the tests of physics share: small membrane patches, and runs of them."""

import itertools

import pytest

from mc.scenario.schema import Scenario
from mc.simulation import simulate

BODY_TEMPERATURE = 310.15
"""K."""


def make_patch(
    *,
    inside,
    outside,
    channels=(),
    pumps=(),
    species=None,
    area=5000.0,
    length=15.0,
    outside_length=None,
    duration=1000.0,
    time_step=1.0,
    interval=20.0,
    events=False,
):
    """Return a scenario of one patch, in internal units: a membrane of 4 nm and 1 uF/cm2 at 37 degC.

    `channels` and `pumps` are tables as in a scenario file; `length`: of both baths, nm, unless the
    one outside has another.
    """
    tables = {
        "title": "A patch",
        "simulation": {"duration": duration, "time_step": time_step},
        "geometry": {"area": area, "inside_length": length, "outside_length": outside_length or length},
        "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
        "species": species or {},
        "inside": inside,
        "outside": outside,
        "channels": list(channels),
        "pumps": list(pumps),
        "recording": {"interval": interval, "positions_interval": duration, "events": events},
    }
    return Scenario.model_validate(tables, context={"internal_units": True})


@pytest.fixture(scope="session")
def simulate_patch(tmp_path_factory):
    """Return a function that runs a patch with a seed and returns its recording."""
    folder, number = tmp_path_factory.mktemp("runs"), itertools.count()

    def run(seed, *, clamped_potential=None, **patch):
        # One thread: patches are small, and a second core may be busy.
        return simulate(
            make_patch(**patch),
            folder / str(next(number)),
            seed=seed,
            threads=1,
            clamped_potential=clamped_potential,
        )

    return run
