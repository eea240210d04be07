"""How ions cross: open channels are pores in which ions random-walk one by one.

The decomposition is exact for any time step in the limit of small open area, and its depth cancels:

1. Entry. An ion whose diffusive increment would cross the face enters a pore as deep as the mouth depth, or is
   reflected. The face is a partially absorbing wall whose reaction velocity `entry_velocity` holds the chance of a
   drifting Brownian motion to reach the mouth depth before it comes back.
2. Inside. Sub-steps of drift and Gaussian diffusion; between two points the Brownian bridge tells exactly whether
   an end was touched. An ion that enters does so at any time of its step alike, and walks for the rest of it.
   As it moves it charges the membrane, and the field that it meets follows: otherwise an ion that crosses within a
   step would do so in the field before it, and the balance of both ways would depend on the step.
3. An ion that touches an end is in the bath on that side, and walks there, reflected, for the rest of the step.
4. A closed gate stands at the mouth depth of the inner end: it blocks entry and exit there, while the rest of the
   pore stays open to the outside and its ions keep their equilibrium with it. Were the outer end shut as well, every
   closing would expel and every opening admit ions, and the gate would pump. An ion shallower than the gate when it
   closes is on the inner side of it, and leaves there.

From these the Goldman-Hodgkin-Katz flux emerges: c p u d/(1 - exp(-u d)) one way (Hodgkin & Katz 1949).
"""

import math
from typing import NamedTuple

import numpy as np
from numba import float32, int64, uint32

from mc.compilation import compiled, inlined, internal
from mc.engines.brownian.motion import reflect
from mc.engines.brownian.plane import (
    find_bin,
    find_group,
    is_beneath,
    name_of,
    place_in_mouth,
    put_in,
    share_of_mouths,
    take_out,
)
from mc.field.deposition import PARKED, Sums
from mc.streams import as_uniform, draw_pairs, normal_pair, uniform_pair

INSIDE, OUTSIDE = 0, 1
OUTWARD, INWARD = 0, 1


PORE_ION = np.dtype([("depth", "f8"), ("ion", "u4"), ("channel", "u4"), ("origin", "u1")], align=True)
"""One ion in a pore: its distance from the inner face in nm, and the side from which it entered."""

CROSSING = np.dtype(
    [("step", "i8"), ("ion", "u4"), ("channel", "u4"), ("species", "u1"), ("direction", "i1")], align=True
)
"""One complete crossing; direction +1 is outward."""


class Pores(NamedTuple):
    """Channels as pores: constants by channel type, and the table of ions that are in a pore now."""

    thickness: float
    """Of the membrane, nm."""
    first_channel: np.ndarray
    """(types + 1,); channels of type t are numbered first_channel[t] to first_channel[t + 1] - 1."""
    capture: np.ndarray
    """(types, levels, species, 2) beta A_p D_p = permeability times thickness of one channel, nm4/ns, as ions of each
    side meet it: from the inside a closed one takes none."""
    diffusion_coefficient: np.ndarray
    """(types, levels, species) in the pore, nm2/ns. What differs between levels is this and not the room in the pore:
    were it the room, every change of level would expel or admit ions, and gates would pump."""
    mouth_depth: np.ndarray
    """(types,) nm."""
    substeps: np.ndarray
    """(types,) sub-steps of a time step."""
    n_ions: np.ndarray
    """(1,) ions in pores now: the rows used of the table."""
    table: np.ndarray
    """Of PORE_ION."""
    crossings: np.ndarray
    """(types, species, 2) complete crossings so far, outward and inward."""


