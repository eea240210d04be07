"""How pumps move single ions: taken from beside the membrane on one side, given back beside it on the other."""

from mc.compilation import internal
from mc.engines.brownian.plane import local_concentrations_at, put_in, take_out
from mc.membrane.transport import (
    REACH,
    find_nearest,
    find_nearest_to_site,
    integrate_rate,
    turnover_rate,
)


@internal
def local_concentrations(sums, lengths, area, ions_per_volume, concentrations):
    """Write the concentrations within REACH of the membrane (or in the whole of a shorter bath), (species, 2), mM."""
    spacing = 1.0 / sums.inverse_spacing
    for side in range(2):
        cells = max(1, min(int(REACH / spacing), int(lengths[side] / spacing)))
        volume = area * cells * spacing
        first = side * sums.stride
        for species in range(concentrations.shape[0]):
            ions = 0
            for cell in range(first, first + cells):
                ions += sums.counts[species, cell]
            concentrations[species, side] = ions / volume / ions_per_volume


@internal
def find_ions(pumps, i_pump, species, direction, wanted, positions, first_ion, lengths, plane):
    """Note the ions that a pump takes from one side; return how many there are."""
    row = pumps.nearest[species, direction, :wanted]
    first, last = first_ion[species], first_ion[species + 1]
    if plane is None:
        return find_nearest(positions, first, last, direction, lengths[direction], row)
    return find_nearest_to_site(
        positions,
        plane.transverse[0],
        plane.pump_sites[i_pump],
        plane.mouths.period,
        first,
        last,
        direction,
        lengths[direction],
        row,
    )


@internal
def turn(pumps, i_pump, pump_type, step, positions, first_ion, lengths, sums, moves, plane=None):
    """Let one pump make a cycle; return whether it did. It does nothing when the ions are not there.

    An ion changes sides and keeps its distance from the membrane, within the length of the other bath, and its place
    along the membrane.
    """
    n_species = sums.counts.shape[0]
    for species in range(n_species):
        for direction in range(2):
            wanted = pumps.stoichiometry[pump_type, species, direction]
            if wanted == 0:
                continue
            found = find_ions(pumps, i_pump, species, direction, wanted, positions, first_ion, lengths, plane)
            if found < wanted:
                return False
    cycle = pumps.cycles[pump_type]
    pumps.cycles[pump_type] += 1
    for species in range(n_species):
        for direction in range(2):
            for k in range(pumps.stoichiometry[pump_type, species, direction]):
                ion = pumps.nearest[species, direction, k]
                x = positions[ion]
                distance = min(abs(x), lengths[1 - direction])
                take_out(ion, x, species, sums, plane)
                positions[ion] = distance if x < 0.0 else -distance
                put_in(ion, positions[ion], species, sums, plane)
                row = moves.rows[moves.n[0]]
                row.step = step + 1
                row.cycle = cycle
                row.pump = i_pump
                row.ion = ion
                row.species = species
                row.direction = 1 if direction == 0 else -1
                moves.n[0] += 1
    return True


@internal
def sense(pumps, lengths, area, ions_per_volume, sums, plane):
    """Set the rates of all pumps, where they sense the same; else each is set when its turn comes."""
    if plane is None:
        local_concentrations(sums, lengths, area, ions_per_volume, pumps.concentrations)
        for pump_type in range(pumps.rates.size):
            pumps.rates[pump_type] = turnover_rate(pumps, pump_type, pumps.concentrations)


@internal
def sense_at(pumps, i_pump, pump_type, lengths, ions_per_volume, plane):
    """Set the rate of a pump by what there is at its own site, where that is tracked."""
    if plane is not None:
        local_concentrations_at(
            plane.pump_sites[i_pump], plane, lengths, ions_per_volume, pumps.concentrations
        )
        pumps.rates[pump_type] = turnover_rate(pumps, pump_type, pumps.concentrations)


@internal
def pump(
    pumps, step, time_step, positions, first_ion, lengths, area, ions_per_volume, sums, key, moves, plane
):
    """Let every pump make the cycles that fall due in a step."""
    sense(pumps, lengths, area, ions_per_volume, sums, plane)
    for i_pump in range(pumps.each.size):
        pump_type = pumps.each[i_pump].pump_type
        sense_at(pumps, i_pump, pump_type, lengths, ions_per_volume, plane)
        for _ in range(integrate_rate(pumps.each[i_pump], i_pump, pumps.rates[pump_type], time_step, key)):
            turn(pumps, i_pump, pump_type, step, positions, first_ion, lengths, sums, moves, plane)
