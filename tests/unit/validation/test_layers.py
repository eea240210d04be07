from types import SimpleNamespace

import numpy as np
import pytest

from mc import theory
from mc.validation import layers
from mc.validation.layers import seen_by_electrodes, share_resolved

SALT = {"K": 150.0, "Cl": 150.0}


def recording(coefficient=2.5):
    species = [SimpleNamespace(name=name, diffusion_coefficient=coefficient) for name in SALT]
    return SimpleNamespace(temperature=310.15, species=species)


def test_without_steps_all_of_a_layer_is_left():
    assert share_resolved("continuum", 1.0, SALT, recording()) == pytest.approx(1.0, abs=1e-12)
    for engine in ("brownian", "lattice"):
        assert share_resolved(engine, 1e-9, SALT, recording()) == pytest.approx(1.0, abs=1e-4)


def test_what_steps_take_off_a_layer_is_in_proportion_to_them():
    """With B = 1 + b/2 for short steps the lattice lacks b0/4, b0 = D dt/lambda^2; single ions, 1 + 0.3 b, less."""
    strength = 2.5 / theory.debye_length(SALT, {"K": 1, "Cl": -1}, 310.15) ** 2
    assert 1.0 - share_resolved("lattice", 1e-4, SALT, recording()) == pytest.approx(
        strength * 1e-4 / 4.0, rel=0.05
    )
    assert 1.0 - share_resolved("brownian", 1e-4, SALT, recording()) == pytest.approx(
        0.6 * strength * 1e-4 / 4.0, rel=0.1
    )


def test_an_answer_in_proportion_makes_a_longer_layer(monkeypatch):
    """B = 1 + b for all waves has a closed form: (2/pi) int dq/(q^2 (1 + b0) + 1) = 1/sqrt(1 + b0)."""
    monkeypatch.setitem(layers.ANSWERS, "brownian", lambda b: 1.0 + b)
    length = theory.debye_length(SALT, {"K": 1, "Cl": -1}, 310.15)
    expected = 1.0 / np.sqrt(1.0 + 2.5 * 0.0125 / length**2)
    assert share_resolved("brownian", 0.0125, SALT, recording()) == pytest.approx(expected, rel=1e-9)


def test_electrodes_read_a_layer_less_its_mean_over_the_bulk():
    measured = seen_by_electrodes(lambda depth: 20.0 * np.exp(-depth / 0.8), (4.0, 10.0))
    in_bulk = 20.0 * 0.8 * (np.exp(-5.0) - np.exp(-12.5)) / 6.0
    assert measured == pytest.approx(20.0 - in_bulk, rel=1e-9)