class Scene(NamedTuple):
    """What ions in pores meet in a step: gates and field as they stand, and the baths that they come from."""

    chains: np.ndarray
    """(channels,) see `membrane.gating.CHAIN`."""
    slopes: np.ndarray
    """(species,) u = z E/(kT/e) along x in the slab, as the field was found, 1/nm."""
    slope_per_drop: np.ndarray
    """(species,) what a drop in mV is multiplied with to give such a slope."""
    slope_per_move: np.ndarray
    """(species,) by how much the slope that an ion meets falls as it moves along x in a pore, z^2 e/(C d^2 kT/e) in
    1/nm for each nm: the baths spread its charge over the whole membrane within a nanosecond. Zero where the drop is
    held."""
    lengths: np.ndarray
    """(2,) of the baths, nm."""
    diffusion_coefficients: np.ndarray
    """(species,) in the baths, nm2/ns."""
    first_ion: np.ndarray
    """(species + 1,)"""
    positions: np.ndarray
    """(ions,)"""
    sums: Sums
    walk_key: np.ndarray
    ends_key: np.ndarray


class Crossings(NamedTuple):
    """A buffer of crossings; `n`, of shape (1,), counts the rows used."""

    n: np.ndarray
    rows: np.ndarray


@compiled
def entry_velocity(slope, mouth_depth, sign):
    """Return the velocity of entry into a pore, over beta D_p A_p/A, in 1/nm.

    `slope`: u = z E/(kT/e) along x in 1/nm; `sign`: +1 at the inner face, -1 at the outer. The scale function of a
    drifting Brownian motion, u/(1 - exp(-u delta)); its limit at zero field is 1/delta.
    """
    exponent = sign * slope * mouth_depth
    if abs(exponent) < 1.0e-6:
        return (1.0 + 0.5 * exponent) / mouth_depth
    return exponent / mouth_depth / -math.expm1(-exponent)


@compiled
def entry_exponent(velocity, diffusion_coefficient, time_step):
    """Return what the overshoot of a move is multiplied with to give minus the log of its chance not to enter, 1/nm.

    A wall of reaction velocity kappa takes a reflected Brownian motion at the rate kappa/D per local time at the wall
    (Singer, Schuss, Osipov & Holcman 2008, SIAM J. Appl. Math. 68:844), and the local time of a reflected step is
    twice its overshoot o: p = 1 - exp(-2 kappa o/D). Its mean over a uniform density is kappa, for any law of the
    increments. In a field, the ions that drift after they diffuse are distributed so that attempts counted by
    overshoot see the diffuse layer as deep as electrodes read it, at any time step; counted by hits alone
    (Erban & Chapman 2007, Phys. Biol. 4:16) they see between half and all of it.

    The correction for large velocities is fitted to the stationary walk's numerical solution, and makes it right to
    0.2 % up to velocity sqrt(dt/D) = 0.4 and to 2 % at 0.6; by hits alone it is off by 14 % at 0.1.
    """
    relative = velocity * math.sqrt(time_step / diffusion_coefficient)
    return 2.0 * velocity * (1.0 + 0.56 * relative * relative) / diffusion_coefficient


@compiled
def entry_probability(exponent, overshoot):
    """Return the chance that a move `overshoot` nm beyond the face enters a pore."""
    return -math.expm1(-exponent * overshoot)


@internal
def capture_weight(pores, n_at_level, channel_type, level, species, side, slope):
    """Return the entry velocity times area of all channels of one type and level, nm3/ns."""
    sign = 1.0 if side == INSIDE else -1.0
    velocity = entry_velocity(slope, pores.mouth_depth[channel_type], sign)
    capture = pores.capture[channel_type, level, species, side]
    return n_at_level[channel_type, level] * capture * velocity


@internal
def set_entry_exponents(
    pores, n_at_level, slopes, area, diffusion_coefficients, time_step, exponents, thresholds
):
    """Write for each species and side the exponent of entry, and a cheap upper bound of the chance in 1/256.

    `n_at_level`: (types, levels) channels; `slopes`: (species,) u in 1/nm.
    """
    for species in range(slopes.size):
        for side in range(2):
            velocity = 0.0
            for channel_type in range(n_at_level.shape[0]):
                for level in range(n_at_level.shape[1]):
                    velocity += (
                        capture_weight(pores, n_at_level, channel_type, level, species, side, slopes[species])
                        / area
                    )
            exponent = entry_exponent(velocity, diffusion_coefficients[species], time_step)
            largest_overshoot = math.sqrt(6.0 * diffusion_coefficients[species] * time_step)
            largest_probability = entry_probability(exponent, largest_overshoot)
            exponents[species, side] = exponent
            thresholds[species, side] = uint32(math.ceil(largest_probability * 256.0))


