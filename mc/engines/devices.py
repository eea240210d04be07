"""Where ions are moved: by the processor, or on a GPU where there is one."""

import importlib.util
from typing import Any, Literal, get_args

import numba

from mc.errors import DeviceError
from mc.scenario.schema import Scenario

Device = Literal["cpu", "cuda"]
DEVICES: tuple[str, ...] = get_args(Device)

# Numba's type hints do not know its settings.
_settings: Any = numba.config


def is_simulated() -> bool:
    """Return whether numba's simulator stands in for a GPU and for the library that drives one."""
    return bool(_settings.ENABLE_CUDASIM)


def check_device(scenario: Scenario, device: str) -> None:
    """Raise DeviceError, with the remedy, where a scenario cannot run on a device or the machine lacks it."""
    if device == "cpu":
        return
    if device not in DEVICES:
        raise DeviceError(f"there is no device {device!r}: give one of {', '.join(DEVICES)}")
    engine = scenario.simulation.engine
    if engine != "brownian":
        raise DeviceError(
            f"on a GPU single ions are moved, and the engine {engine} has none: "
            "take --engine brownian, or --device cpu"
        )
    if not is_simulated() and importlib.util.find_spec("numba_cuda") is None:
        raise DeviceError("--device cuda needs numba-cuda, which is not installed: pip install 'ionmc[cuda]'")
    from numba import cuda

    if not cuda.is_available():
        reason = " ".join(str(cuda.cuda_error() or "").split())
        raise DeviceError(
            f"no CUDA device was found{f' ({reason})' if reason else ''}: take --device cpu, or see that nvidia-smi "
            "lists the device"
        )
