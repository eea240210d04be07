"""Where ions are after the drift that is due: as `passes` moves them when the run is looked at, one by one."""

import numpy as np
from numba import float32, uint32

from mc.compilation import compiled, entry_point, internal
from mc.engines.brownian.motion import BEYOND, aim, reflect
from mc.engines.brownian.plane import find_group
from mc.engines.brownian.plane_motion import find_drift, step_on_two_axes
from mc.field.deposition import find_cell
from mc.field.mesh import find_place_of


@compiled
def place_along_x(distance, outside, thickness):
    """Return where along x an ion is at a distance from the membrane; one in no bath is nowhere."""
    if distance >= BEYOND:
        return float32(np.nan)
    return distance + thickness if outside else -distance


@internal
def locate_from_membrane(slots, ions, baths, drift, thickness, x_found):
    """Write where along x each ion is."""
    for k in range(slots.size):
        x = ions.positions[slots[k]]
        outside = x > float32(0.0)
        species = find_group(slots[k], ions.first_ion)
        displacement = drift[species, find_cell(x, baths.inverse_spacing, baths.stride)]
        distance = reflect(
            aim(x, displacement, float32(0.0)), baths.mirror_outside if outside else baths.mirror_inside
        )
        x_found[k] = place_along_x(distance, outside, thickness)


@internal
def locate_in_plane(slots, ions, baths, places_along, mesh, sheet, thickness, x_found, y_found):
    """Write where along x and along the membrane each ion is."""
    no = float32(0.0)
    for k in range(slots.size):
        x, place = ions.positions[slots[k]], places_along[slots[k]]
        factor = -sheet.displacement_per_field[find_group(slots[k], ions.first_ion)] * mesh.inverse_spacing
        word = sheet.differences[find_place_of(x, place, mesh)]
        displacement, displacement_along = find_drift(
            x,
            place,
            uint32(word),
            uint32(word >> 32),
            mesh,
            factor,
            factor * mesh.spacing_ratio,
        )
        moved, y_found[k], _ = step_on_two_axes(
            x,
            place,
            uint32(0),
            displacement,
            displacement_along,
            no,
            sheet.widths[0],
            float32(1.0) / sheet.widths[0],
            baths.mirror_outside if x > no else baths.mirror_inside,
            uint32(0),
        )
        x_found[k] = place_along_x(abs(moved), moved > no, thickness)
        if np.isnan(x_found[k]):
            y_found[k] = x_found[k]


@internal
def locate_all(slots, ions, baths, field, thickness, plane, line, x_found, y_found):
    """Write what `locate` does."""
    if line is not None:
        locate_from_membrane(slots, ions, baths, field.drift, thickness, x_found)
    if plane is not None:
        locate_in_plane(
            slots, ions, baths, plane.transverse[0], plane.mesh, plane.sheet, thickness, x_found, y_found
        )


@entry_point
def find_slots(names, slots):
    """Write in which slot of memory each ion is; `names`: which ion is in each slot."""
    for slot in range(names.size):
        slots[names[slot]] = slot


@entry_point
def locate(state, slots, x_found, y_found):
    """Write where the ions in some slots are, not a number for those in no bath, both (slots,) float32 in nm.

    The drift is that which `stepping.advance` left.
    """
    locate_all(
        slots,
        state.ions,
        state.box.look_baths,
        state.field,
        float32(state.pores.thickness),
        state.plane,
        state.line,
        x_found,
        y_found,
    )
