"""A run as an intracellular recording in Neurodata Without Borders (NWB), for electrophysiology tools."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from mc.constants import PICOAMPERES_PER_CHARGE_PER_NANOSECOND
from mc.errors import RecordingError
from mc.exports.output import new_file, require
from mc.recording.recording import Recording

SECONDS_PER_NANOSECOND = 1e-9


def write_nwb(recording: Recording, path: Path, *, overwrite: bool = False) -> list[Path]:
    """Write the potential as a current-clamp series to `path` and return it in a list.

    Beside it the traces of the scenario's electrodes, the command of a voltage clamp and the current of the channels
    under it, the injected current, and, as processed data, open channels. In volts, amperes and seconds. Raises
    RecordingError without pynwb, and for a run of fewer than two records.
    """
    pynwb = require("pynwb", "nwb")
    if len(recording.time) < 2:
        raise RecordingError(f"{recording.path} holds {len(recording.time)} records: too few for a series")
    attributes = recording.attributes
    # The same run has the same identifier.
    identity = hashlib.sha256(f"{attributes['created']} {recording.seed} {attributes['scenario']}".encode())
    file = pynwb.NWBFile(
        session_description=recording.title or "a simulated membrane patch",
        identifier=identity.hexdigest()[:32],
        session_start_time=datetime.fromisoformat(attributes["created"]),
        experiment_description=recording.scenario_text or None,
        source_script=attributes["command_line"] or None,
        source_script_file_name=attributes["scenario_path"] or None,
        keywords=["simulation", "ionmc", recording.engine],
    )
    device = file.create_device(name="ionmc", description=f"ionmc {attributes['versions'].get('ionmc', '')}")
    electrode = file.create_icephys_electrode(
        name="bulk electrodes",
        description="the mean potential of the bulk of the cytoplasm against that of the bulk outside",
        device=device,
    )
    timing = _timing(recording.time)
    file.add_acquisition(
        pynwb.icephys.CurrentClampSeries(
            name="membrane_potential",
            data=recording["membrane_potential"],
            conversion=1e-3,
            unit="volts",
            electrode=electrode,
            gain=1.0,
            description="inside minus outside",
            **timing,
        )
    )
    for name in [column for column in recording.columns if column.startswith("electrode.")]:
        place = file.create_icephys_electrode(
            name=name.removeprefix("electrode.").replace("/", "|"),
            description="an electrode of the scenario",
            device=device,
        )
        file.add_acquisition(
            pynwb.icephys.CurrentClampSeries(
                name=name.replace("/", "|"),
                data=recording[name],
                conversion=1e-3,
                unit="volts",
                electrode=place,
                gain=1.0,
                **timing,
            )
        )
    _add_clamp(pynwb, file, recording, electrode, timing)
    _add_channels(pynwb, file, recording, timing)
    with new_file(path, overwrite=overwrite) as temporary, pynwb.NWBHDF5IO(str(temporary), "w") as output:
        output.write(file)
    return [path]


def _add_clamp(pynwb: Any, file: Any, recording: Recording, electrode: Any, timing: dict[str, Any]) -> None:
    """Add what an amplifier did, if it did anything."""
    command = recording["command_potential"]
    if np.isfinite(command).any():
        file.add_stimulus(
            pynwb.icephys.VoltageClampStimulusSeries(
                name="command_potential",
                data=command,
                conversion=1e-3,
                unit="volts",
                electrode=electrode,
                gain=1.0,
                description="not a number where the membrane is free",
                **timing,
            )
        )
        file.add_acquisition(
            pynwb.icephys.VoltageClampSeries(
                name="channel_current",
                data=_current(recording, _displaced_charge(recording)),
                conversion=1e-12,
                unit="amperes",
                electrode=electrode,
                gain=1.0,
                description="through all channels, outward positive; the mean since the record before",
                **timing,
            )
        )
    if recording["injected_charge"].any():
        file.add_stimulus(
            pynwb.icephys.CurrentClampStimulusSeries(
                name="injected_current",
                data=_current(recording, recording["injected_charge"]),
                conversion=1e-12,
                unit="amperes",
                electrode=electrode,
                gain=1.0,
                description="into the cell; the mean since the record before",
                **timing,
            )
        )


def _add_channels(pynwb: Any, file: Any, recording: Recording, timing: dict[str, Any]) -> None:
    if not recording.channels:
        return
    module = file.create_processing_module(name="membrane", description="what the channels did")
    for channel in recording.channels:
        module.add(
            pynwb.TimeSeries(
                name=f"open {channel.name}".replace("/", "|"),
                data=recording[f"open_channels.{channel.name}"],
                unit="channels",
                description=f"open ones of {channel.count}",
                **timing,
            )
        )


def _timing(time: np.ndarray) -> dict[str, Any]:
    """Return the start and rate of a series, or the time of each record where they are not evenly spaced; seconds."""
    intervals = np.diff(time)
    if np.allclose(intervals, intervals[0], rtol=1e-6):
        rate = 1.0 / (float(intervals[0]) * SECONDS_PER_NANOSECOND)
        return {"starting_time": float(time[0]) * SECONDS_PER_NANOSECOND, "rate": rate}
    return {"timestamps": time * SECONDS_PER_NANOSECOND}


def _displaced_charge(recording: Recording) -> np.ndarray:
    columns = [recording[name] for name in recording.columns if name.startswith("displaced_charge.")]
    return np.sum(columns, axis=0) if columns else np.zeros(len(recording.time))


def _current(recording: Recording, charge: np.ndarray) -> np.ndarray:
    """Return the mean current in pA since the record before, 0 at the first."""
    current = np.diff(charge) / np.diff(recording.time) * PICOAMPERES_PER_CHARGE_PER_NANOSECOND
    return np.concatenate([[0.0], current])
