"""How an amplifier's current flows: ions that electrodes at the far ends take on one side and give on the other.

A pipette with the cell's own main ion and a bath electrode do the same by other means. No ion is made or lost, the
whole stays neutral, and the charge arrives at the membrane as the baths conduct it there.
"""

from numba import float32

from mc.compilation import internal
from mc.engines.brownian.crossing import charge_in_pores
from mc.engines.brownian.plane import put_in, take_out
from mc.field.poisson import sum_side_charge
from mc.field.shares import SHARE_ONE
from mc.membrane.protocols import CURRENT, FREE, charge_to_move


@internal
def find_farthest(positions, first, last, side, length):
    """Return the ion of one side nearest to its far end, among ions `first` to `last` - 1, or -1 if there is none."""
    farthest, found = float32(0.0), -1
    for ion in range(first, last):
        distance = positions[ion] if side == 1 else -positions[ion]
        if farthest < distance <= length:
            farthest, found = distance, ion
    return found


@internal
def membrane_charge(box, ions, sums, pores, plane):
    """Return the charge on the inner side of the membrane, those in pores by their depth, in e."""
    induced, _ = charge_in_pores(pores, ions.valences, ions.first_ion)
    if plane is None:
        inside = float(sum_side_charge(sums.counts, ions.valences, 0, box.grid.stride))
    else:
        shares = 0
        for node in range(box.grid.stride * plane.mesh.n_along):
            shares += plane.sums.charges[node]
        inside = shares / SHARE_ONE
    return inside + box.end_charges[0] + induced


@internal
def inject(amplifier, carrier, box, ions, sums, pores, step, plane):
    """Let the amplifier move the charge that it wants to at the end of a step; `carrier`: a monovalent species."""
    if amplifier.mode[0] == FREE:
        return
    charge = 0.0
    if amplifier.mode[0] != CURRENT:
        charge = membrane_charge(box, ions, sums, pores, plane)
    now = (step + 1) * box.time_step
    wanted = charge_to_move(amplifier, now, charge, box.grid.membrane_capacitance)
    moved = 1 if wanted > 0.0 else -1
    # A cation comes in for a positive charge, an anion goes out for it.
    source = 1 if moved == ions.valences[carrier] else 0
    for _ in range(int(abs(wanted))):
        first, last = ions.first_ion[carrier], ions.first_ion[carrier + 1]
        ion = find_farthest(ions.positions, first, last, source, box.lengths[source])
        if ion < 0:
            amplifier.is_empty[0] = True
            return
        x = ions.positions[ion]
        from_end = float32(box.lengths[source]) - abs(x)
        # Never as far as the membrane of a shorter bath.
        distance = max(float32(box.lengths[1 - source]) - from_end, float32(0.5 * box.lengths[1 - source]))
        take_out(ion, x, carrier, sums, plane)
        ions.positions[ion] = -distance if source == 1 else distance
        put_in(ion, ions.positions[ion], carrier, sums, plane)
        amplifier.injected[0] += moved
        if amplifier.mode[0] == CURRENT:
            amplifier.given[0] += moved
