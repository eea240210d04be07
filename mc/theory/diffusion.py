"""Diffusion in solutions: Einstein, Fick, sources and mouths in a wall, Nernst-Hartley and liquid junctions.

Lengths in nm, times in ns, diffusion coefficients in nm2/ns, concentrations in mM, potentials in mV.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mc.theory.species import (
    Quantity,
    align_species,
    number_density,
    require,
    species_names,
    stack_species,
    thermal_potential,
)

_MODES_OF_UPTAKE = 4000
"""Of a wall that takes up what is beside it: what is left out is below 1e-4 of W v/(2 pi^2 D)."""


def mean_square_displacement(diffusion_coefficient: Quantity, time: Quantity, dimensions: int = 1) -> Any:
    """Return the mean square displacement in nm2 of a free walk: 2 d D t in d dimensions.

    Floats and arrays broadcast. Einstein (1905), Ann. Phys. 322:549.
    """
    return 2.0 * dimensions * np.asarray(diffusion_coefficient, dtype=float) * np.asarray(time, dtype=float)


def step_profile(
    position: Quantity,
    time: Quantity,
    diffusion_coefficient: Quantity,
    concentration_left: Quantity,
    concentration_right: Quantity,
) -> Any:
    """Return the concentration in mM at `position` of a step at 0 nm that has been relaxing for `time`.

    (c_left + c_right)/2 + (c_right - c_left)/2 erf(x/sqrt(4 D t)) without walls; at time zero the step.
    Floats and arrays broadcast. Crank (1975), The Mathematics of Diffusion, eq. 2.14.
    """
    from scipy.special import erf

    position = np.asarray(position, dtype=float)
    width = np.sqrt(2.0 * mean_square_displacement(diffusion_coefficient, time))
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(position == 0.0, 0.0, position / width)
    left = np.asarray(concentration_left, dtype=float)
    right = np.asarray(concentration_right, dtype=float)
    return 0.5 * (left + right) + 0.5 * (right - left) * erf(depth)


def first_passage_survival(
    time: Quantity, diffusion_coefficient: Quantity, length: Quantity, filled: Quantity = 1.0
) -> Any:
    """Return the share of ions, uniform at first, that have not yet reached the open end of a bath of `length` nm.

    8/pi^2 sum over odd m of exp(-m^2 pi^2 D t/(4 L^2))/m^2, the other end reflecting; its integral over time, the
    mean first passage time, is L^2/(3 D). Where they fill only the share `filled` of the bath at first, f from the
    reflecting end on, each wave counts sin(m pi f/2)/(f sin(m pi/2)) times. Floats and arrays broadcast.

    Crank (1975), The Mathematics of Diffusion, eq. 4.18.
    """
    modes, decay = _odd_modes(time, diffusion_coefficient, length)
    filled = np.asarray(filled, dtype=float)
    waves = np.sin(0.5 * np.pi * modes * filled[..., None]) / filled[..., None]
    # Only the waves of a full bath all have one sign, so that those beyond the last one count.
    unsummed = np.where(filled == 1.0, _unsummed(decay), 0.0)
    return (8.0 / np.pi**2 * _alternating(modes) * waves * decay / modes**2).sum(axis=-1) + unsummed


def filling_profile(
    position: Quantity, time: Quantity, diffusion_coefficient: Quantity, length: Quantity
) -> Any:
    """Return the concentration at `position` nm from a wall, over that which the far end, `length` nm off, holds.

    From an empty bath at time zero: 1 - 4/pi sum over odd m of (-1)^((m-1)/2)/m exp(-m^2 pi^2 D t/(4 L^2))
    cos(m pi x/(2 L)). Floats and arrays broadcast; times above zero.

    Crank (1975), The Mathematics of Diffusion, eq. 4.17.
    """
    modes, decay = _odd_modes(time, diffusion_coefficient, length)
    x = np.asarray(position, dtype=float)[..., None] / np.asarray(length, dtype=float)[..., None]
    signs = _alternating(modes)
    waves = np.cos(0.5 * np.pi * modes * x)
    return 1.0 - 4.0 / np.pi * (signs / modes * decay * waves).sum(axis=-1)


_MODES = 2000
"""Enough for 1e-12 from 1e-6 of the time L^2/D on."""


def _odd_modes(
    time: Quantity, diffusion_coefficient: Quantity, length: Quantity
) -> tuple[np.ndarray, np.ndarray]:
    """Return the odd numbers and how far the wave of each has decayed, along a last axis."""
    time = np.asarray(time, dtype=float)
    length = np.asarray(length, dtype=float)
    require(time >= 0.0, time, "time must not be negative")
    require(length > 0.0, length, "length must be above zero")
    modes = 2.0 * np.arange(_MODES) + 1.0
    spread = np.asarray(diffusion_coefficient, dtype=float) * time / length**2
    return modes, np.exp(-(np.pi**2) / 4.0 * modes**2 * spread[..., None])


def _alternating(modes: np.ndarray) -> np.ndarray:
    """Return sin(m pi/2) of odd numbers."""
    return np.where((modes - 1.0) % 4.0 == 0.0, 1.0, -1.0)


def _unsummed(decay: np.ndarray) -> np.ndarray:
    """Return what the waves beyond the last one add to the survival: 2/(pi^2 n), if they have not decayed at all."""
    left: np.ndarray = 2.0 / (np.pi**2 * _MODES) * decay[..., -1]
    return left


def two_compartment_relaxation_rate(
    permeability: Quantity, inside_length: Quantity, outside_length: Quantity
) -> Any:
    """Return the rate in 1/ns at which two well-mixed compartments equalise: P (1/L_in + 1/L_out).

    P is the membrane's permeability in nm/ns (that of its open channels in nm3/ns over its area in nm2), the
    lengths are volumes over that area. Floats and arrays broadcast. From Fick's first law (Fick 1855, Ann.
    Phys. 170:59) and the conservation of ions.
    """
    inside_length = np.asarray(inside_length, dtype=float)
    outside_length = np.asarray(outside_length, dtype=float)
    require(inside_length > 0.0, inside_length, "inside length must be above zero")
    require(outside_length > 0.0, outside_length, "outside length must be above zero")
    return np.asarray(permeability, dtype=float) * (1.0 / inside_length + 1.0 / outside_length)


def wall_source_excess(
    from_wall: Quantity,
    along: Quantity,
    rate: Quantity,
    diffusion_coefficient: Quantity,
    depth: Quantity,
    length: Quantity,
    period: Quantity = np.inf,
    uptake: float = 0.0,
) -> Any:
    """Return the steady excess concentration in mM around a line source at a wall, an absorbing plane opposite.

    Ions come at `rate` (1/ns) out of a line of `depth` H (nm) at the origin of a reflecting wall and are gone at the
    distance `length` L (nm) from it. With a = pi y/(2 L) and b = pi x/(2 L) at `from_wall` x and `along` y

        rate/(2 pi D H) ln[(cosh a + cos b)/(cosh a - cos b)],

    at the wall itself rate/(pi D H) ln coth(pi |y|/(4 L)), close to the source rate/(pi D H) ln(4 L/(pi r)). With a
    `period` W along the wall the sources at all y + j W are added up. Infinite at the source, zero from L on.
    All floats or arrays that broadcast; `period` is one number.

    With an `uptake` v (nm/ns) the wall takes v times the concentration beside it, as transporters far from saturation
    do. That needs a period and one length, and changes the part of cos(q y), q = 2 pi j/W, from tanh(q L)/q at the
    wall to 1/(q coth(q L) + v/D), of j = 0 from L to 1/(1/L + v/D); it falls with the distance as sinh(q (L - x)).

    Green's function of a strip of width 2 L between absorbing planes, in whose middle a source of twice the rate
    gives each half the same: Morse & Feshbach (1953), Methods of Theoretical Physics, section 10.2.
    """
    x, y = np.asarray(from_wall, dtype=float), np.asarray(along, dtype=float)
    length = np.asarray(length, dtype=float)
    _require_a_box(length, depth, diffusion_coefficient)
    total = _image_sum(lambda there: _slab_logarithm(x, there, length), y, 12.0 * length.max(), period)
    if uptake:
        total = total - _taken_up(x, y, float(length), float(period), uptake / diffusion_coefficient)
    scale = np.asarray(rate, dtype=float) / (
        2.0 * np.pi * np.asarray(diffusion_coefficient, dtype=float) * np.asarray(depth, dtype=float)
    )
    return scale * np.where(x < length, total, 0.0) / number_density(1.0)


def cleft_source_excess(
    along: Quantity,
    rate: Quantity,
    diffusion_coefficient: float,
    depth: float,
    thickness: float,
    period: float,
    uptake: float,
    reach: float | None = None,
) -> Any:
    """Return the steady excess in mM around a line source in a cleft, one of whose walls takes up what is beside it.

    The mean over the `thickness` l of the cleft (nm), at `along` y (nm) from the line of `depth` H, out of which
    ions come at `rate` (1/ns); images at every `period` W. The wall takes `uptake` v (nm/ns) times the concentration
    beside it, as transporters far from saturation do. In a thin cleft that is the cable equation,

        rate a/(2 D H l) cosh((W/2 - |y|)/a)/sinh(W/(2 a)),  a^2 = D l/v,  for |y| up to W/2;

    exactly it is the sum of the waves q = 2 pi j/W, each rate/(W H) tanh(q l)/(q l)/(D q tanh(q l) + v). With a
    `reach` (nm) transporters take in proportion to the mean over the cleft within that distance each way along the
    wall, and the waves are rate/(W H l)/(D q^2 + (v/l) sin(q reach)/(q reach)). Floats or arrays of `along` and
    `rate` broadcast.

    Carslaw & Jaeger (1959), Conduction of Heat in Solids, section 4.5 (a thin rod that loses heat at its surface).
    """
    _require_a_box(thickness, depth, diffusion_coefficient)
    require(uptake > 0.0, uptake, "uptake must be above zero")
    y = np.asarray(along, dtype=float)[..., None]
    length = np.sqrt(diffusion_coefficient * thickness / uptake)
    distance = np.abs(y[..., 0] - period * np.round(y[..., 0] / period))
    # exp instead of cosh and sinh, which overflow.
    ends = np.exp(-distance / length) + np.exp((distance - period) / length)
    cable = 0.5 * period / length * ends / -np.expm1(-period / length)
    wave = 2.0 * np.pi / period * np.arange(1, _MODES_OF_UPTAKE)
    in_cable = diffusion_coefficient * wave**2 + uptake / thickness
    if reach is None:
        conducted = diffusion_coefficient * wave * np.tanh(wave * thickness)
        exact = np.tanh(wave * thickness) / wave / (conducted + uptake)
    else:
        sensed = np.sinc(wave * reach / np.pi)
        exact = 1.0 / (diffusion_coefficient * wave**2 + uptake / thickness * sensed)
    # Only what the waves differ by from those of the cable is summed: it falls off fast.
    total = cable / uptake + 2.0 / thickness * (np.cos(wave * y) * (exact - 1.0 / in_cable)).sum(axis=-1)
    return np.asarray(rate, dtype=float) / (period * depth) * total / number_density(1.0)


def wall_source_transient(
    from_wall: Quantity,
    along: Quantity,
    time: Quantity,
    rate: Quantity,
    diffusion_coefficient: Quantity,
    depth: Quantity,
    length: float,
    period: float = np.inf,
) -> Any:
    """Return the excess concentration in mM at `time` (ns) after the source of `wall_source_excess` has opened.

    rate/(2 pi D H) sum (-1)^k E1(r^2/(4 D t)) over the images at x = 2 k L and y = j W: E1 is what a steady source in
    the plane has given by then, twice as much in a half. All floats or arrays that broadcast; `length` and `period`
    are one number each. Terms are summed until they are below 1e-15.

    Carslaw & Jaeger (1959), Conduction of Heat in Solids, sections 10.4 and 14.10.
    """
    from scipy.special import exp1

    x, y, time = (np.asarray(quantity, dtype=float) for quantity in (from_wall, along, time))
    _require_a_box(length, depth, diffusion_coefficient)
    require(time >= 0.0, time, "time must not be negative")
    coefficient = np.asarray(diffusion_coefficient, dtype=float)
    spread = 4.0 * coefficient * time
    # exp1(33) is 1e-16.
    reach = np.sqrt(33.0 * spread.max(initial=0.0))

    def of_one_line(there: np.ndarray) -> np.ndarray:
        total = np.zeros(np.broadcast_shapes(x.shape, there.shape, spread.shape))
        furthest = int(np.ceil((reach + np.abs(x).max(initial=0.0)) / (2.0 * length)))
        with np.errstate(divide="ignore"):
            for image in range(-furthest, furthest + 1):
                square = (x - 2.0 * image * length) ** 2 + there**2
                # Before the source opens there is nothing, not even in its place.
                exponent = np.where(spread > 0.0, square / np.where(spread > 0.0, spread, 1.0), np.inf)
                total += (-1.0) ** image * exp1(exponent)
        return total

    total = _image_sum(of_one_line, y, reach, period)
    scale = np.asarray(rate, dtype=float) / (2.0 * np.pi * coefficient * np.asarray(depth, dtype=float))
    return scale * np.where(x < length, total, 0.0) / number_density(1.0)


def strip_access_resistance(
    mouth_width: Quantity,
    diffusion_coefficient: Quantity,
    depth: Quantity,
    length: Quantity,
    period: Quantity = np.inf,
    mouth: str = "uniform concentration",
) -> Any:
    """Return the diffusive resistance in ns/nm3 between a strip mouth in a wall and a plane opposite.

    The difference of the mean concentration at the mouth (1/nm3) and that at `length` L, for one ion per ns that
    passes: [ln(4 L/(pi w)) + s + 2 sum_j ln coth(pi j W/(4 L))]/(pi D H) for a mouth of `mouth_width` w and `depth` H
    and its images at every `period` W, with

    - s = ln 4 for a mouth with one "uniform concentration", which takes most of the ions near its edges,
    - s = 3/2 for one with "uniform flux".

    Relative error of order (w/L)^2 and (w/W)^2. Floats or arrays that broadcast; `period` is one number.

    The logarithmic capacity of a segment is a quarter of its length (Ransford 1995, Potential Theory in the Complex
    Plane, table 5.1); the mean of ln(1/|y - y'|) over a segment is 3/2 - ln w.
    """
    if mouth not in ("uniform concentration", "uniform flux"):
        raise ValueError(f'a mouth has a "uniform concentration" or a "uniform flux", found "{mouth}"')
    width, length = np.asarray(mouth_width, dtype=float), np.asarray(length, dtype=float)
    _require_a_box(length, depth, diffusion_coefficient)
    require(width > 0.0, width, "mouth width must be above zero")
    logarithm = np.log(4.0 * length / (np.pi * width)) + (np.log(4.0) if "conc" in mouth else 1.5)
    n_images = 0 if np.isinf(period) else int(np.ceil(12.0 * length.max() / period))
    for image in range(1, n_images + 1):
        logarithm = logarithm - 2.0 * np.log(np.tanh(np.pi * image * period / (4.0 * length)))
    return logarithm / (
        np.pi * np.asarray(diffusion_coefficient, dtype=float) * np.asarray(depth, dtype=float)
    )


def column_access_resistance(
    spacing: float,
    column_width: float,
    diffusion_coefficient: float,
    depth: float,
    length: float,
    period: float,
    time_step: float = 0.0,
) -> float:
    """Return the diffusive resistance in ns/nm3 between a channel in a column of cells and a plane opposite.

    The difference of the concentration (1/nm3) at the channel's node and that at `length` L, for one ion per ns that
    passes, where ions hop between nodes: every `spacing` h (nm) along the normal, N of them from the wall to L, and
    every `column_width` b along the wall, M of them in a `period` W, `depth` H. The hops are waves with the rates

        m_k = (2 D/h^2) (1 - cos(pi (k + 1/2)/N)),  n_j = (2 D/b^2) (1 - cos(2 pi j/M)),

    and the resistance is the sum of their parts in the channel's node, 2/(L W H) sum_jk 1/(m_k + n_j). With a
    `time_step` (ns) ions hop along the wall when a step is over, first in the one in which they came: then a part is
    exp(-n_j dt) (1 - exp(-m_k dt))/m_k/(1 - exp(-(m_k + n_j) dt)). ValueError unless N and M are whole.
    """
    _require_a_box(length, depth, diffusion_coefficient)
    rows, columns = length / spacing, period / column_width
    for cells in (rows, columns):
        require(abs(cells - round(cells)) < 1e-6, cells, "the number of cells must be whole")
    normal = 1.0 - np.cos(np.pi * (np.arange(round(rows)) + 0.5) / rows)[:, None]
    along = 1.0 - np.cos(2.0 * np.pi * np.arange(round(columns)) / columns)
    normal *= 2.0 * diffusion_coefficient / spacing**2
    along *= 2.0 * diffusion_coefficient / column_width**2
    parts = 1.0 / (normal + along)
    if time_step:
        hopped = np.exp(-along * time_step) * -np.expm1(-normal * time_step) / normal
        parts = hopped / -np.expm1(-(normal + along) * time_step)
    return float(2.0 * parts.sum() / (length * period * depth))


def stirred_mouth(stirring: float, n_pieces: int = 400) -> float:
    """Return s of `strip_access_resistance` for a mouth that ions stir which enter and come back.

    Its flux is j(y) = 1 + `stirring` (c(y) - mean c) in units of width and mean flux, with the stirring kappa w/D of
    the velocity of entry kappa: from 3/2 without to ln 4 with a lot. The integral equation of such a strip with its
    logarithmic kernel, in pieces of even flux.

    Erban & Chapman (2007), Phys. Biol. 4:16, for the boundary condition.
    """
    places = (np.arange(n_pieces) + 0.5) / n_pieces
    distance = np.abs(places[:, np.newaxis] - places)
    # A piece at itself: the mean of the logarithm over it as seen from its middle.
    np.fill_diagonal(distance, 1.0 / (2.0 * math.e * n_pieces))
    concentration = -np.log(distance) / (np.pi * n_pieces)
    deviation = np.eye(n_pieces) - 1.0 / n_pieces
    flux = np.linalg.solve(np.eye(n_pieces) + stirring * deviation @ concentration, np.ones(n_pieces))
    return float(np.pi * (concentration @ flux).mean())


def _require_a_box(length: Quantity, depth: Quantity, diffusion_coefficient: Quantity) -> None:
    for name, value in (
        ("length", length),
        ("depth", depth),
        ("diffusion coefficient", diffusion_coefficient),
    ):
        value = np.asarray(value, dtype=float)
        require(value > 0.0, value, f"{name} must be above zero")


def _slab_logarithm(x: np.ndarray, y: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return ln[(cosh a + cos b)/(cosh a - cos b)] with a = pi y/(2 L) and b = pi x/(2 L), without overflow."""
    a, b = np.pi * np.abs(y) / (2.0 * length), np.pi * x / (2.0 * length)
    # With everything over cosh a; its difference from cos b is a sum of squares, exact close to the source.
    decay = np.exp(-a)
    cosh_less_cos = 0.5 * (1.0 - decay) ** 2 + 2.0 * decay * np.sin(b / 2.0) ** 2
    with np.errstate(divide="ignore"):
        return np.log1p(2.0 * decay * np.cos(b) / cosh_less_cos)


def _taken_up(x: np.ndarray, y: np.ndarray, length: float, period: float, strength: Any) -> np.ndarray:
    """Return what the uptake of `strength` v/D (1/nm) takes off the logarithm of `wall_source_excess`.

    A sum over the modes of the period, each of which falls with the square of its number at least.
    """
    require(np.isfinite(period), period, "with an uptake the period must be finite")
    strength = float(strength)
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for mode in range(_MODES_OF_UPTAKE):
        wave = 2.0 * np.pi * mode / period
        if mode == 0:
            free, taken, weight, form = length, 1.0 / (1.0 / length + strength), 1.0, 1.0 - x / length
        else:
            free = np.tanh(wave * length) / wave
            taken, weight = 1.0 / (1.0 / free + strength), 2.0
            # sinh(q (L - x))/sinh(q L) without overflow.
            form = np.exp(-wave * x) * np.expm1(-2.0 * wave * (length - x)) / np.expm1(-2.0 * wave * length)
        total = total + weight * (free - taken) * form * np.cos(wave * y)
    return 2.0 * np.pi / period * total


def _image_sum(function: Callable[[np.ndarray], np.ndarray], y: np.ndarray, reach: float, period: Any) -> Any:
    """Return the sum of a function of y over y + j W, for all that are within `reach`; even in y."""
    if np.isinf(period):
        return function(y)
    y = y - period * np.round(y / period)
    n_images = int(np.ceil(reach / period + 0.5))
    return sum(function(y + image * period) for image in range(-n_images, n_images + 1))


def nernst_hartley(
    diffusion_coefficient_cation: Quantity,
    diffusion_coefficient_anion: Quantity,
    valence_cation: Quantity = 1,
    valence_anion: Quantity = -1,
) -> Any:
    """Return the diffusion coefficient in nm2/ns of a salt whose ions their field ties together.

    (z_+ + |z_-|) D_+ D_-/(z_+ D_+ + |z_-| D_-). Floats and arrays broadcast.

    Nernst (1888), Z. phys. Chem. 2:613; Robinson & Stokes (1959), Electrolyte Solutions, ch. 11.
    """
    cation = np.asarray(diffusion_coefficient_cation, dtype=float)
    anion = np.asarray(diffusion_coefficient_anion, dtype=float)
    z_cation = np.asarray(valence_cation, dtype=float)
    z_anion = np.abs(np.asarray(valence_anion, dtype=float))
    return (z_cation + z_anion) * cation * anion / (z_cation * cation + z_anion * anion)


def liquid_junction_potential(
    diffusion_coefficient_cation: Quantity,
    diffusion_coefficient_anion: Quantity,
    concentration_in: Quantity,
    concentration_out: Quantity,
    temperature: Quantity,
    valence_cation: Quantity = 1,
    valence_anion: Quantity = -1,
) -> Any:
    """Return the potential in mV, inside minus outside, of a junction between two concentrations of one salt.

    (D_+ - D_-)/(z_+ D_+ + |z_-| D_-) (kT/e) ln(c_out/c_in): the faster ion runs ahead and charges the dilute
    side. Floats and arrays broadcast.

    Planck (1890), Ann. Phys. 276:561; Bard & Faulkner (2001), Electrochemical Methods, section 2.3.
    """
    cation = np.asarray(diffusion_coefficient_cation, dtype=float)
    anion = np.asarray(diffusion_coefficient_anion, dtype=float)
    z_cation = np.asarray(valence_cation, dtype=float)
    z_anion = np.abs(np.asarray(valence_anion, dtype=float))
    transference = (cation - anion) / (z_cation * cation + z_anion * anion)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(
            np.asarray(concentration_out, dtype=float) / np.asarray(concentration_in, dtype=float)
        )
    return transference * thermal_potential(temperature) * logarithm


def henderson_potential(
    diffusion_coefficients: Quantity,
    concentrations_in: Quantity,
    concentrations_out: Quantity,
    valences: Quantity,
    temperature: Quantity,
) -> Any:
    """Return the potential in mV, inside minus outside, of a junction between two mixtures of ions.

    (kT/e) [sum z D (c_out - c_in)]/[S_out - S_in] ln(S_out/S_in) with S = sum z^2 D c: the concentrations are
    taken to vary linearly across the junction. Equal S on both sides is the limit, without a singularity.

    Arrays have the species along their first axis, shape (S,) or (S, ...), and the result has the shape of
    the rest; or dicts by species, in which a species missing on one side has no concentration there.

    Henderson (1907), Z. phys. Chem. 59:118; Bard & Faulkner (2001), Electrochemical Methods, section 2.3.
    """
    names = species_names(concentrations_in, concentrations_out)
    coefficient, inside, outside, valence = align_species(
        stack_species(names, diffusion_coefficients, "diffusion coefficient"),
        stack_species(names, concentrations_in, "inside concentration", absent=0.0),
        stack_species(names, concentrations_out, "outside concentration", absent=0.0),
        stack_species(names, valences, "valence"),
    )
    require(inside >= 0.0, inside, "inside concentration must not be negative")
    require(outside >= 0.0, outside, "outside concentration must not be negative")
    charge_flow = (valence * coefficient * (outside - inside)).sum(axis=0)
    conductivity_in = (valence**2 * coefficient * inside).sum(axis=0)
    conductivity_out = (valence**2 * coefficient * outside).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative_step = (conductivity_out - conductivity_in) / conductivity_in
        is_small = np.abs(relative_step) < 0.5
        near = np.where(relative_step == 0.0, 1.0, np.log1p(relative_step) / relative_step) / conductivity_in
        far = np.log(conductivity_out / conductivity_in) / (conductivity_out - conductivity_in)
    return thermal_potential(temperature) * charge_flow * np.where(is_small, near, far)
