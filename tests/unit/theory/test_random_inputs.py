"""Every closed form against an evaluation of its own in 60 digits, or an independent root, at random inputs.

Ratios of concentrations reach 1e12; zero potentials, equal concentrations and absent ions are among the inputs.
"""

import mpmath
import numpy as np
import pytest

from mc import constants, theory

mp = mpmath.mpf
RELATIVE = 1e-9
N_INPUTS = 60


@pytest.fixture(autouse=True)
def many_digits():
    with mpmath.workdps(60):
        yield


@pytest.fixture
def draw():
    """Return a generator of random inputs."""
    return Draw(np.random.default_rng(2024))


class Draw:
    """Random inputs of a kind, now and then the special one."""

    def __init__(self, generator):
        self.generator = generator

    def sometimes(self, special, usual):
        return special if self.generator.random() < 0.15 else usual

    def concentration(self):
        return 10.0 ** self.generator.uniform(-6.0, 6.0)

    def potential(self):
        return self.sometimes(0.0, self.generator.choice([-1, 1]) * 10.0 ** self.generator.uniform(-9.0, 3.0))

    def temperature(self):
        return self.generator.uniform(274.0, 372.0)

    def valence(self):
        return int(self.generator.choice([-3, -2, -1, 1, 2, 3]))

    def positive(self, low=-3.0, high=3.0):
        return 10.0 ** self.generator.uniform(low, high)


def thermal(temperature):
    return mp(constants.BOLTZMANN_POTENTIAL_PER_KELVIN) * mp(temperature)


def density(concentration):
    return mp(concentration) * mp(constants.IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR)


def water(temperature):
    return mp(constants.VACUUM_PERMITTIVITY) * mp(constants.water_permittivity(temperature))


def bernoulli(u):
    return mp(1) if u == 0 else u / mpmath.expm1(u)


def agrees(measured, expected):
    return float(measured) == pytest.approx(float(expected), rel=RELATIVE, abs=1e-280)


def flux(p, c_in, c_out, z, v, temperature):
    u = z * mp(v) / thermal(temperature)
    return mp(p) * density(c_in) * bernoulli(-u), mp(p) * density(c_out) * bernoulli(u)


def test_nernst(draw):
    for _ in range(N_INPUTS):
        z, c_in, t = draw.valence(), draw.concentration(), draw.temperature()
        c_out = draw.sometimes(c_in, draw.concentration())
        expected = thermal(t) / z * mpmath.log(mp(c_out) / mp(c_in))
        measured = float(theory.nernst_potential(z, c_in, c_out, t))
        assert measured == pytest.approx(float(expected), rel=RELATIVE, abs=1e-11)


def test_ghk_fluxes_and_currents(draw):
    for _ in range(N_INPUTS):
        p, z, v, t = draw.positive(), draw.valence(), draw.potential(), draw.temperature()
        c_in, c_out = draw.sometimes(0.0, draw.concentration()), draw.concentration()
        outward, inward = flux(p, c_in, c_out, z, v, t)
        measured = theory.ghk_flux(p, c_in, c_out, z, v, t)
        assert agrees(measured.outward, outward) and agrees(measured.inward, inward)
        # The net of two fluxes that nearly cancel is as exact as they are.
        net, scale = float(z * (outward - inward)), float(max(outward, inward)) * abs(z)
        assert float(theory.ghk_current(p, c_in, c_out, z, v, t)) == pytest.approx(net, abs=RELATIVE * scale)


def test_ussing(draw):
    for _ in range(N_INPUTS):
        z, v, t = draw.valence(), draw.generator.uniform(-500.0, 500.0), draw.temperature()
        c_in, c_out = draw.sometimes(0.0, draw.concentration()), draw.concentration()
        expected = mp(c_in) / mp(c_out) * mpmath.exp(z * mp(v) / thermal(t))
        assert agrees(theory.ussing_flux_ratio(c_in, c_out, z, v, t), expected)


