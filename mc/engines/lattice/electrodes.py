"""How an amplifier's current flows: ions that electrodes at the far ends take on one side and give on the other."""

from mc.compilation import internal
from mc.membrane.protocols import CURRENT, FREE, charge_to_move


@internal
def membrane_charge(counts, valences, end_charges, stride):
    """Return the charge on the inner side of the membrane in e."""
    charge = 0
    for species in range(counts.shape[0]):
        for row in range(stride):
            for column in range(counts.shape[2]):
                charge += valences[species] * counts[species, row, column]
    for column in range(counts.shape[2]):
        charge += end_charges[0, column]
    return float(charge)


@internal
def find_carrier(counts, end, n_voxels, first):
    """Return row and column of an ion nearest to the far end in row `end`, or -1 and -1 if there is none.

    `counts`: (2 * stride, columns); the columns of a row are looked at in turn from number `first` on.
    """
    columns = counts.shape[1]
    for row in range(end, end - n_voxels, -1):
        for turn in range(columns):
            column = (first + turn) % columns
            if counts[row, column] > 0:
                return row, column
    return -1, -1


@internal
def inject(amplifier, carrier, counts, valences, end_charges, box, step):
    """Let the amplifier move the charge that it wants to at the end of a step; `carrier`: a monovalent species.

    The ion is taken from the voxel nearest to the far end that has one; with transverse axes the columns take turns.
    """
    if amplifier.mode[0] == FREE:
        return
    charge = 0.0
    if amplifier.mode[0] != CURRENT:
        charge = membrane_charge(counts, valences, end_charges, box.grid.stride)
    now = (step + 1) * box.time_step
    wanted = int(charge_to_move(amplifier, now, charge, box.grid.membrane_capacitance))
    moved = 1 if wanted > 0 else -1
    # A cation comes in for a positive charge, an anion goes out for it.
    source = 1 if moved == valences[carrier] else 0
    n_source = box.voxels.n_voxels[source]
    source_end = box.faces[source] + n_source - 1
    target_end = box.faces[1 - source] + box.voxels.n_voxels[1 - source] - 1
    for ion in range(abs(wanted)):
        row, column = find_carrier(counts[carrier], source_end, n_source, step + ion)
        if row < 0:
            amplifier.is_empty[0] = True
            return
        counts[carrier, row, column] -= 1
        counts[carrier, target_end, column] += 1
        amplifier.injected[0] += moved
        if amplifier.mode[0] == CURRENT:
            amplifier.given[0] += moved