@internal
def choose_channel(pores, n_at_level, chains, species, side, slope, draw):
    """Return the channel that an entering ion takes, each with a chance in proportion to its capture weight.

    `draw`: uniform in (0, 1).
    """
    total = 0.0
    for channel_type in range(n_at_level.shape[0]):
        for level in range(n_at_level.shape[1]):
            total += capture_weight(pores, n_at_level, channel_type, level, species, side, slope)
    remaining = draw * total
    chosen = -1
    for channel_type in range(n_at_level.shape[0]):
        for level in range(n_at_level.shape[1]):
            weight = capture_weight(pores, n_at_level, channel_type, level, species, side, slope)
            if weight == 0.0:
                continue
            n_available = n_at_level[channel_type, level]
            rank = min(int64(remaining / weight * n_available), n_available - 1)
            for channel in range(pores.first_channel[channel_type], pores.first_channel[channel_type + 1]):
                if chains[channel].level == level:
                    # The last candidate is kept so that rounding in `remaining` never leaves the ion without a pore.
                    chosen = channel
                    if rank == 0 and remaining < weight:
                        return channel
                    rank -= 1
            remaining -= weight
    return chosen


@internal
def set_mouth_exponents(
    pores, mouths, slope_per_drop, diffusion_coefficients, time_step, exponents, thresholds
):
    """Write upper bounds of what `set_entry_exponents` gives, for any place along the membrane and any open gates."""
    lowest, highest = 0.0, 0.0
    for channel in range(mouths.drops.size):
        drop = mouths.drops[channel]
        lowest = drop if channel == 0 else min(lowest, drop)
        highest = drop if channel == 0 else max(highest, drop)
    for species in range(diffusion_coefficients.size):
        for side in range(2):
            per_drop = slope_per_drop[species] if side == INSIDE else -slope_per_drop[species]
            # Entry is the faster, the steeper the slope into the pore.
            slope = max(per_drop * lowest, per_drop * highest)
            velocity = 0.0
            for channel_type in range(pores.mouth_depth.size):
                entry = entry_velocity(slope, pores.mouth_depth[channel_type], 1.0)
                velocity = max(velocity, mouths.most_capture[species] * entry)
            exponent = entry_exponent(velocity, diffusion_coefficients[species], time_step)
            largest_overshoot = math.sqrt(6.0 * diffusion_coefficients[species] * time_step)
            exponents[species, side] = exponent
            thresholds[species, side] = uint32(
                math.ceil(entry_probability(exponent, largest_overshoot) * 256.0)
            )


@inlined
def sum_velocities(position, species, side, limit, pores, scene, mouths):
    """Return the velocity of entry at a place along a face, nm/ns, and the last channel that it was summed over.

    The sum stops at the channel that takes it beyond `limit`: with a limit drawn uniformly up to the whole sum, that
    is the channel which an ion enters, each with a chance in proportion to its velocity.
    """
    total, chosen = 0.0, -1
    which = find_bin(position, mouths)
    for k in range(mouths.bin_start[which], mouths.bin_start[which + 1]):
        channel = mouths.bin_channels[k]
        channel_type = scene.chains[channel].channel_type
        capture = pores.capture[channel_type, scene.chains[channel].level, species, side]
        if capture == 0.0:
            continue
        if not is_beneath(position, mouths.sites[channel], mouths.widths[channel_type], mouths.period):
            continue
        slope = scene.slope_per_drop[species] * mouths.drops[channel]
        sign = 1.0 if side == INSIDE else -1.0
        entry = entry_velocity(slope, pores.mouth_depth[channel_type], sign)
        velocity = capture / mouths.areas[channel_type] * entry
        if velocity > 0.0:
            total += velocity
            chosen = channel
            if total > limit:
                break
    return total, chosen


