"""Ions beside a charged face: Debye length, Gouy-Chapman layer and its capacitance in series with a membrane.

Concentrations in mM, lengths in nm, potentials in mV, charge densities in e/nm2, specific capacitances in
e/(mV nm2). The solvent is water of `mc.constants.water_permittivity`.
"""

from typing import Any

import numpy as np

from mc import constants
from mc.theory.species import (
    Quantity,
    align_species,
    number_density,
    require,
    species_names,
    stack_species,
    thermal_potential,
)


def debye_length(concentrations: Quantity, valences: Quantity, temperature: Quantity) -> Any:
    """Return the Debye length in nm: sqrt(eps (kT/e) / sum z^2 n), 0.78 nm in 150 mM NaCl at 25 degC.

    Arrays have the species along their first axis, shape (S,) or (S, ...), and the result has the shape of
    the rest; or dicts by species. Infinite without ions.

    Debye & Hückel (1923), Phys. Z. 24:185; Israelachvili (2011), Intermolecular and Surface Forces, ch. 14.
    """
    thermal = thermal_potential(temperature)
    strength = _sum_of_squared_valences(concentrations, valences)
    with np.errstate(divide="ignore"):
        return np.sqrt(_water(temperature) * thermal / strength)


def dielectric_relaxation_time(
    concentrations: Quantity, valences: Quantity, diffusion_coefficients: Quantity, temperature: Quantity
) -> Any:
    """Return the time in ns in which a solution screens a charge: eps/sigma, sigma = sum z^2 D n/(kT/e).

    Diffusion coefficients in nm2/ns; shapes as in `debye_length`. Infinite without mobile ions.

    Maxwell (1873); conductivity by Nernst-Einstein: Robinson & Stokes (1959), Electrolyte Solutions, ch. 11.
    """
    thermal = thermal_potential(temperature)
    conductivity = _sum_of_squared_valences(concentrations, valences, diffusion_coefficients) / thermal
    with np.errstate(divide="ignore"):
        return _water(temperature) / conductivity


def gouy_chapman_potential(
    distance: Quantity,
    surface_potential: Quantity,
    concentration: Quantity,
    valence: Quantity,
    temperature: Quantity,
) -> Any:
    """Return the potential in mV at `distance` in nm from a face in one z:z salt, relative to the bulk.

    tanh(z V/4) = tanh(z V_0/4) exp(-x/lambda) with V in units of kT/e, V_0 the potential of the face,
    concentration that of the salt and z its valence. Floats and arrays broadcast.

    Gouy (1910), J. Phys. Theor. Appl. 9:457; Chapman (1913), Phil. Mag. 25:475.
    """
    valence = np.abs(np.asarray(valence, dtype=float))
    thermal = thermal_potential(temperature)
    lambda_ = _salt_debye_length(concentration, valence, temperature)
    reduced = valence * np.asarray(surface_potential, dtype=float) / (4.0 * thermal)
    amplitude = np.tanh(np.abs(reduced))
    depth = np.asarray(distance, dtype=float) / lambda_
    # 1 - tanh(a) exp(-x), written without the cancellation that would make the face itself infinite.
    complement = 2.0 / (np.exp(2.0 * np.abs(reduced)) + 1.0) - amplitude * np.expm1(-depth)
    magnitude = 2.0 * thermal / valence * np.log1p(2.0 * amplitude * np.exp(-depth) / complement)
    return np.sign(reduced) * magnitude


def grahame_charge_density(
    surface_potential: Quantity, concentration: Quantity, valence: Quantity, temperature: Quantity
) -> Any:
    """Return the charge in e/nm2 of a face at `surface_potential` in mV in one z:z salt.

    sigma = sqrt(8 eps (kT/e) n) sinh(z V_0/(2 kT/e)). Floats and arrays broadcast.

    Grahame (1947), Chem. Rev. 41:441.
    """
    valence = np.abs(np.asarray(valence, dtype=float))
    thermal = thermal_potential(temperature)
    prefactor = np.sqrt(8.0 * _water(temperature) * thermal * number_density(concentration))
    return prefactor * np.sinh(valence * np.asarray(surface_potential, dtype=float) / (2.0 * thermal))


def mixture_charge_density(
    surface_potential: Quantity, concentrations: Quantity, valences: Quantity, temperature: Quantity
) -> Any:
    """Return the charge in e/nm2 of a face at `surface_potential` in mV in a solution of any ions.

    sigma = sign(V_0) sqrt(2 eps (kT/e) sum n (exp(-z V_0) - 1)), V_0 in units of kT/e, of a neutral bulk. The
    potential is a float or an array; concentrations (mM) and valences of the species are (S,), or dicts by species.

    Grahame (1947), Chem. Rev. 41:441, eq. 44.
    """
    reduced = np.asarray(surface_potential, dtype=float) / thermal_potential(temperature)
    slope = _reduced_field(reduced, concentrations, valences, temperature)
    return _water(temperature) * thermal_potential(temperature) * slope


