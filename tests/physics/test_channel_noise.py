"""What the linear equation of channel noise leaves out, by the Markov chain of gates and charges together.

The chain has as states how many channels are open and how many charges are on the membrane. Its rates are those of
the gates and the one-way fluxes of Goldman, Hodgkin and Katz, at the mean of the potentials before and after an ion.
Nothing is random: its stationary state is the null vector of a sparse matrix, its covariance follows by the matrix
exponential.
"""

import dataclasses

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import expm_multiply, spsolve

from mc import theory
from mc.validation.laws.channel_noise import (
    INSIDE,
    OUTSIDE,
    covariance,
    find_membrane,
    mean_potential,
)
from mc.validation.scenarios import BODY_TEMPERATURE

UNLIMITED = {"K": 1e12, "Na": 1e12}
"""nm2/ns: baths that bring to the faces whatever crosses."""


def potential_of_chain(membrane, lag):
    """Return the mean in mV, the variance and the covariance at a lag (ns) in mV2."""
    size = membrane.size
    spread = float(np.sqrt(covariance(membrane, np.zeros(1))[0]))
    ends = (membrane.potential + np.array([-8.0, 8.0]) * spread) * membrane.capacitance
    potential = np.arange(round(ends[0]), round(ends[1]) + 1) / membrane.capacitance
    half = 0.5 / membrane.capacitance

    def one_way(ion, permeability):
        outward, inward = (
            theory.ghk_flux(permeability, INSIDE[ion], OUTSIDE[ion], 1, potential + shift, BODY_TEMPERATURE)
            for shift in (-half, half)
        )
        return outward.outward, inward.inward

    n_open = np.arange(size.channels + 1)[:, None]
    (k_out, k_in), (na_out, na_in) = one_way("K", size.leak), one_way("Na", size.permeability)
    state = np.arange(n_open.size * potential.size).reshape(n_open.size, potential.size)
    flows = [
        (state[:, 1:], state[:, :-1], (k_out + n_open * na_out)[:, 1:]),
        (state[:, :-1], state[:, 1:], (k_in + n_open * na_in)[:, :-1]),
        (state[:-1], state[1:], size.opening * (size.channels - n_open[:-1]) + 0.0 * potential),
        (state[1:], state[:-1], size.closing * n_open[1:] + 0.0 * potential),
    ]
    source, target, rate = (np.concatenate([one[i].ravel() for one in flows]) for i in range(3))
    generator = sparse.csc_matrix(
        (np.append(rate, -rate), (np.append(target, source), np.append(source, source)))
    )
    normalised = generator.tolil()
    normalised[0, :] = 1.0
    stationary = spsolve(normalised.tocsc(), np.eye(1, state.size)[0])
    of_state = np.tile(potential, n_open.size)
    mean = stationary @ of_state
    deviation = of_state - mean
    later = expm_multiply(lag * generator, deviation * stationary)
    return mean, stationary @ deviation**2, deviation @ later


@pytest.mark.parametrize(("engine", "next_order"), [("brownian", 0.02), ("lattice", 0.002)])
def test_what_the_linear_equation_leaves_out_is_small(engine, next_order):
    membrane = find_membrane(engine, UNLIMITED)
    # Without steps, of which the chain has none.
    size = dataclasses.replace(membrane.size, time_step=1e-9)
    membrane = dataclasses.replace(membrane, size=size, slab_share=1.0)
    lag = 2.0 * size.interval
    mean, variance, later = potential_of_chain(membrane, lag)
    expected = covariance(membrane, np.array([0.0, lag]))
    assert variance == pytest.approx(expected[0], rel=next_order)
    assert variance - later == pytest.approx(expected[0] - expected[1], rel=next_order)
    # The second order is most of how far the mean is from where the mean currents cancel.
    shift = mean_potential(membrane) - membrane.potential
    assert mean - membrane.potential == pytest.approx(shift, abs=0.1)
    without_gates = covariance(membrane, np.zeros(1), gating=0.0)[0]
    assert variance > 1.3 * without_gates
