"""How pumps and transporters move single ions: taken from beside the membrane, given back beside it across."""

from mc.compilation import internal
from mc.constants import SENSING_REACH
from mc.engines.brownian.plane import (
    local_concentrations_at,
    local_potential_at,
    name_of,
    put_in,
    take_out,
)
from mc.membrane.transport import (
    BACKWARD,
    choose_direction,
    cycle_rates,
    find_nearest,
    find_nearest_to_site,
    integrate_rate,
)


@internal
def local_concentrations(sums, lengths, area, ions_per_volume, concentrations):
    """Write the concentrations within SENSING_REACH of the membrane, or in a shorter bath, (species, 2), mM."""
    spacing = 1.0 / sums.inverse_spacing
    for side in range(2):
        cells = max(1, min(int(SENSING_REACH / spacing), int(lengths[side] / spacing)))
        volume = area * cells * spacing
        first = side * sums.stride
        for species in range(concentrations.shape[0]):
            ions = 0
            for cell in range(first, first + cells):
                ions += sums.counts[species, cell]
            concentrations[species, side] = ions / volume / ions_per_volume


@internal
def local_potential(box, field):
    """Return the potential between the layers within SENSING_REACH of the membrane, as the baths' field has it, mV.

    Concentrations there are those of the diffuse layers, and so is this: together they say what the bulk says.
    """
    spacing, stride = box.grid.spacing, box.grid.stride
    potential = field.slab_drop[0]
    for side in range(2):
        cells = max(1, min(int(SENSING_REACH / spacing), int(box.lengths[side] / spacing)))
        fall, mean = 0.0, 0.0
        for cell in range(side * stride, side * stride + cells):
            half = 0.5 * spacing * field.field[cell]
            fall += half
            mean += fall / cells
            fall += half
        potential += mean if side == 1 else -mean
    return potential


@internal
def find_ions(pumps, i_pump, species, side, wanted, positions, first_ion, lengths, plane):
    """Note the ions that a pump takes from one side; return how many there are."""
    row = pumps.nearest[species, side, :wanted]
    first, last = first_ion[species], first_ion[species + 1]
    if plane is None:
        return find_nearest(positions, first, last, side, lengths[side], row)
    return find_nearest_to_site(
        positions,
        plane.transverse[0],
        plane.pump_sites[i_pump],
        plane.mouths.period,
        first,
        last,
        side,
        lengths[side],
        row,
    )


@internal
def ions_taken(pumps, pump_type, species, side, direction):
    """Return how many ions of a species a cycle takes from a side: a backward one undoes a forward one."""
    return pumps.stoichiometry[pump_type, species, side if direction != BACKWARD else 1 - side]


@internal
def turn(pumps, i_pump, pump_type, direction, step, positions, first_ion, lengths, sums, moves, plane=None):
    """Let one pump make a cycle; return whether it did. It does nothing when the ions are not there.

    An ion changes sides and keeps its distance from the membrane, within the length of the other bath, and its place
    along the membrane.
    """
    n_species = sums.counts.shape[0]
    for species in range(n_species):
        for side in range(2):
            wanted = ions_taken(pumps, pump_type, species, side, direction)
            if wanted == 0:
                continue
            found = find_ions(pumps, i_pump, species, side, wanted, positions, first_ion, lengths, plane)
            if found < wanted:
                return False
    cycle = pumps.cycles[pump_type].sum()
    pumps.cycles[pump_type, direction] += 1
    for species in range(n_species):
        for side in range(2):
            for k in range(ions_taken(pumps, pump_type, species, side, direction)):
                ion = pumps.nearest[species, side, k]
                x = positions[ion]
                distance = min(abs(x), lengths[1 - side])
                take_out(ion, x, species, sums, plane)
                positions[ion] = distance if x < 0.0 else -distance
                put_in(ion, positions[ion], species, sums, plane)
                row = moves.rows[moves.n[0]]
                row.step = step + 1
                row.cycle = cycle
                row.pump = i_pump
                row.ion = name_of(ion, plane)
                row.species = species
                row.direction = 1 if side == 0 else -1
                moves.n[0] += 1
    return True


@internal
def sense(pumps, box, sums, field, plane):
    """Let all pumps sense the same where places along the membrane are not tracked."""
    if plane is None and pumps.each.size > 0:
        local_concentrations(sums, box.lengths, box.grid.area, box.ions_per_volume, pumps.concentrations)
        pumps.potentials[:] = local_potential(box, field)


@internal
def sense_at(pumps, i_pump, box, plane):
    """Let a pump sense what there is at its own site, where that is tracked."""
    if plane is not None:
        site = plane.pump_sites[i_pump]
        local_concentrations_at(site, plane, box.lengths, box.ions_per_volume, pumps.concentrations)
        pumps.potentials[i_pump] = local_potential_at(site, plane, box.lengths)


@internal
def pump(pumps, step, box, positions, first_ion, sums, field, key, direction_key, moves, plane):
    """Let every pump make the cycles that fall due in a step."""
    sense(pumps, box, sums, field, plane)
    for i_pump in range(pumps.each.size):
        each = pumps.each[i_pump]
        if each.is_blocked:
            continue
        pump_type = each.pump_type
        sense_at(pumps, i_pump, box, plane)
        forward, backward = cycle_rates(pumps, pump_type, pumps.concentrations, pumps.potentials[i_pump])
        due = integrate_rate(each, i_pump, forward + backward, box.time_step, key)
        for cycle in range(due):
            direction = choose_direction(each, i_pump, cycle, forward, backward, direction_key)
            turn(
                pumps,
                i_pump,
                pump_type,
                direction,
                step,
                positions,
                first_ion,
                box.lengths,
                sums,
                moves,
                plane,
            )