@inlined
def chance_of_entry(ion, species, side, overshoot, exponents, time_step, pores, scene, plane):
    """Return the chance that an ion which was reflected at a face enters a pore there.

    And, in the plane, the velocity of entry at its place, for `find_channel`.
    """
    if plane is None:
        return entry_probability(exponents[species, side], overshoot), 0.0
    place = plane.transverse[0, ion]
    velocity, _ = sum_velocities(place, species, side, math.inf, pores, scene, plane.mouths)
    exponent = entry_exponent(velocity, scene.diffusion_coefficients[species], time_step)
    return entry_probability(exponent, overshoot), velocity


@inlined
def find_channel(ion, species, side, draw, velocity, pores, n_at_level, scene, plane):
    """Return the channel that an entering ion takes; `draw`: uniform in (0, 1); `velocity`: see `chance_of_entry`."""
    if plane is None:
        return choose_channel(pores, n_at_level, scene.chains, species, side, scene.slopes[species], draw)
    place = plane.transverse[0, ion]
    _, chosen = sum_velocities(place, species, side, draw * velocity, pores, scene, plane.mouths)
    return chosen


@inlined
def slope_in(channel, species, scene, plane):
    """Return u = z E/(kT/e) along x in a pore as the field was found, 1/nm."""
    if plane is None:
        return scene.slopes[species]
    return scene.slope_per_drop[species] * plane.mouths.drops[channel]


@inlined
def place_exit(ion, channel, channel_type, step, plane):
    """Choose where along the membrane an ion leaves its pore, where that is tracked."""
    if plane is not None:
        plane.transverse[0, ion] = place_in_mouth(
            channel, channel_type, plane.mouths, plane.exit_key, ion, step
        )


@compiled
def touching_exponent(before, after, variance):
    """Return minus the log of the chance that a Brownian path touched zero between two distances from it.

    `variance` = 2 D dt in nm2. The Brownian bridge, exact under constant drift (Karatzas & Shreve 1991, section 4.3).
    """
    if before <= 0.0 or after <= 0.0:
        return 0.0
    return 2.0 * before * after / variance


@compiled
def is_below_exponential(draw, exponent):
    """Return whether a draw, uniform in (0, 1), is below exp(-exponent), for an exponent from 0 on.

    Mostly none is needed: the first terms of the series of 1/exp(-exponent) say already that it is not.
    """
    return draw * (1.0 + exponent * (1.0 + 0.5 * exponent)) < 1.0 and draw < math.exp(-exponent)


@compiled
def lowest_point(before, after, variance, draw):
    """Return the lowest point of a Brownian path between two points, `variance` = 2 D dt in nm2.

    `draw`: uniform in (0, 1). Inverts the law whose value at zero is the chance to touch it.
    """
    step = after - before
    return 0.5 * (before + after - math.sqrt(step * step - 2.0 * variance * math.log(draw)))


