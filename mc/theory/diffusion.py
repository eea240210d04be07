"""Diffusion in solutions: Einstein, Fick, two compartments, Nernst-Hartley and liquid junctions.

Lengths in nm, times in ns, diffusion coefficients in nm2/ns, concentrations in mM, potentials in mV.
"""

from typing import Any

import numpy as np

from mc.theory.species import (
    Quantity,
    align_species,
    require,
    species_names,
    stack_species,
    thermal_potential,
)


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