def test_ghk_potential_is_the_root_of_the_currents(draw):
    for _ in range(20):
        n, t = int(draw.generator.integers(2, 6)), draw.temperature()
        z = np.array([1, -1, *(draw.valence() for _ in range(n - 2))])
        p = np.array([draw.positive() for _ in range(n)])
        c_in, c_out = (np.array([draw.concentration() for _ in range(n)]) for _ in range(2))
        pump = draw.sometimes(0.0, draw.generator.normal())
        measured = float(theory.ghk_potential(p, c_in, c_out, z, t, pump))

        def total(v, p=p, c_in=c_in, c_out=c_out, z=z, t=t, pump=pump):
            fluxes = [flux(p[i], c_in[i], c_out[i], int(z[i]), v, t) for i in range(len(p))]
            return mp(pump) + sum(int(z[i]) * (one[0] - one[1]) for i, one in enumerate(fluxes))

        root = mpmath.findroot(total, (mp(measured) - 1, mp(measured) + 1), solver="anderson", tol=1e-40)
        assert measured == pytest.approx(float(root), rel=RELATIVE, abs=1e-9)


def test_mullins_noda(draw):
    for _ in range(N_INPUTS):
        p, c_in, c_out = ([draw.positive(), draw.positive()] for _ in range(3))
        t, ratio = draw.temperature(), draw.sometimes(1.0, draw.generator.uniform(0.2, 3.0))
        outside = mp(ratio) * mp(p[0]) * mp(c_out[0]) + mp(p[1]) * mp(c_out[1])
        inside = mp(ratio) * mp(p[0]) * mp(c_in[0]) + mp(p[1]) * mp(c_in[1])
        expected = float(thermal(t) * mpmath.log(outside / inside))
        measured = float(theory.mullins_noda_potential(p, c_in, c_out, t, ratio=ratio))
        assert measured == pytest.approx(expected, rel=RELATIVE, abs=1e-11)


def test_donnan_is_the_root_of_neutrality(draw):
    for _ in range(20):
        t, fixed = draw.temperature(), draw.sometimes(0.0, draw.generator.normal(0.0, 200.0))
        z = [1, -1, draw.valence()]
        c = [draw.positive(), draw.positive(), draw.sometimes(0.0, draw.positive())]
        # The bath itself is neutral.
        surplus = sum(zi * ci for zi, ci in zip(z, c, strict=True))
        c[1 if surplus > 0 else 0] += abs(surplus)
        measured = float(theory.donnan_potential(c, z, fixed, t))

        def charge(v, c=c, z=z, t=t, fixed=fixed):
            return mp(fixed) + sum(
                zi * mp(ci) * mpmath.exp(-zi * v / thermal(t)) for zi, ci in zip(z, c, strict=True)
            )

        root = mpmath.findroot(charge, (mp(measured) - 1, mp(measured) + 1), solver="anderson", tol=1e-40)
        assert measured == pytest.approx(float(root), rel=RELATIVE, abs=1e-9)


def test_transporter_rates_and_reversal(draw):
    valence = {"Na": 1, "K": 1, "Ca": 2, "Cl": -1}
    cycles = [
        ({"Ca": 1}, {"Na": 3}),
        ({"K": 1, "Cl": 1}, {}),
        ({}, {"Na": 1, "K": 1, "Cl": 2}),
        ({"K": 1}, {}),
    ]
    for _ in range(N_INPUTS):
        outward, inward = cycles[draw.generator.integers(len(cycles))]
        t, v, k = draw.temperature(), draw.generator.uniform(-200.0, 200.0), draw.positive()
        c_in, c_out = ({name: draw.positive() for name in valence} for _ in range(2))
        half, opposite = ({name: draw.positive() for name in valence} for _ in range(2))
        forward = backward = mp(k)
        charge, energy = 0, mp(0)
        for moved, here, there, sign in ((outward, c_in, c_out, 1), (inward, c_out, c_in, -1)):
            for name, n in moved.items():
                a, b, own, other = (mp(one[name]) for one in (here, there, half, opposite))
                forward *= (a / (a + own) * other / (b + other)) ** n
                backward *= (b / (b + other) * own / (a + own) * other / own) ** n
                charge += sign * n * valence[name]
                energy += n * mpmath.log(a / b)
        work = charge * mp(v) / (2 * thermal(t))
        measured = theory.transporter_rates(k, outward, inward, half, opposite, c_in, c_out, valence, v, t)
        assert agrees(measured[0], forward * mpmath.exp(work))
        assert agrees(measured[1], backward * mpmath.exp(-work))
        if charge:
            reversal = float(theory.transporter_reversal_potential(outward, inward, c_in, c_out, valence, t))
            assert reversal == pytest.approx(float(-thermal(t) * energy / charge), rel=RELATIVE, abs=1e-10)


