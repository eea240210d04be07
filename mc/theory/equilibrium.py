"""Ions across a membrane: Nernst, Goldman-Hodgkin-Katz, Ussing, Mullins-Noda, Donnan.

Potentials are inside minus outside in mV, concentrations in mM, temperatures in K; outward is positive.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mc.theory.root_finding import root_of_increasing
from mc.theory.species import (
    Quantity,
    align_species,
    number_density,
    require,
    species_names,
    stack_species,
    thermal_potential,
    value_of,
)


class OneWayFluxes(NamedTuple):
    """Fluxes through a membrane in ions/ns: each a float, an array or a dict by species."""

    outward: Any
    inward: Any
    net: Any
    """Outward minus inward."""


def nernst_potential(
    valence: Quantity, concentration_in: Quantity, concentration_out: Quantity, temperature: Quantity
) -> Any:
    """Return the potential in mV at which an ion is in equilibrium: (kT/ze) ln(c_out/c_in).

    Floats and arrays broadcast. Dicts of concentrations by species give a dict; a species that is missing on
    one side has no concentration there. With no ion on one side the potential is infinite with the sign of
    its limit; with none on either side it is not a number. ValueError for a valence of zero, a negative
    concentration or a temperature not above zero.

    Nernst (1889), Z. phys. Chem. 4:129; Hille (2001), Ion Channels of Excitable Membranes, eq. 1.11a.
    """
    names = species_names(concentration_in, concentration_out) or species_names(valence)
    if names:
        return {
            name: nernst_potential(
                value_of(valence, name, "valence"),
                value_of(concentration_in, name, "inside concentration", absent=0.0),
                value_of(concentration_out, name, "outside concentration", absent=0.0),
                temperature,
            )
            for name in names
        }
    valence, concentration_in, concentration_out = _checked(valence, concentration_in, concentration_out)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return thermal_potential(temperature) / valence * np.log(concentration_out / concentration_in)


def ghk_flux(
    permeability: Quantity,
    concentration_in: Quantity,
    concentration_out: Quantity,
    valence: Quantity,
    potential: Quantity,
    temperature: Quantity,
) -> OneWayFluxes:
    """Return the one-way fluxes of an ion that drifts and diffuses through a constant field, and their net.

    outward = p n_in u/(1 - exp(-u)) and inward = p n_out u/(exp(u) - 1), where p is the permeability, n the
    number density and u = z V/(kT/e). At V = 0 these are p n; a potential that holds an ion back makes its
    flux vanish, one that drives it makes it proportional to V.

    Permeability of the whole membrane or of one channel in nm3/ns gives ions/ns; potential in mV. Floats and
    arrays broadcast; dicts by species give fluxes that are dicts.

    Goldman (1943), J. Gen. Physiol. 27:37; Hodgkin & Katz (1949), J. Physiol. 108:37, appendix.
    """
    names = (
        species_names(permeability)
        or species_names(concentration_in, concentration_out)
        or species_names(valence)
    )
    if names:
        by_species = {
            name: ghk_flux(
                value_of(permeability, name, "permeability"),
                value_of(concentration_in, name, "inside concentration", absent=0.0),
                value_of(concentration_out, name, "outside concentration", absent=0.0),
                value_of(valence, name, "valence"),
                potential,
                temperature,
            )
            for name in names
        }
        return OneWayFluxes(
            outward={name: fluxes.outward for name, fluxes in by_species.items()},
            inward={name: fluxes.inward for name, fluxes in by_species.items()},
            net={name: fluxes.net for name, fluxes in by_species.items()},
        )
    valence, concentration_in, concentration_out = _checked(valence, concentration_in, concentration_out)
    permeability = _checked_permeability(permeability)
    reduced_potential = valence * np.asarray(potential, dtype=float) / thermal_potential(temperature)
    outward = permeability * number_density(concentration_in) * _bernoulli(-reduced_potential)
    inward = permeability * number_density(concentration_out) * _bernoulli(reduced_potential)
    return OneWayFluxes(outward, inward, outward - inward)


def ghk_current(
    permeability: Quantity,
    concentration_in: Quantity,
    concentration_out: Quantity,
    valence: Quantity,
    potential: Quantity,
    temperature: Quantity,
) -> Any:
    """Return the outward electric current of each ion in e/ns: valence times the net flux of `ghk_flux`.

    Shapes and sources as there.
    """
    net = ghk_flux(permeability, concentration_in, concentration_out, valence, potential, temperature).net
    if isinstance(net, Mapping):
        return {name: value_of(valence, name, "valence") * flux for name, flux in net.items()}
    return np.asarray(valence, dtype=float) * net


def ghk_potential(
    permeability: Quantity,
    concentration_in: Quantity,
    concentration_out: Quantity,
    valence: Quantity,
    temperature: Quantity,
    current: Quantity = 0.0,
) -> Any:
    """Return the potential in mV at which the GHK currents of all ions and `current` add up to zero.

    Any valences. Arrays have the species along their first axis, shape (S,) or (S, ...), and the result has
    the shape of the rest; or dicts by species of floats or equally shaped arrays. A species not named by the
    permeability does not pass; one that is missing on one side has no concentration there.

    Without `current` the permeabilities may be relative. With it, an extra outward electrogenic current in
    e/ns such as a pump's, they must be in nm3/ns.

    Where the permeant ions can carry a current in one direction only, the potential is infinite with the sign
    of its limit. It is not a number where nothing is permeant or present in some elements of an array.
    ValueError if no permeability is above zero, or a permeability or concentration is negative.

    The total current increases with the potential, so that the root is the only one; it is bracketed and
    halved. For monovalent ions it is the voltage equation of Goldman (1943), J. Gen. Physiol. 27:37, and
    Hodgkin & Katz (1949), J. Physiol. 108:37; for divalent ones see Lewis (1979), J. Physiol. 286:417.
    """
    names = species_names(permeability) or species_names(concentration_in, concentration_out)
    for name in names:
        sides = (concentration_in, concentration_out)
        if all(isinstance(side, Mapping) and name not in side for side in sides):
            raise ValueError(f"no concentration given for {name}, neither inside nor outside")
    permeability, valence, concentration_in, concentration_out = align_species(
        _checked_permeability(stack_species(names, permeability, "permeability")),
        *_checked(
            stack_species(names, valence, "valence"),
            stack_species(names, concentration_in, "inside concentration", absent=0.0),
            stack_species(names, concentration_out, "outside concentration", absent=0.0),
        ),
        behind=(current, temperature),
    )
    if not np.any(permeability > 0.0) and not np.any(np.isnan(permeability)):
        raise ValueError("no permeability is above zero: without a permeant ion there is no GHK potential")

    outward_conductance = valence * permeability * number_density(concentration_in)
    inward_conductance = valence * permeability * number_density(concentration_out)
    thermal = thermal_potential(temperature)
    current = np.asarray(current, dtype=float)

    def total_current(reduced_potential: np.ndarray) -> np.ndarray:
        u = valence * reduced_potential
        currents = outward_conductance * _bernoulli(-u) - inward_conductance * _bernoulli(u)
        return currents.sum(axis=0) + current

    species_shape = np.broadcast_shapes(outward_conductance.shape, inward_conductance.shape)
    shape = np.broadcast_shapes(species_shape[1:], current.shape, np.shape(thermal))
    return thermal * root_of_increasing(total_current, shape)


def ussing_flux_ratio(
    concentration_in: Quantity,
    concentration_out: Quantity,
    valence: Quantity,
    potential: Quantity,
    temperature: Quantity,
) -> Any:
    """Return the outward over the inward one-way flux of an ion: (c_in/c_out) exp(z V/(kT/e)).

    Floats and arrays broadcast; potential in mV. Infinite where there is no ion outside.

    Ussing (1949), Acta Physiol. Scand. 19:43.
    """
    valence, concentration_in, concentration_out = _checked(valence, concentration_in, concentration_out)
    reduced_potential = valence * np.asarray(potential, dtype=float) / thermal_potential(temperature)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return concentration_in / concentration_out * np.exp(reduced_potential)


def mullins_noda_potential(
    permeability: Quantity,
    concentration_in: Quantity,
    concentration_out: Quantity,
    temperature: Quantity,
    ratio: float = 1.5,
) -> Any:
    """Return the steady potential in mV of a membrane whose pump trades `ratio` Na for each K.

    V = (kT/e) ln((r P_K K_o + P_Na Na_o)/(r P_K K_i + P_Na Na_i)). It holds once the pump balances the
    leaks of both ions; r = 3/2 is the Na/K-ATPase, r = 1 a neutral exchange (GHK without chloride).

    Permeabilities (relative ones suffice) and concentrations by species K and Na: dicts, or arrays with K and
    Na in this order along the first axis.

    Mullins & Noda (1963), J. Gen. Physiol. 47:117.
    """
    names = ["K", "Na"] if species_names(permeability, concentration_in, concentration_out) else []
    permeability, concentration_in, concentration_out = align_species(
        _checked_permeability(stack_species(names, permeability, "permeability")),
        stack_species(names, concentration_in, "inside concentration"),
        stack_species(names, concentration_out, "outside concentration"),
    )
    _checked(1.0, concentration_in, concentration_out)
    require(ratio > 0.0, ratio, "the ratio of Na to K must be above zero")
    weight = permeability * np.array([ratio, 1.0]).reshape((2,) + (1,) * (permeability.ndim - 1))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quotient = (weight * concentration_out).sum(axis=0) / (weight * concentration_in).sum(axis=0)
        return thermal_potential(temperature) * np.log(quotient)


def transporter_rates(
    turnover: float,
    outward: Mapping[str, int],
    inward: Mapping[str, int],
    half_saturation: Mapping[str, float],
    half_saturation_opposite: Mapping[str, float],
    concentration_in: Mapping[str, Any],
    concentration_out: Mapping[str, Any],
    valence: Mapping[str, int],
    potential: Any,
    temperature: Any,
) -> tuple[Any, Any]:
    """Return the rates of forward and backward cycles of a reversible transporter, in the unit of `turnover`.

    Forward needs every ion of the cycle bound on the side it is taken from, at c/(c + half_saturation) each, and its
    place empty on the other, at K/(c + K) with K the half saturation there; backward the reverse, times the ratio of
    both K, so that a difference of affinity is no source of energy. Half of what V does to the net charge q counts
    each way, exp(+-qV/2kT). Their ratio is exp(-dG/kT) of a cycle: rapid equilibrium binding in an alternating-access
    carrier (Hill 1977, Free Energy Transduction in Biology, ch. 2).

    `outward`, `inward`: ions of a forward cycle by species. Concentrations in mM, potential in mV, temperature in K.
    """
    forward = backward = np.asarray(turnover, dtype=float)
    charge = 0
    for moved, taken_from, given_to, sign in (
        (outward, concentration_in, concentration_out, 1),
        (inward, concentration_out, concentration_in, -1),
    ):
        for name, ions in moved.items():
            here, there = np.asarray(taken_from.get(name, 0.0)), np.asarray(given_to.get(name, 0.0))
            half_here, half_there = half_saturation[name], half_saturation_opposite[name]
            # Of both ways the same but for the ion that moves: what binds here or there, over all that may be bound.
            shared = half_there / ((here + half_here) * (there + half_there))
            forward = forward * (here * shared) ** ions
            backward = backward * (there * shared) ** ions
            charge += sign * ions * valence[name]
    work = 0.5 * charge * np.asarray(potential) / thermal_potential(temperature)
    return forward * np.exp(work), backward * np.exp(-work)


def transporter_reversal_potential(
    outward: Mapping[str, int],
    inward: Mapping[str, int],
    concentration_in: Mapping[str, Any],
    concentration_out: Mapping[str, Any],
    valence: Mapping[str, int],
    temperature: Any,
) -> Any:
    """Return the potential in mV at which a cycle that moves net charge costs no free energy.

    V = -(kT/qe) ln(prod of (c_from/c_to)^n): for 3 Na in against 1 Ca out, 3 E_Na - 2 E_Ca. ValueError where the
    cycle is electroneutral: it has an equilibrium of concentrations alone.

    Mullins (1979), Fed. Proc. 35:2583 and Blaustein & Lederer (1999), Physiol. Rev. 79:763 for Na/Ca exchange.
    """
    charge = 0
    energy = np.zeros(())
    for moved, taken_from, given_to, sign in (
        (outward, concentration_in, concentration_out, 1),
        (inward, concentration_out, concentration_in, -1),
    ):
        for name, ions in moved.items():
            charge += sign * ions * valence[name]
            with np.errstate(divide="ignore"):
                energy = energy + ions * np.log(np.asarray(taken_from[name]) / np.asarray(given_to[name]))
    if charge == 0:
        raise ValueError("the cycle moves no net charge: no potential holds it in equilibrium")
    return -thermal_potential(temperature) * energy / charge


def donnan_potential(
    concentration_out: Quantity, valence: Quantity, fixed_charge: Quantity, temperature: Quantity
) -> Any:
    """Return the potential in mV inside a region of impermeant charge, in equilibrium with a large bath.

    It is the V at which the ions of the bath, at c_out exp(-z V/(kT/e)), neutralise `fixed_charge`: the
    concentration of impermeant charges inside in mM of elementary charges, negative for anions.

    Any valences. Arrays have the species along their first axis, shape (S,) or (S, ...); or dicts by species.
    Infinite where the bath lacks ions of the charge that is needed.

    Donnan (1911), Z. Elektrochem. 17:572; for one z:z salt V = (kT/ze) arsinh(fixed_charge/(2 z c_out)).
    """
    names = species_names(concentration_out)
    valence, concentration_out = align_species(
        stack_species(names, valence, "valence"),
        stack_species(names, concentration_out, "concentration"),
        behind=(fixed_charge, temperature),
    )
    valence, concentration_out, _ = _checked(valence, concentration_out, 0.0)
    is_present = concentration_out != 0.0
    thermal = thermal_potential(temperature)
    fixed_charge = np.asarray(fixed_charge, dtype=float)

    def missing_charge(reduced_potential: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            boltzmann_factor = np.exp(np.where(is_present, -valence * reduced_potential, 0.0))
        return -(valence * concentration_out * boltzmann_factor).sum(axis=0) - fixed_charge

    shape = np.broadcast_shapes(
        np.broadcast_shapes(valence.shape, concentration_out.shape)[1:], fixed_charge.shape, np.shape(thermal)
    )
    return thermal * root_of_increasing(missing_charge, shape)


def _bernoulli(u: np.ndarray) -> np.ndarray:
    """Return u/(exp(u) - 1): 1 at zero, -u far below it and nothing far above."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(u == 0.0, 1.0, u / np.expm1(u))


def _checked(
    valence: Quantity, concentration_in: Quantity, concentration_out: Quantity
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the three as arrays; ValueError for an uncharged ion or a negative concentration."""
    valence = np.asarray(valence, dtype=float)
    concentration_in = np.asarray(concentration_in, dtype=float)
    concentration_out = np.asarray(concentration_out, dtype=float)
    require(valence != 0.0, valence, "valence must not be zero")
    require(concentration_in >= 0.0, concentration_in, "inside concentration must not be negative")
    require(concentration_out >= 0.0, concentration_out, "outside concentration must not be negative")
    return valence, concentration_in, concentration_out


def _checked_permeability(permeability: Quantity) -> np.ndarray:
    """Return the permeability as an array; ValueError where it is negative."""
    permeability = np.asarray(permeability, dtype=float)
    require(permeability >= 0.0, permeability, "permeability must not be negative")
    return permeability
