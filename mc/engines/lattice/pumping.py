"""How pumps and transporters move counts: from beside the membrane on one side to beside it on the other."""

from mc.compilation import internal
from mc.engines.lattice.crossing import take_nearest
from mc.membrane.transport import BACKWARD, choose_direction, cycle_rates, integrate_rate


@internal
def sense(beside, column, face_volumes, ions_per_volume, concentrations):
    """Write the concentrations beside the membrane in one column, (species, 2) in mM."""
    for species in range(concentrations.shape[0]):
        for side in range(2):
            density = beside[species, side, column] / face_volumes[side]
            concentrations[species, side] = density / ions_per_volume


@internal
def ions_taken(pumps, pump_type, species, side, direction):
    """Return how many ions of a species a cycle takes from a side: a backward one undoes a forward one."""
    return pumps.stoichiometry[pump_type, species, side if direction != BACKWARD else 1 - side]


@internal
def turn(pumps, pump_type, direction, counts, faces, n_voxels, column):
    """Let one pump make a cycle; return whether it did. It does nothing when the ions are not there."""
    n_species = counts.shape[0]
    for species in range(n_species):
        for side in range(2):
            first, present = faces[side], 0
            for k in range(n_voxels[side]):
                present += counts[species, first + k, column]
            if present < ions_taken(pumps, pump_type, species, side, direction):
                return False
    for species in range(n_species):
        for side in range(2):
            first, moved = faces[side], ions_taken(pumps, pump_type, species, side, direction)
            take_nearest(moved, counts[species, first : first + n_voxels[side], column])
            counts[species, faces[1 - side], column] += moved
    pumps.cycles[pump_type, direction] += 1
    return True


@internal
def charge_outward(pumps, pump_type, direction, valences):
    """Return the charge that a cycle carries out of the cell, e."""
    charge = 0
    for species in range(valences.size):
        outward, inward = pumps.stoichiometry[pump_type, species]
        charge += valences[species] * (outward - inward)
    return -charge if direction == BACKWARD else charge


@internal
def pump(pumps, columns, beside, drops, counts, valences, box, key, direction_key):
    """Let every pump make the cycles that fall due in a step; return the charge that they carry outward, e.

    `columns`: (pumps,) the column of voxels at each; `beside`: ions beside the membrane, see `crossing.Pores`;
    `drops`: (columns,) mV.
    """
    pumped = 0
    sensed, kind, forward, backward, in_step = -1, -1, 0.0, 0.0, 0.0
    for i_pump in range(pumps.each.size):
        each, column = pumps.each[i_pump], columns[i_pump]
        if each.is_blocked:
            continue
        # Neighbours of a type mostly sense the same.
        if column != sensed or each.pump_type != kind:
            sense(beside, column, box.face_volumes, box.ions_per_volume, pumps.concentrations)
            forward, backward = cycle_rates(pumps, each.pump_type, pumps.concentrations, drops[column])
            sensed, kind, in_step = column, each.pump_type, (forward + backward) * box.time_step
        pumps.potentials[i_pump] = drops[column]
        if in_step <= each.remaining:
            each.remaining -= in_step
            continue
        due = integrate_rate(each, i_pump, forward + backward, box.time_step, key)
        for cycle in range(due):
            direction = choose_direction(each, i_pump, cycle, forward, backward, direction_key)
            if turn(pumps, each.pump_type, direction, counts, box.faces, box.voxels.n_voxels, column):
                pumped += charge_outward(pumps, each.pump_type, direction, valences)
    return pumped