def test_double_layer(draw):
    for _ in range(N_INPUTS):
        t, c, z = draw.temperature(), draw.concentration(), abs(draw.valence())
        v, x = draw.potential(), draw.sometimes(0.0, draw.positive(-3.0, 1.0))
        d = [draw.positive(-1.0, 1.0), draw.positive(-1.0, 1.0)]
        length = mpmath.sqrt(water(t) * thermal(t) / (2 * z**2 * density(c)))
        assert agrees(theory.debye_length([c, c], [z, -z], t), length)
        assert agrees(theory.diffuse_layer_capacitance([c, c], [z, -z], t), water(t) / length)
        conductivity = z**2 * density(c) * (mp(d[0]) + mp(d[1])) / thermal(t)
        assert agrees(theory.dielectric_relaxation_time([c, c], [z, -z], d, t), water(t) / conductivity)
        with mpmath.workdps(400):
            amplitude = mpmath.tanh(z * mp(v) / (4 * thermal(t))) * mpmath.exp(-mp(x) / length)
            expected = 4 * thermal(t) / z * mpmath.atanh(amplitude) if v else mp(0)
        assert agrees(theory.gouy_chapman_potential(x, v, c, z, t), expected)
        charge = mpmath.sqrt(8 * water(t) * thermal(t) * density(c)) * mpmath.sinh(
            z * mp(v) / (2 * thermal(t))
        )
        if abs(z * v / 50.0) < 600.0:
            assert agrees(theory.grahame_charge_density(v, c, z, t), charge)
        slab = draw.positive(-6.0, -3.0)
        fraction = 1 / (1 + 2 * mp(slab) * length / water(t))
        assert agrees(theory.series_slab_fraction(slab, [c, c], [c, c], [z, -z], t), fraction)


def test_salts_and_junctions(draw):
    for _ in range(N_INPUTS):
        cation, anion = draw.positive(-2.0, 2.0), draw.positive(-2.0, 2.0)
        z, y, t = abs(draw.valence()), abs(draw.valence()), draw.temperature()
        c_in = draw.concentration()
        c_out = draw.sometimes(c_in, draw.concentration())
        shared = z * mp(cation) + y * mp(anion)
        assert agrees(theory.nernst_hartley(cation, anion, z, -y), (z + y) * mp(cation) * mp(anion) / shared)
        expected = (mp(cation) - mp(anion)) / shared * thermal(t) * mpmath.log(mp(c_out) / mp(c_in))
        measured = float(theory.liquid_junction_potential(cation, anion, c_in, c_out, t, z, -y))
        assert measured == pytest.approx(float(expected), rel=RELATIVE, abs=1e-10)


def test_henderson(draw):
    for _ in range(N_INPUTS):
        d, c_in, c_out = ([draw.positive(-2.0, 2.0) for _ in range(3)] for _ in range(3))
        z, t = [1, -1, draw.valence()], draw.temperature()
        c_out = draw.sometimes([*c_in[:2], c_in[2] * (1.0 + 1e-7)], c_out)
        s_in, s_out = (sum(z[i] ** 2 * mp(d[i]) * mp(c[i]) for i in range(3)) for c in (c_in, c_out))
        drive = sum(z[i] * mp(d[i]) * (mp(c_out[i]) - mp(c_in[i])) for i in range(3))
        expected = float(thermal(t) * drive / (s_out - s_in) * mpmath.log(s_out / s_in))
        # What flows is a sum over ions: rounding of the largest of them stays.
        scale = float(thermal(t)) * max(z[i] ** 2 * d[i] * max(c_in[i], c_out[i]) for i in range(3))
        measured = float(theory.henderson_potential(d, c_in, c_out, z, t))
        assert measured == pytest.approx(expected, rel=RELATIVE, abs=1e-14 * scale / float(min(s_in, s_out)))


