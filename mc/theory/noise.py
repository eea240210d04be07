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


def crossing_noise(crossing_rate: Quantity, capacitance: Quantity, conductance: Quantity) -> Any:
    """Return the variance in mV2 of the potential of a membrane whose charges cross one by one, each by itself.

    (sum of z^2 times the rate of crossings, both ways, in e2/ns)/(2 C g), with C in e/mV and the slope conductance g
    in e/(mV ns): shot noise of spectrum 2 q i through a resistor and capacitor. At equilibrium it is kT/C. Floats and
    arrays broadcast.

    Schottky (1918), Ann. Phys. 362:541; Läuger (1975), Biochim. Biophys. Acta 413:1.
    """
    rate = np.asarray(crossing_rate, dtype=float)
    return rate / (2.0 * _positive(capacitance, "capacitance") * _positive(conductance, "conductance"))


def gating_noise(
    lag: Quantity,
    current: Quantity,
    variance: Quantity,
    relaxation_time: Quantity,
    conductance: Quantity,
    membrane_time: Quantity,
) -> Any:
    """Return the covariance in mV2, at a `lag` in ns, of the potential of a membrane whose channels open and close.

    With i the `current` of one open channel (e/ns), s2 the `variance` of their number, t_c the `relaxation_time` of
    the gates, g the slope conductance of the whole membrane (e/(mV ns)) and t_m = C/g its `membrane_time`, each
    Lorentzian of the current comes through the membrane as

        (i/g)^2 s2 t_c/(t_c^2 - t_m^2) (t_c exp(-t/t_c) - t_m exp(-t/t_m)).

    At no lag it is (i/g)^2 s2 t_c/(t_c + t_m). Small fluctuations, on which g does not depend. Times in ns; floats
    and arrays broadcast.

    Stevens (1972), Biophys. J. 12:1028; DeFelice (1981), Introduction to Membrane Noise, ch. 6.
    """
    lag, gates, membrane = (
        np.asarray(one, dtype=float) for one in (lag, _positive(relaxation_time, "time"), membrane_time)
    )
    response = (np.asarray(current, dtype=float) / _positive(conductance, "conductance")) ** 2
    # (1 - exp(-x))/x of the difference x of both decays: equal times are no division of zero by zero.
    difference = lag * (1.0 / _positive(membrane, "time") - 1.0 / gates)
    is_zero = difference == 0.0
    share = np.where(is_zero, 1.0, -np.expm1(-difference) / np.where(is_zero, 1.0, difference))
    shape = np.exp(-lag / gates) * (1.0 + lag / gates * share)
    return response * np.asarray(variance, dtype=float) * gates / (gates + membrane) * shape


def _positive(values: Quantity, name: str) -> np.ndarray:
    """Return `values` as an array; ValueError unless all are above zero."""
    values = np.asarray(values, dtype=float)
    require(values > 0.0, values, f"{name} must be above zero")
    return values
