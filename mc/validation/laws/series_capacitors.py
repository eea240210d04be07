"""A membrane is a capacitor between two others: the slab holds Q/C, and its diffuse layers take a share as well."""

from __future__ import annotations

import numpy as np

from mc import theory
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_mean, check_resolved
from mc.validation.layers import AREA, Layers, measure_layers, seen_by_electrodes
from mc.validation.scenarios import BODY_TEMPERATURE, CAPACITANCE

SALT, COMMAND, LENGTH, WINDOW = {"K": 150.0, "Cl": 150.0}, -150.0, 10.0, 12.5
"""mM; mV across the slab, nm and ns."""

N_WINDOWS = {"brownian": (32, 128), "lattice": (16, 48), "continuum": (2, 2)}
"""In quick and in full."""

ROUNDING = 2.0 * float(np.finfo(np.float32).eps)
"""Of the difference of two potentials over them: profiles are kept in single precision."""


class Capacitors:
    """Three capacitors that hold one charge."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        valences = {"K": 1, "Cl": -1}
        share = float(theory.series_slab_fraction(CAPACITANCE, SALT, SALT, valences, BODY_TEMPERATURE))
        length = float(theory.debye_length(SALT, valences, BODY_TEMPERATURE))
        # What is left of the layers where the bulk begins is not read.
        read = seen_by_electrodes(lambda depth: np.exp(-depth / length), layers.bulk)
        self.potential = layers.charge / (CAPACITANCE * AREA)
        """Q/C in mV."""
        self.between = self.potential * (1.0 / share - 1.0) * layers.resolved * read
        """mV that electrodes read beyond the slab."""


def measure(trial: Trial) -> Capacitors:
    """Charge a membrane that nothing crosses, little enough for its layers to be linear."""
    is_mean = trial.engine == "continuum"
    layers = measure_layers(
        trial,
        "Capacitors in series",
        SALT,
        COMMAND,
        length=LENGTH,
        settling=150.0 if is_mean else 20.0,
        window=WINDOW,
        n_windows=trial.pick(*N_WINDOWS[trial.engine]),
        is_open=is_mean,
    )
    return Capacitors(layers)


def compare(capacitors: Capacitors, n_layers: float = 2.0, charge: float = 1.0) -> list[Check]:
    """Compare the field's drop with charge over capacitance at every moment, and the drop of the layers."""
    layers = capacitors.layers
    mismatch = layers.field_mismatch + abs(1.0 - charge) * abs(capacitors.potential)
    drop = 0.5 * n_layers * capacitors.between
    return [
        check_resolved(
            Check("largest difference of the field from Q/C", mismatch, 0.0, 0.0, "mV"),
            ROUNDING * abs(capacitors.potential),
        ),
        check_mean("electrodes less Q/C", layers.drop, drop, "mV"),
    ]


def draw(capacitors: Capacitors) -> Picture:
    """Draw what electrodes read beyond the slab over its potential."""
    potential = np.array([1.1 * COMMAND, 0.0])
    drop = capacitors.layers.drop
    return Picture(
        "charge/C (mV)",
        "electrodes less charge/C (mV)",
        (Line("two diffuse layers", potential, potential * capacitors.between / capacitors.potential),),
        (
            Points(
                "measured",
                np.array([capacitors.potential]),
                np.array([drop.mean()]),
                np.array([drop.std(ddof=1) / np.sqrt(len(drop))]),
            ),
        ),
    )


LAW = Law(
    name="series-capacitors",
    claim="The slab has the potential Q/C to the last digit, the diffuse layers in series with it have the rest.",
    formula="V = Q/C (1 + C/C_in + C/C_out),  C_in = ε/λ;  97.7 % in the slab at 150 mM",
    references=(
        "Läuger et al. (1967), Biochim. Biophys. Acta 135:20",
        "Everitt & Haydon (1968), J. Theor. Biol. 18:371",
    ),
    engines=("brownian", "lattice", "continuum"),
    orders={"continuum": 2.0},
    measure=measure,
    compare=compare,
    twins={
        "all of the potential in the slab": lambda capacitors: compare(capacitors, n_layers=0.0),
        "a capacitance that is 1 % larger": lambda capacitors: compare(capacitors, charge=1.01),
    },
    draw=draw,
    remark="Steps of 0.0125 ns leave 0.99 of the layers' potential, as in gouy-chapman.",
)
