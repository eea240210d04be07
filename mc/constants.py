"""Physical constants in the internal units (nm, ns, e, mV, mM, K), each with its source.

The elementary charge is the unit of charge, so an energy divided by e is a potential in mV.
"""

ELEMENTARY_CHARGE_COULOMB = 1.602176634e-19
"""C; exact (SI 2019)."""

PICOAMPERES_PER_CHARGE_PER_NANOSECOND = ELEMENTARY_CHARGE_COULOMB * 1e21
"""Current of one elementary charge per ns in pA: 160.2."""

BOLTZMANN_POTENTIAL_PER_KELVIN = 8.617333262145179e-2
"""k_B/e in mV/K; exact quotient of 1.380649e-23 J/K and 1.602176634e-19 C (SI 2019)."""

VACUUM_PERMITTIVITY = 5.526349362e-5
"""eps_0 in e/(mV nm); 8.8541878188e-12 F/m (CODATA 2022)."""

IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR = 6.02214076e-4
"""Number density in 1/nm3 of a 1 mM solution; Avogadro's constant, exact (SI 2019)."""

ZERO_CELSIUS = 273.15
"""K."""


def thermal_potential(temperature: float) -> float:
    """Return kT/e in mV at `temperature` in K: 26.73 mV at 310.15 K."""
    return BOLTZMANN_POTENTIAL_PER_KELVIN * temperature


def water_permittivity(temperature: float) -> float:
    """Return the relative permittivity of water at `temperature` in K, between 0 and 100 degC.

    Malmberg & Maryott (1956), J. Res. Natl. Bur. Stand. 56:1, eq. 1: 78.30 at 25 degC, 74.2 at 37 degC.
    """
    celsius = temperature - ZERO_CELSIUS
    return 87.740 - 0.40008 * celsius + 9.398e-4 * celsius**2 - 1.410e-6 * celsius**3


SENSING_REACH = 5.0
"""nm; the layer beside the membrane whose concentrations pumps, transporters and ligand-gated channels sense."""

LARGEST_GATING_POTENTIAL = 150.0
"""mV; beyond it, either way, rates of gating stay what they are there: no excursion can make them endless."""