@compiled
def walk_in_pore(
    depth,
    slope,
    slope_per_move,
    diffusion_coefficient,
    thickness,
    is_open,
    gate_depth,
    substeps,
    duration,
    normal_key,
    bridge_key,
    ion,
    step,
):
    """Random-walk one ion in its pore for `duration` ns.

    `slope`: u = z E/(kT/e) in 1/nm, which falls by `slope_per_move` for each nm that the ion moves along x.

    Returns its depth in nm, the time left in ns after it has come out, and a standard normal number for the walk in
    the bath that then follows. Depth 0 means out at the inner end, `thickness` out at the outer end. A closed gate at
    `gate_depth` reflects exactly, by the running minimum of the path (Skorokhod's reflection).
    """
    interval = duration / substeps
    variance = 2.0 * diffusion_coefficient * interval
    deviation = math.sqrt(variance)
    if not is_open and depth < gate_depth:
        return 0.0, duration, normal_pair(normal_key, ion, step * substeps)[0]
    for substep in range(substeps):
        counter = step * substeps + substep
        normal, spare = normal_pair(normal_key, ion, counter)
        inner_draw, outer_draw = uniform_pair(bridge_key, ion, counter)
        target = depth + diffusion_coefficient * slope * interval + deviation * normal
        time_left = (substeps - substep - 0.5) * interval
        if is_open:
            if is_below_exponential(inner_draw, touching_exponent(depth, target, variance)):
                return 0.0, time_left, spare
        else:
            target -= min(lowest_point(depth - gate_depth, target - gate_depth, variance, inner_draw), 0.0)
        if is_below_exponential(
            outer_draw, touching_exponent(thickness - depth, thickness - target, variance)
        ):
            return thickness, time_left, spare
        slope -= slope_per_move * (target - depth)
        depth = target
    return depth, 0.0, 0.0


@inlined
def admit(ion, species, pores, n_at_level, scene, draw, velocity, plane):
    """Take an ion from the bath into a pore, see `find_channel`."""
    x = scene.positions[ion]
    side = OUTSIDE if x > float32(0.0) else INSIDE
    channel = find_channel(ion, species, side, draw, velocity, pores, n_at_level, scene, plane)
    mouth_depth = pores.mouth_depth[scene.chains[channel].channel_type]
    entry = pores.table[pores.n_ions[0]]
    entry.ion = ion
    entry.channel = channel
    entry.depth = mouth_depth if side == INSIDE else pores.thickness - mouth_depth
    entry.origin = side
    pores.n_ions[0] += 1
    take_out(ion, x, species, scene.sums, plane)
    scene.positions[ion] = PARKED
    put_in(ion, PARKED, species, scene.sums, plane)


@inlined
def release(row, side, distance, species, pores, scene, step, crossings, plane):
    """Put the ion of a row of the pore table into the bath on `side`, and count the crossing if it is one.

    The last row takes the place of the one that is freed.
    """
    entry = pores.table[row]
    x = distance if side == OUTSIDE else -distance
    take_out(entry.ion, PARKED, species, scene.sums, plane)
    scene.positions[entry.ion] = x
    place_exit(entry.ion, entry.channel, scene.chains[entry.channel].channel_type, step, plane)
    put_in(entry.ion, x, species, scene.sums, plane)
    if entry.origin != side:
        direction = OUTWARD if side == OUTSIDE else INWARD
        pores.crossings[scene.chains[entry.channel].channel_type, species, direction] += 1
        event = crossings.rows[crossings.n[0]]
        event.step = step + 1
        event.ion = name_of(entry.ion, plane)
        event.channel = entry.channel
        event.species = species
        event.direction = 1 if direction == OUTWARD else -1
        crossings.n[0] += 1
    last = pores.table[pores.n_ions[0] - 1]
    entry.ion = last.ion
    entry.channel = last.channel
    entry.depth = last.depth
    entry.origin = last.origin
    pores.n_ions[0] -= 1


@inlined
def walk(row, moved, duration, pores, scene, step, crossings, plane):
    """Walk the ion of a row of the pore table for `duration` ns; if it comes out, it is then back in a bath.

    `moved`: along x since the field was found, nm.
    """
    entry = pores.table[row]
    chain = scene.chains[entry.channel]
    species = find_group(entry.ion, scene.first_ion)
    depth, time_left, normal = walk_in_pore(
        entry.depth,
        slope_in(entry.channel, species, scene, plane) - scene.slope_per_move[species] * moved,
        scene.slope_per_move[species],
        pores.diffusion_coefficient[chain.channel_type, chain.level, species],
        pores.thickness,
        chain.level > 0,
        pores.mouth_depth[chain.channel_type],
        pores.substeps[chain.channel_type],
        duration,
        scene.walk_key,
        scene.ends_key,
        entry.ion,
        step,
    )
    if 0.0 < depth < pores.thickness:
        entry.depth = depth
        scene.positions[entry.ion] = PARKED
    else:
        side = INSIDE if depth == 0.0 else OUTSIDE
        walked = abs(normal) * math.sqrt(2.0 * scene.diffusion_coefficients[species] * time_left)
        distance = reflect(float32(walked), float32(scene.lengths[side]))
        release(row, side, distance, species, pores, scene, step, crossings, plane)


