"""Ions and fields for ParaView: unstructured grids (.vtu), one for each moment, and a list of them (.pvd).

VTK's XML format: https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html. Arrays are in base64 behind
their length in bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mc.errors import RecordingError
from mc.exports.output import new_folder
from mc.recording.recording import Recording

VERTEX, LINE, QUAD = 1, 3, 9
"""Types of cells in VTK."""

_TYPES = {"float32": "Float32", "float64": "Float64", "int64": "Int64", "uint8": "UInt8"}


def write_vtk(recording: Recording, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write ions.pvd and fields.pvd with their moments to `folder` and return the paths of the two.

    The fields are concentrations in mM of the cells and the potential in mV of the points, along x or, in two
    dimensions, over the plane. Lengths in nm, times in ns. Raises RecordingError for a run that has neither.
    """
    has_ions = len(recording.recorded_ions) > 0 and len(recording.position_times) > 0
    has_fields = len(recording.profiles.time) > 0
    if not has_ions and not has_fields:
        raise RecordingError(f"{recording.path} holds neither positions nor profiles yet: run longer")
    written = []
    with new_folder(folder, overwrite=overwrite) as temporary:
        if has_ions:
            _write_ions(recording, temporary)
            written.append(folder / "ions.pvd")
        if has_fields:
            _write_fields(recording, temporary)
            written.append(folder / "fields.pvd")
    return written


def _write_ions(recording: Recording, folder: Path) -> None:
    species = recording.recorded_species
    everything = np.arange(len(species))
    for i in range(len(recording.position_times)):
        x, y = recording.read_positions(np.array([i]), everything)
        present = np.flatnonzero(np.isfinite(x[0]))
        points = np.stack([x[0, present], y[0, present], np.zeros(len(present), np.float32)], axis=1)
        own = species[present]
        point_data = {
            "species": own.astype(np.uint8),
            "charge": recording.valence[own].astype(np.int64),
            "ion": recording.recorded_ions[present].astype(np.int64),
        }
        vertices = np.arange(len(present), dtype=np.int64)[:, None]
        _write_grid(folder / f"ions_{i:05d}.vtu", points, vertices, VERTEX, point_data, {})
    _write_list(folder / "ions.pvd", "ions", recording.position_times)


def _write_fields(recording: Recording, folder: Path) -> None:
    profiles, maps = recording.profiles, recording.maps
    is_planar = len(maps.time) > 0
    x, cells = _edges(recording)
    if is_planar:
        width = 2.0 * maps.y[0] * len(maps.y)
        y = np.linspace(0.0, width, len(maps.y) + 1)
        time, concentration, potential = maps.time, maps.concentration, maps.potential
    else:
        y = np.zeros(1)
        time, concentration, potential = profiles.time, profiles.concentration, profiles.potential
    points = np.zeros((len(x), len(y), 3))
    points[..., 0], points[..., 1] = x[:, None], y
    corners = np.arange(len(x) * len(y)).reshape(len(x), len(y))
    # The slab lies between the last edge inside and the first outside, and holds no concentration.
    first = np.flatnonzero(cells >= 0)
    if is_planar:
        low, high = corners[first], corners[first + 1]
        mesh = np.stack([low[:, :-1], high[:, :-1], high[:, 1:], low[:, 1:]], axis=-1).reshape(-1, 4)
    else:
        mesh = np.stack([corners[first, 0], corners[first + 1, 0]], axis=-1)
    for i in range(len(time)):
        values = concentration[i][:, cells[first]].reshape(len(recording.species), -1)
        cell_data = {
            f"{name} (mM)": one.astype(np.float32)
            for name, one in zip(recording.species_names, values, strict=True)
        }
        at_points = _at(x, profiles.node_position, potential[i].reshape(len(profiles.node_position), -1))
        if is_planar:
            at_points = np.concatenate([at_points, at_points[:, :1]], axis=1)
        point_data = {"potential (mV)": at_points.ravel().astype(np.float32)}
        path = folder / f"fields_{i:05d}.vtu"
        kind = QUAD if is_planar else LINE
        _write_grid(path, points.reshape(-1, 3), mesh.astype(np.int64), kind, point_data, cell_data)
    _write_list(folder / "fields.pvd", "fields", time)


def _edges(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges (edges,) of all bath cells in nm, and the cell after each: -1 for the slab and the end."""
    profiles = recording.profiles
    edges, cells = [], []
    for side in (profiles.position < 0, profiles.position > 0):
        own = np.flatnonzero(side & (profiles.cell_width > 0))
        half = profiles.cell_width[own] / 2
        edges += [*(profiles.position[own] - half), profiles.position[own[-1]] + half[-1]]
        cells += [*own, -1]
    return np.array(edges), np.array(cells)


def _at(x: np.ndarray, nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return `values` (nodes, columns) at `x`, between nodes on a straight line."""
    above = np.clip(np.searchsorted(nodes, x), 1, len(nodes) - 1)
    share = np.clip((x - nodes[above - 1]) / (nodes[above] - nodes[above - 1]), 0.0, 1.0)[:, None]
    return (1.0 - share) * values[above - 1] + share * values[above]


def _write_grid(
    path: Path,
    points: np.ndarray,
    mesh: np.ndarray,
    kind: int,
    point_data: Mapping[str, np.ndarray],
    cell_data: Mapping[str, np.ndarray],
) -> None:
    """Write a grid of `points` (points, 3) and cells of one kind, `mesh` (cells, corners)."""
    n_cells, n_corners = mesh.shape
    offsets = n_corners * np.arange(1, n_cells + 1, dtype=np.int64)
    parts = [
        '<?xml version="1.0"?>\n<VTKFile type="UnstructuredGrid" version="1.0" byte_order="LittleEndian" '
        'header_type="UInt64">\n<UnstructuredGrid>\n'
        f'<Piece NumberOfPoints="{len(points)}" NumberOfCells="{n_cells}">\n',
        f"<Points>\n{_array('points', points.astype(np.float64), 3)}</Points>\n<Cells>\n",
        _array("connectivity", mesh.ravel()),
        _array("offsets", offsets),
        _array("types", np.full(n_cells, kind, dtype=np.uint8)),
        "</Cells>\n",
        *(["<PointData>\n", *(_array(*one) for one in point_data.items()), "</PointData>\n"]),
        *(["<CellData>\n", *(_array(*one) for one in cell_data.items()), "</CellData>\n"]),
        "</Piece>\n</UnstructuredGrid>\n</VTKFile>\n",
    ]
    path.write_text("".join(parts), encoding="utf-8")


def _array(name: str, values: np.ndarray, components: int = 1) -> str:
    content = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
    block = base64.b64encode(np.uint64(len(content)).tobytes() + content).decode()
    shape = f' NumberOfComponents="{components}"' if components > 1 else ""
    kind = _TYPES[values.dtype.name]
    return f'<DataArray type="{kind}" Name="{_escaped(name)}"{shape} format="binary">{block}</DataArray>\n'


def _write_list(path: Path, name: str, times: np.ndarray) -> None:
    """Write the list of moments that ParaView opens as one."""
    lines = [
        f'<DataSet timestep="{time:.12g}" part="0" file="{name}_{i:05d}.vtu"/>\n'
        for i, time in enumerate(times)
    ]
    path.write_text(
        '<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1" byte_order="LittleEndian">\n<Collection>\n'
        + "".join(lines)
        + "</Collection>\n</VTKFile>\n",
        encoding="utf-8",
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
