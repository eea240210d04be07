"""What macroscopic equations predict: closed forms of floats, arrays or dicts by species."""

from mc.theory.double_layer import (
    debye_length,
    dielectric_relaxation_time,
    diffuse_layer_capacitance,
    gouy_chapman_potential,
    grahame_charge_density,
    series_slab_fraction,
)
from mc.theory.equilibrium import (
    OneWayFluxes,
    donnan_potential,
    ghk_current,
    ghk_flux,
    ghk_potential,
    mullins_noda_potential,
    nernst_potential,
    ussing_flux_ratio,
)

__all__ = [
    "OneWayFluxes",
    "debye_length",
    "dielectric_relaxation_time",
    "diffuse_layer_capacitance",
    "donnan_potential",
    "ghk_current",
    "ghk_flux",
    "ghk_potential",
    "gouy_chapman_potential",
    "grahame_charge_density",
    "mullins_noda_potential",
    "nernst_potential",
    "series_slab_fraction",
    "ussing_flux_ratio",
]