@internal
def walk_all(pores, scene, time_step, step, crossings, plane):
    """Walk every ion that is in a pore for one time step."""
    # Backwards, because a row that is freed is filled with the last one, which has walked already.
    for row in range(pores.n_ions[0] - 1, -1, -1):
        walk(row, 0.0, time_step, pores, scene, step, crossings, plane)


@inlined
def admit_candidate(
    ion,
    entry_draw,
    channel_draw,
    pores,
    n_at_level,
    exponents,
    thresholds,
    scene,
    time_step,
    step,
    crossings,
    plane,
):
    """Let an ion enter a pore or not; both draws are uniform in (0, 1)."""
    species = find_group(ion, scene.first_ion)
    side = OUTSIDE if scene.positions[ion] > float32(0.0) else INSIDE
    # A reflected ion is as far from the face as its move went beyond it.
    overshoot = abs(scene.positions[ion])
    # The first draw, made with the move, has already let through `threshold` of 256.
    draw = entry_draw * thresholds[species, side] / 256.0
    # No chance is above its exponent, in the plane that of the most crowded place: few ions need know theirs.
    largest = exponents[species, side] * overshoot
    if draw >= largest or draw >= largest * share_of_mouths(ion, species, plane):
        return
    probability, velocity = chance_of_entry(
        ion, species, side, overshoot, exponents, time_step, pores, scene, plane
    )
    if draw < probability:
        admit(ion, species, pores, n_at_level, scene, channel_draw, velocity, plane)
        # Given that it is below the chance, the draw is uniform: it says how much of the step is left.
        row, duration = pores.n_ions[0] - 1, draw / probability * time_step
        depth = pores.table[row].depth
        moved = depth if side == INSIDE else depth - pores.thickness
        walk(row, moved, duration, pores, scene, step, crossings, plane)


@internal
def admit_candidates(
    scratch, pores, n_at_level, exponents, thresholds, scene, time_step, step, key, crossings, plane
):
    """Draw for each candidate whether it enters a pore, in the order of the ions.

    One that enters walks at once for what is left of the step. Otherwise those that enter in the last step before a
    gate closes could not come back as all others can, and the gate would pump.
    """
    for chunk in range(scratch.n_candidates.size):
        candidates = scratch.candidates[chunk, : scratch.n_candidates[chunk]]
        half = scratch.words.shape[1] // 2
        entry_words, channel_words = scratch.words[chunk, :half], scratch.words[chunk, half:]
        for first in range(0, candidates.size, half):
            ions = candidates[first : first + half]
            draw_pairs(ions, uint32(step), key, entry_words, channel_words)
            for k in range(ions.size):
                admit_candidate(
                    ions[k],
                    as_uniform(entry_words[k]),
                    as_uniform(channel_words[k]),
                    pores,
                    n_at_level,
                    exponents,
                    thresholds,
                    scene,
                    time_step,
                    step,
                    crossings,
                    plane,
                )


@compiled
def charge_in_pores(pores, valences, first_ion):
    """Return the charge in pores as seen from the inner side, sum of z (1 - x/d), and the plain sum of z, in e.

    The first is what the ions in the slab add to the charge on the membrane's capacitance (Shockley-Ramo).
    """
    induced, total = 0.0, 0.0
    for row in range(pores.n_ions[0]):
        entry = pores.table[row]
        valence = valences[find_group(entry.ion, first_ion)]
        induced += valence * (1.0 - entry.depth / pores.thickness)
        total += valence
    return induced, total
