"""Fluctuations: thermal noise of a capacitance, single charges, shot noise, Lorentzian spectra.

Charges in e, potentials in mV, times in ns; so capacitances in e/mV, conductances in e/(mV ns), currents in
e/ns. Spectra are one-sided (frequencies from zero up, in 1/ns = GHz): their integral is the variance.
"""

from typing import Any

import numpy as np

from mc.theory.species import Quantity, require, thermal_potential


def capacitance_noise(capacitance: Quantity, temperature: Quantity) -> Any:
    """Return the standard deviation in mV of the potential of a capacitor in equilibrium: sqrt(kT/C).

    Capacitance in e/mV, that of the whole patch; floats and arrays broadcast. Equipartition; Johnson (1928),
    Phys. Rev. 32:97.
    """
    return np.sqrt(thermal_potential(temperature) / _positive(capacitance, "capacitance"))


def elementary_voltage_step(capacitance: Quantity) -> Any:
    """Return the step in mV by which one elementary charge moves the potential: e/C; capacitance in e/mV.

    Coulomb's definition of the capacitance. Floats or arrays.
    """
    return 1.0 / _positive(capacitance, "capacitance")


def charging_time(capacitance: Quantity, conductance: Quantity) -> Any:
    """Return the time constant in ns of a membrane: C/g with C in e/mV and g in e/(mV ns), or both per area.

    Floats and arrays broadcast; infinite without conductance. Hodgkin & Rushton (1946), Proc. R. Soc. Lond. B
    133:444.
    """
    conductance = np.asarray(conductance, dtype=float)
    require(conductance >= 0.0, conductance, "conductance must not be negative")
    with np.errstate(divide="ignore"):
        return _positive(capacitance, "capacitance") / conductance


def shot_noise_spectrum(current: Quantity, charge: Quantity = 1.0) -> Any:
    """Return the spectral density in e2/ns of independent crossings: 2 |i q|, the same at all frequencies.

    current is the one-way current in e/ns, charge that of one crossing in e; both directions add. Floats and
    arrays broadcast. Schottky (1918), Ann. Phys. 362:541.
    """
    return 2.0 * np.abs(np.asarray(current, dtype=float) * np.asarray(charge, dtype=float))


def lorentzian(frequency: Quantity, variance: Quantity, relaxation_time: Quantity) -> Any:
    """Return the spectral density of a fluctuation with autocorrelation variance * exp(-t/tau).

    4 variance tau/(1 + (2 pi f tau)^2): unit of the variance times ns. Frequency in 1/ns, relaxation time in
    ns; floats and arrays broadcast. Stevens (1972), Biophys. J. 12:1028.
    """
    relaxation_time = np.asarray(relaxation_time, dtype=float)
    phase = 2.0 * np.pi * np.asarray(frequency, dtype=float) * relaxation_time
    return 4.0 * np.asarray(variance, dtype=float) * relaxation_time / (1.0 + phase**2)


def _positive(values: Quantity, name: str) -> np.ndarray:
    """Return `values` as an array; ValueError unless all are above zero."""
    values = np.asarray(values, dtype=float)
    require(values > 0.0, values, f"{name} must be above zero")
    return values
