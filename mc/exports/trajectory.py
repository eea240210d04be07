"""The recorded ions as extended XYZ, which OVITO, ASE and VMD read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mc.errors import RecordingError
from mc.exports.output import new_file
from mc.recording.recording import Recording

ANGSTROMS_PER_NANOMETRE = 10.0

ELEMENTS = {"K", "Na", "Cl", "Ca", "Mg", "Li", "Rb", "Cs", "Ba", "H", "F", "Br", "I", "Mn", "Zn"}
"""An ion of another name is X, the symbol of no element; its name is in the column `ion`."""


def write_xyz(recording: Recording, path: Path, *, overwrite: bool = False) -> list[Path]:
    """Write all recorded frames to `path` and return it in a list.

    Positions in Angstrom, x along the membrane's normal with the slab from 0, y along the membrane. In one dimension
    y is 0, and the cell has the patch's area. An ion in the reservoir of an open end is not in the frame. Raises
    RecordingError for a run without positions.
    """
    if len(recording.recorded_ions) == 0 or len(recording.position_times) == 0:
        raise RecordingError(
            f"{recording.path} holds no positions: only runs that follow each ion (engine brownian) record them"
        )
    species = recording.recorded_species
    ends = [
        f" {name.replace(' ', '_')} {ion} {charge}"
        for name, ion, charge in zip(
            np.array(recording.species_names)[species],
            recording.recorded_ions,
            recording.valence[species],
            strict=True,
        )
    ]
    symbols = [name if name in ELEMENTS else "X" for name in np.array(recording.species_names)[species]]
    everything = np.arange(len(species))
    with new_file(path, overwrite=overwrite) as temporary, temporary.open("w", encoding="utf-8") as file:
        for i, time in enumerate(recording.position_times):
            x, y = recording.read_positions(np.array([i]), everything)
            present = np.flatnonzero(np.isfinite(x[0]))
            file.write(f"{len(present)}\n{_comment(recording, float(time))}\n")
            places = ANGSTROMS_PER_NANOMETRE * np.stack([x[0], y[0]], axis=1).astype(float)
            file.writelines(
                f"{symbols[ion]} {across:.4f} {along:.4f} 0{ends[ion]}\n"
                for ion, (across, along) in zip(present.tolist(), places[present].tolist(), strict=True)
            )
    return [path]


def _comment(recording: Recording, time: float) -> str:
    """Return the second line of a frame: cell, columns and time."""
    attributes, geometry = recording.attributes, recording.scenario.geometry
    length = attributes["inside_length"] + recording.thickness + attributes["outside_length"]
    along = geometry.width if geometry.width is not None else attributes["area"] ** 0.5
    sides = [ANGSTROMS_PER_NANOMETRE * side for side in (length, along, attributes["area"] / along)]
    start = -ANGSTROMS_PER_NANOMETRE * attributes["inside_length"]
    return (
        f'Lattice="{sides[0]:g} 0 0 0 {sides[1]:g} 0 0 0 {sides[2]:g}" Origin="{start:g} 0 0" '
        f'pbc="F {"T" if geometry.dimensions > 1 else "F"} F" '
        f"Properties=species:S:1:pos:R:3:ion:S:1:id:I:1:charge:I:1 Time={time:g} time_unit=ns"
    )
