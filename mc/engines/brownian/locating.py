"""Where ions are after the drift that is due: as `passes` moves them when the run is looked at, one by one."""

from numba import float32, uint32

from mc.compilation import entry_point, internal
from mc.engines.brownian.motion import aim, reflect
from mc.engines.brownian.plane import find_group
from mc.engines.brownian.plane_motion import find_drift, step_on_two_axes
from mc.field.deposition import find_cell
from mc.field.mesh import find_place_of


@internal
def locate_from_membrane(slots, ions, baths, drift, found):
    """Write the signed distance of each ion from the membrane."""
    for k in range(slots.size):
        x = ions.positions[slots[k]]
        outside = x > float32(0.0)
        species = find_group(slots[k], ions.first_ion)
        displacement = drift[species, find_cell(x, baths.inverse_spacing, baths.stride)]
        distance = reflect(
            aim(x, displacement, float32(0.0)), baths.mirror_outside if outside else baths.mirror_inside
        )
        found[k] = distance if outside else -distance


@internal
def locate_in_plane(slots, ions, baths, places_along, mesh, sheet, found, found_along):
    """Write the signed distance of each ion from the membrane, and its place along it."""
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
        found[k], found_along[k], _ = step_on_two_axes(
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


@internal
def locate_all(slots, ions, baths, field, plane, line, found, found_along):
    """Write what `locate` does."""
    if line is not None:
        locate_from_membrane(slots, ions, baths, field.drift, found)
    if plane is not None:
        locate_in_plane(
            slots, ions, baths, plane.transverse[0], plane.mesh, plane.sheet, found, found_along[0]
        )


@entry_point
def find_slots(names, slots):
    """Write in which slot of memory each ion is; `names`: which ion is in each slot."""
    for slot in range(names.size):
        slots[names[slot]] = slot


@entry_point
def locate(state, slots, found, found_along):
    """Write where the ions in some slots are, as far as they are in baths, in nm.

    `found`: (slots,) float32, signed distances from the membrane; `found_along`: (transverse axes, slots) float32.
    The drift is that which `stepping.advance` left.
    """
    locate_all(
        slots, state.ions, state.box.look_baths, state.field, state.plane, state.line, found, found_along
    )