def mixture_potential(
    distance: Quantity,
    surface_potential: float,
    concentrations: Quantity,
    valences: Quantity,
    temperature: float,
) -> Any:
    """Return the potential in mV at `distance` in nm from a face in a solution of any ions, relative to the bulk.

    Poisson and Boltzmann's equation once integrated, d ln V/dx = -E(V)/V with eps E(V) of `mixture_charge_density`,
    is solved to a relative error of 1e-10. Distances are a float or an array; concentrations (mM) and valences of
    the species are (S,), or dicts by species.

    Grahame (1953), J. Chem. Phys. 21:1054.
    """
    from scipy.integrate import solve_ivp

    distances = np.atleast_1d(np.asarray(distance, dtype=float))
    require(distances >= 0.0, distances, "distance must not be negative")
    if surface_potential == 0.0 or distances.size == 0:
        return np.zeros(np.shape(distance))
    thermal = float(thermal_potential(temperature))
    sign = np.sign(surface_potential)

    def slope(_: float, logarithm: np.ndarray) -> np.ndarray:
        reduced = sign * np.exp(logarithm)
        field: np.ndarray = _reduced_field(reduced, concentrations, valences, temperature)
        return -field / reduced

    start = [np.log(abs(surface_potential) / thermal)]
    places, back = np.unique(distances, return_inverse=True)
    end = max(float(places[-1]), np.finfo(float).tiny)
    solution = solve_ivp(slope, (0.0, end), start, "DOP853", t_eval=places, rtol=1e-11, atol=1e-12)
    return np.reshape(sign * thermal * np.exp(solution.y[0][back]), np.shape(distance))


def diffuse_layer_capacitance(concentrations: Quantity, valences: Quantity, temperature: Quantity) -> Any:
    """Return the specific capacitance in e/(mV nm2) of a diffuse layer at small potentials: eps/lambda.

    Shapes as in `debye_length`. In a z:z salt it grows with cosh(z V_0/(2 kT/e)): 1.2-fold at 35 mV.

    Bard & Faulkner (2001), Electrochemical Methods, eq. 13.3.21 at zero potential.
    """
    return _water(temperature) / debye_length(concentrations, valences, temperature)


def series_slab_fraction(
    membrane_capacitance: Quantity,
    concentrations_in: Quantity,
    concentrations_out: Quantity,
    valences: Quantity,
    temperature: Quantity,
) -> Any:
    """Return the fraction of the bulk-to-bulk potential that drops across the membrane slab itself.

    The slab of `membrane_capacitance` in e/(mV nm2) and the diffuse layers on its two faces are three
    capacitors in series: 1/(1 + C_m/C_in + C_m/C_out), about 0.977 at 1 uF/cm2 in 150 mM. Shapes as in
    `debye_length`.

    Läuger et al. (1967), Biochim. Biophys. Acta 135:20; capacitances as in `diffuse_layer_capacitance`.
    """
    membrane_capacitance = np.asarray(membrane_capacitance, dtype=float)
    require(membrane_capacitance > 0.0, membrane_capacitance, "membrane capacitance must be above zero")
    inside = diffuse_layer_capacitance(concentrations_in, valences, temperature)
    outside = diffuse_layer_capacitance(concentrations_out, valences, temperature)
    with np.errstate(divide="ignore"):
        return 1.0 / (1.0 + membrane_capacitance / inside + membrane_capacitance / outside)


def _reduced_field(
    reduced_potential: np.ndarray, concentrations: Quantity, valences: Quantity, temperature: Quantity
) -> Any:
    """Return the field in 1/nm, in units of kT/e, where the potential in these units is V: outward where V > 0.

    sqrt(2 sum n (exp(-z V) - 1 + z V)/(eps kT/e)): in a neutral bulk sum n z V is zero, and taking it out leaves no
    difference of large numbers.
    """
    names = species_names(concentrations)
    concentration, valence = align_species(
        stack_species(names, concentrations, "concentration"), stack_species(names, valences, "valence")
    )
    require(concentration >= 0.0, concentration, "concentration must not be negative")
    net = float(np.sum(valence * concentration))
    require(
        abs(net) <= 1e-9 * float(np.sum(concentration)), net, "the bulk must be neutral, its net charge in mM"
    )
    exponent = -np.multiply.outer(np.asarray(reduced_potential, dtype=float), valence)
    # exp(x) - 1 - x by its series where its own difference would lose digits.
    series = 0.5 * exponent**2 * (1.0 + exponent / 3.0 * (1.0 + exponent / 4.0 * (1.0 + exponent / 5.0)))
    excess = np.where(np.abs(exponent) < 1e-3, series, np.expm1(exponent) - exponent)
    density = excess @ number_density(concentration)
    return np.sign(reduced_potential) * np.sqrt(
        2.0 * density / (_water(temperature) * thermal_potential(temperature))
    )


def _water(temperature: Quantity) -> Any:
    """Return the permittivity of water in e/(mV nm)."""
    return constants.VACUUM_PERMITTIVITY * constants.water_permittivity(temperature)


def _salt_debye_length(concentration: Quantity, valence: np.ndarray, temperature: Quantity) -> Any:
    """Return the Debye length in nm of one z:z salt."""
    concentration = np.asarray(concentration, dtype=float)
    both = np.stack([concentration, concentration])
    return debye_length(both, np.stack([valence, -valence]), temperature)


def _sum_of_squared_valences(
    concentrations: Quantity, valences: Quantity, diffusion_coefficients: Quantity = 1.0
) -> Any:
    """Return sum z^2 D n over the species, n in 1/nm3; without diffusion coefficients sum z^2 n."""
    names = species_names(concentrations)
    concentration, valence, diffusion_coefficient = align_species(
        stack_species(names, concentrations, "concentration"),
        stack_species(names, valences, "valence"),
        stack_species(names, diffusion_coefficients, "diffusion coefficient"),
    )
    require(concentration >= 0.0, concentration, "concentration must not be negative")
    require(diffusion_coefficient >= 0.0, diffusion_coefficient, "diffusion coefficient must not be negative")
    return (valence**2 * diffusion_coefficient * number_density(concentration)).sum(axis=0)
