"""Ions through open channels: counts beside the membrane to the other side, at the one-way fluxes of GHK.

A channel of permeability p lets p c u/(1 - exp(-u)) ions a time out, u = z V/(kT/e), and p c u/(exp(u) - 1) in,
with c beside the membrane (Goldman 1943; Hodgkin & Katz 1949). In a step an ion may come to the membrane from many
voxels away: what counts is the share of the step that it spends beside the membrane. Each ion of a row has its chance
by itself, so that never more leave than there are, wherever they are when the step begins.

This is also what makes the equilibrium with the field exact. The drift of a step leaves a density wave of number k
deeper than Boltzmann's law by b/(1 - exp(-b)), b = k^2 D dt, and diffusion then levels it to exp(-b) of that; its
mean over the step is the Boltzmann factor, for any step.

What crosses charges the membrane, and the charge acts on what crosses next. Explicit steps would inflate the noise of
the potential by 1/(1 - a/2), a the step over the charging time C/g: the crossings of a step are therefore drawn in so
many parts that a is small in each, and the drop follows from part to part. Where that takes more parts than ions
cross, they cross one by one, each after a time of its own (Gillespie 1977, J. Phys. Chem. 81:2340). What pumps carry
in the step changes the drop evenly, so that leaks meet the mean of it.

An ion on its way through a pore charges the membrane as it goes. On the share f of the way its energy sags by
z^2 e^2/(2 C) f (1 - f) below the straight line between the ends, and the flux is one over the mean of exp(energy/kT)
along the way (Kramers 1940, Physica 7:284): ions cross the faster, the more one of them moves the potential.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import int64

from mc.compilation import compiled, internal
from mc.engines.lattice.drift import goldman_factor
from mc.engines.lattice.sampling import binomial
from mc.streams import uniform_pair

PART = 0.05
"""Longest part of a step over the charging time."""

MOST_PARTS = 1000

LOOKS_AT_PUMPED = 10
"""How often at least, in a step in which ions cross one by one, rates follow what pumps carry."""

PARTS_PER_CROSSING = 1.0 / 3.0
"""What it costs to let one ion cross by itself over what one part costs."""


LEGENDRE = (
    (0.2386191860831969, 0.4679139345726910),
    (0.6612093864662645, 0.3607615730481386),
    (0.9324695142031521, 0.1713244923791704),
)
"""The positive points and weights of the rule of six points on (-1, 1)."""


class Pores(NamedTuple):
    """What conducts, by its place along the membrane, and what is about to cross."""

    permeabilities: np.ndarray
    """(types, levels, species) of one channel, nm3/ns."""
    columns: np.ndarray
    """(channels,) the column of voxels at each channel."""
    by_type: np.ndarray
    """(types, species, columns) permeability of all channels of a type, nm3/ns."""
    totals: np.ndarray
    """(species, columns) permeability of all channels, nm3/ns."""
    crossings: np.ndarray
    """(types, species, 2) so far; outward, inward."""
    shares: np.ndarray
    """(2 * species, stride) the part of a step that an ion spends beside the membrane, by the voxel it starts from;
    row `2 * species + side`."""
    present: np.ndarray
    """(species, 2, columns) ions of a row of voxels."""
    beside: np.ndarray
    """(species, 2, columns) how many of them are beside the membrane, on average over the step."""
    leaving: np.ndarray
    """(species, 2, columns) how many of them cross in the step."""
    rates: np.ndarray
    """(species, 2, columns) at which they do, as the drops are, 1/ns."""


@internal
def sum_permeabilities(pores, chains):
    """Add up what conducts in each column."""
    pores.by_type[:] = 0.0
    pores.totals[:] = 0.0
    for channel in range(chains.size):
        chain = chains[channel]
        if chain.level == 0:
            continue
        column = pores.columns[channel]
        for species in range(pores.totals.shape[0]):
            permeability = pores.permeabilities[chain.channel_type, chain.level, species]
            pores.by_type[chain.channel_type, species, column] += permeability
            pores.totals[species, column] += permeability


@internal
def find_beside(pores, counts, faces, n_voxels, reservoirs):
    """Find how many ions are beside the membrane over the step; no one has left yet."""
    for species in range(pores.totals.shape[0]):
        for column in range(pores.totals.shape[1]):
            for side in range(2):
                # Those that will come in from a reservoir are there on average.
                beside = reservoirs.means[species, side] * reservoirs.immigrant_shares[species, side]
                present = int64(0)
                for k in range(n_voxels[side]):
                    ions = counts[species, faces[side] + k, column]
                    present += ions
                    beside += ions * pores.shares[2 * species + side, k]
                pores.present[species, side, column] = present
                pores.beside[species, side, column] = beside
                pores.leaving[species, side, column] = 0


@internal
def draw_leaving(pores, species, side, column, velocity, key, draw):
    """Return how many ions of a row cross in a part of a step, and the next draw.

    `velocity`: the chance of an ion that is beside the membrane for the whole part.
    """
    present = pores.present[species, side, column] - pores.leaving[species, side, column]
    if present == 0:
        return int64(0), draw
    # In proportion to the velocity, so that the balance of both ways does not depend on the length of the step.
    chance = min(velocity * pores.beside[species, side, column] / present, 1.0)
    leaving, draw = binomial(present, chance, key, 0, draw)
    pores.leaving[species, side, column] += leaving
    return leaving, draw


@internal
def find_parts(pores, valences, face_volumes, thermal_potential, capacitance, time_step):
    """Return in how many parts the crossings of a step are drawn.

    The slope conductance of GHK's current lies between those that the concentrations of both sides give alone; the
    larger one is taken.
    """
    conductance = 0.0
    for species in range(valences.size):
        for column in range(pores.totals.shape[1]):
            density = max(
                pores.beside[species, 0, column] / face_volumes[0],
                pores.beside[species, 1, column] / face_volumes[1],
            )
            conductance += valences[species] ** 2 * pores.totals[species, column] * density
    parts = conductance / thermal_potential * time_step / (capacitance * PART)
    return int64(min(max(math.ceil(parts), 1.0), MOST_PARTS))


@internal
def share_among_types(n, pores, species, column, direction, key, draw):
    """Count `n` crossings of one column, each for a type of channel with a chance by its permeability."""
    weight_left = pores.totals[species, column]
    last = 0
    for channel_type in range(pores.by_type.shape[0]):
        weight = pores.by_type[channel_type, species, column]
        if weight == 0.0 or n == 0:
            continue
        mine, draw = binomial(n, weight / weight_left, key, 0, draw)
        pores.crossings[channel_type, species, direction] += mine
        n -= mine
        weight_left -= weight
        last = channel_type
    # Rounding may leave a few where the last chance fell short of 1.
    if n > 0:
        pores.crossings[last, species, direction] += n
    return draw


@compiled
def sagging_factor(u, sag):
    """Return by what factor more ions cross if their energy sags on the way by sag f (1 - f).

    The mean of exp(-u f) over that of exp(-u f - sag f (1 - f)), by Gauss & Legendre: the same for both ways, so that
    their balance is exact. `u`: z V/(kT/e), V the mean of the drops before and after; `sag`: z^2 e/(2 C kT/e).
    """
    steepness = abs(u)
    straight, sagging = 0.0, 0.0
    for point, weight in LEGENDRE:
        # Two points of the way, f = (1 - point)/2 and 1 - f; over what the outermost have, which may be too large.
        outer = math.exp(-0.5 * steepness * (LEGENDRE[-1][0] - point))
        both = weight * outer * (1.0 + math.exp(-steepness * point))
        straight += both
        sagging += both * math.exp(-0.25 * sag * (1.0 - point * point))
    return straight / sagging


@compiled
def one_way_volumes(valence, drop, own_drop, thermal_potential):
    """Return by what factors more than its permeability a channel lets pass of the ions inside and outside.

    On the way the ion meets the mean of the drops before and after it, `own_drop` from the drop: the balance of both
    ways is then exact, also where one ion moves the potential by a kT/e.
    """
    u = valence * drop / thermal_potential
    if own_drop == 0.0:
        return goldman_factor(u), goldman_factor(u) - u
    own = valence**2 * own_drop / thermal_potential
    out, back = u - own, u + own
    return (
        goldman_factor(out) * sagging_factor(out, own),
        (goldman_factor(back) - back) * sagging_factor(back, own),
    )


@internal
def cross(
    pores, valences, face_volumes, thermal_potential, capacitance, time_step, key, drops, pumped, is_free
):
    """Find how many ions cross in a step; `drops`, (columns,) mV, follow their charge unless the membrane is held.

    `face_volumes`: (2,) of the voxels beside the membrane, nm3; `pumped`: charge that pumps carry outward in it, e.
    """
    if not is_free:
        cross_in_parts(
            pores, valences, face_volumes, thermal_potential, 0.0, time_step, key, drops, 0.0, int64(1)
        )
        return
    parts = find_parts(pores, valences, face_volumes, thermal_potential, capacitance, time_step)
    per_charge = 1.0 / capacitance
    if parts > 1:
        rate = find_rates(pores, valences, face_volumes, thermal_potential, per_charge, drops)
        if rate * time_step * PARTS_PER_CROSSING < parts:
            cross_one_by_one(
                pores, valences, face_volumes, thermal_potential, per_charge, time_step, key, drops, pumped
            )
            return
    cross_in_parts(
        pores, valences, face_volumes, thermal_potential, per_charge, time_step, key, drops, pumped, parts
    )


@internal
def shift(drops, by):
    """Change the drop of all columns: the baths conduct far better than the membrane, and its charge spreads over the
    whole of it at once."""
    for column in range(drops.size):
        drops[column] += by


@internal
def cross_in_parts(
    pores, valences, face_volumes, thermal_potential, per_charge, time_step, key, drops, pumped, parts
):
    """Draw the crossings of a step in so many parts; `per_charge`: mV by which one charge moves the drop."""
    duration = time_step / parts
    draw = int64(0)
    for _ in range(parts):
        charge_out = int64(0)
        for species in range(valences.size):
            for column in range(drops.size):
                volume_in_part = pores.totals[species, column] * duration
                if volume_in_part == 0.0:
                    continue
                out, back = one_way_volumes(
                    valences[species], drops[column], 0.5 * per_charge, thermal_potential
                )
                velocity = volume_in_part * out / face_volumes[0]
                outward, draw = draw_leaving(pores, species, 0, column, velocity, key, draw)
                velocity = volume_in_part * back / face_volumes[1]
                inward, draw = draw_leaving(pores, species, 1, column, velocity, key, draw)
                charge_out += valences[species] * (outward - inward)
                draw = share_among_types(outward, pores, species, column, 0, key, draw)
                draw = share_among_types(inward, pores, species, column, 1, key, draw)
        shift(drops, -per_charge * (charge_out + pumped / parts))


@internal
def find_rates(pores, valences, face_volumes, thermal_potential, per_charge, drops):
    """Write at which rate ions leave each row as the drops are, and return the sum of all, 1/ns."""
    total = 0.0
    for species in range(valences.size):
        for column in range(drops.size):
            permeability = pores.totals[species, column]
            factors = (0.0, 0.0)
            if permeability > 0.0:
                factors = one_way_volumes(
                    valences[species], drops[column], 0.5 * per_charge, thermal_potential
                )
            for side in range(2):
                rate, present = 0.0, pores.present[species, side, column]
                if present > 0:
                    share_left = (present - pores.leaving[species, side, column]) / present
                    rate = permeability * factors[side] / face_volumes[side]
                    rate *= pores.beside[species, side, column] * share_left
                pores.rates[species, side, column] = rate
                total += rate
    return total


@internal
def choose_row(rates, number):
    """Return species, side and column where the sum of the rates, in that order, reaches `number`."""
    last = (0, 0, 0)
    for species in range(rates.shape[0]):
        for side in range(2):
            for column in range(rates.shape[2]):
                rate = rates[species, side, column]
                if rate > 0.0:
                    last = (species, side, column)
                    number -= rate
                    if number < 0.0:
                        return last
    return last


@internal
def cross_one_by_one(
    pores, valences, face_volumes, thermal_potential, per_charge, time_step, key, drops, pumped
):
    """Let ions cross one after another, each at the rates that the last one has left.

    What pumps carry changes the rates as well: they are found anew a few times in a step even if no ion crosses.
    """
    time_left, draw = time_step, int64(0)
    longest = time_step if pumped == 0 else time_step / LOOKS_AT_PUMPED
    while time_left > 0.0:
        total = find_rates(pores, valences, face_volumes, thermal_potential, per_charge, drops)
        first, second = uniform_pair(key, 0, draw)
        draw += 1
        wait = -math.log(first) / total if total > 0.0 else time_left
        # Waiting has no memory: what is left of it may be drawn anew.
        longest_now = min(time_left, longest)
        charge_out = 0
        if wait < longest_now:
            species, side, column = choose_row(pores.rates, second * total)
            pores.leaving[species, side, column] += 1
            draw = share_among_types(1, pores, species, column, side, key, draw)
            charge_out = valences[species] * (1 if side == 0 else -1)
        else:
            wait = longest_now
        time_left -= wait
        shift(drops, -per_charge * (charge_out + pumped * wait / time_step))


@internal
def take_nearest(n, row):
    """Take `n` ions of a row of voxels, which must hold them, from those nearest to the membrane."""
    for k in range(row.size):
        taken = min(n, row[k])
        row[k] -= taken
        n -= taken


@internal
def move_crossed(pores, counts, faces, n_voxels):
    """Move the net of those that cross from the membrane to the membrane; where too few are there, from next to it.

    What only changes places with its like on the other side changes nothing.
    """
    for species in range(pores.totals.shape[0]):
        for column in range(pores.totals.shape[1]):
            outward = pores.leaving[species, 0, column] - pores.leaving[species, 1, column]
            side = 0 if outward > 0 else 1
            first = faces[side]
            counts[species, faces[1 - side], column] += abs(outward)
            take_nearest(abs(outward), counts[species, first : first + n_voxels[side], column])
