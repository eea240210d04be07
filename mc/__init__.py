"""ionmc: a membrane potential, one ion at a time.

scenario/    what a user may say, read from a TOML file          read_scenario
engines/     how matter moves; one folder for each level          a step: diffuse, cross, gate, pump, solve, drift
membrane/    channels and pumps, shared by the engines
field/       charge to potential, shared by the engines
simulation   the loop: time, order, records                       simulate
recording/   the file a run leaves (run.h5)                       Recording
analysis/    measured values with standard errors, from the file alone
theory/      what macroscopic equations predict, by itself        theory
comparison   a measurement beside a prediction;  digest: the numbers of a run as rows of text
ensemble/    many runs: replicas, sweeps, clusters                sweep
figures/     pictures
validation/  the macroscopic equations, each checked against simulations
cli/         the command ionmc
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mc import theory
    from mc.ensemble.sweep import sweep
    from mc.recording.recording import Recording
    from mc.scenario.reading import read_scenario
    from mc.simulation import simulate

__all__ = ["Recording", "read_scenario", "simulate", "sweep", "theory"]

_HOMES = {
    "read_scenario": "mc.scenario.reading",
    "simulate": "mc.simulation",
    "sweep": "mc.ensemble.sweep",
    "Recording": "mc.recording.recording",
    "theory": "mc.theory",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only now: `import mc` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mc' has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    return module if name == "theory" else getattr(module, name)


def __dir__() -> list[str]:
    """Return the public names, also those that are not imported yet: what a prompt completes."""
    return sorted(__all__)