def test_diffusion(draw):
    for _ in range(N_INPUTS):
        d, time, left, right = draw.positive(), draw.positive(), draw.concentration(), draw.concentration()
        x = draw.sometimes(0.0, draw.generator.normal(0.0, 3.0) * np.sqrt(d * time))
        assert agrees(theory.mean_square_displacement(d, time, 3), 6 * mp(d) * mp(time))
        share = mpmath.erf(mp(x) / mpmath.sqrt(4 * mp(d) * mp(time)))
        expected = (mp(left) + mp(right)) / 2 + (mp(right) - mp(left)) / 2 * share
        scale = max(left, right)
        measured = float(theory.step_profile(x, time, d, left, right))
        assert measured == pytest.approx(float(expected), abs=RELATIVE * scale)
        a, b, p = draw.positive(), draw.positive(), draw.positive()
        assert agrees(theory.two_compartment_relaxation_rate(p, a, b), mp(p) * (1 / mp(a) + 1 / mp(b)))


def test_noise(draw):
    for _ in range(N_INPUTS):
        c, g, t, f = draw.positive(), draw.positive(), draw.temperature(), draw.positive()
        variance, tau = draw.positive(), draw.positive()
        assert agrees(theory.capacitance_noise(c, t), mpmath.sqrt(thermal(t) / mp(c)))
        assert agrees(theory.elementary_voltage_step(c), 1 / mp(c))
        assert agrees(theory.charging_time(c, g), mp(c) / mp(g))
        expected = 4 * mp(variance) * mp(tau) / (1 + (2 * mpmath.pi * mp(f) * mp(tau)) ** 2)
        assert agrees(theory.lorentzian(f, variance, tau), expected)
        assert agrees(theory.shot_noise_spectrum(-g, 2.0), 4 * mp(g))


def test_gates_of_two_states(draw):
    for _ in range(N_INPUTS):
        a, b, time, start = (
            draw.positive(),
            draw.positive(),
            draw.positive(-6.0, 0.0),
            draw.generator.random(),
        )
        final = mp(a) / (mp(a) + mp(b))
        decay = mpmath.exp(-(mp(a) + mp(b)) * mp(time))
        assert agrees(theory.two_state_open_probability(a, b), final)
        assert agrees(theory.two_state_autocorrelation(a, b, time), decay)
        measured = float(theory.two_state_relaxation(a, b, start, time))
        assert measured == pytest.approx(float(final + (mp(start) - final) * decay), rel=RELATIVE, abs=1e-15)
        assert agrees(theory.binomial_variance(50, start), 50 * mp(start) * (1 - mp(start)))


def test_chains_of_states(draw):
    """Stationary: the null vector of the generator; relaxing: the matrix exponential; both in 60 digits."""
    for _ in range(10):
        n = int(draw.generator.integers(2, 6))
        rates = 10.0 ** draw.generator.uniform(-2.0, 1.0, (n, n))
        generator = mpmath.matrix(rates.tolist())
        for i in range(n):
            generator[i, i] = -sum(mp(rates[i, j]) for j in range(n) if j != i)
        system = generator.T.copy()
        for j in range(n):
            system[n - 1, j] = mp(1)
        right = mpmath.matrix([mp(0)] * (n - 1) + [mp(1)])
        stationary = [float(one) for one in mpmath.lu_solve(system, right)]
        np.testing.assert_allclose(theory.stationary_distribution(rates), stationary, rtol=RELATIVE)
        time, start = draw.positive(-2.0, 0.5), np.eye(n)[0]
        exact = [float(one) for one in mpmath.expm(generator * mp(time))[0, :]]
        np.testing.assert_allclose(theory.relax(rates, start, time), exact, rtol=RELATIVE)
        visits = [float(-1 / generator[i, i]) for i in range(n)]
        np.testing.assert_allclose(theory.dwell_time_means(rates), visits, rtol=RELATIVE)


def test_rates_that_depend_on_the_potential(draw):
    for _ in range(N_INPUTS):
        rate, scale = draw.positive(), draw.generator.choice([-1, 1]) * draw.positive(0.0, 2.0)
        midpoint = draw.generator.uniform(-100.0, 50.0)
        v = draw.sometimes(
            midpoint, midpoint + scale * draw.generator.choice([-1, 1]) * draw.positive(-8.0, 1.0)
        )
        x = (mp(v) - mp(midpoint)) / mp(scale)
        forms = {
            "HHExpRate": mpmath.exp(x),
            "HHSigmoidRate": 1 / (1 + mpmath.exp(-x)),
            "HHExpLinearRate": mp(1) if x == 0 else x / -mpmath.expm1(-x),
        }
        for name, expected in forms.items():
            assert agrees(theory.VOLTAGE_DEPENDENCES[name](v, rate, midpoint, scale), mp(rate) * expected)
