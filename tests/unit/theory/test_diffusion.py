import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm

from mc import constants, theory

ROOM_TEMPERATURE = 298.15
THERMAL = constants.thermal_potential(ROOM_TEMPERATURE)


def test_mean_square_displacement_grows_with_dimensions():
    np.testing.assert_allclose(theory.mean_square_displacement(2.0, [0.0, 3.0]), [0.0, 12.0])
    assert theory.mean_square_displacement(2.0, 3.0, dimensions=3) == 36.0


def test_step_profile_equals_its_formula():
    positions = np.linspace(-6.0, 6.0, 13)
    measured = theory.step_profile(positions, 1.5, 2.0, 100.0, 20.0)
    expected = [60.0 - 40.0 * float(mpmath.erf(x / mpmath.sqrt(12.0))) for x in positions]
    np.testing.assert_allclose(measured, expected, rtol=1e-12)


def test_step_profile_at_time_zero_is_the_step():
    np.testing.assert_array_equal(theory.step_profile([-1.0, 0.0, 1.0], 0.0, 2.0, 3.0, 1.0), [3.0, 2.0, 1.0])


def exact_survival(spread):
    """By images, each erfc: converges where the waves do not."""
    with mpmath.workdps(40):
        root = mpmath.sqrt(4 * mpmath.mpf(spread))

        def lost(k):
            # Integral of erfc over the bath, for an image of the end at each odd multiple of the length.
            integrated = [
                x * mpmath.erfc(x / root) - root / mpmath.sqrt(mpmath.pi) * mpmath.exp(-((x / root) ** 2))
                for x in (mpmath.mpf(2 * k), mpmath.mpf(2 * k + 2))
            ]
            return (-1) ** k * (integrated[1] - integrated[0])

        return float(1 - sum(lost(k) for k in range(40)))


@pytest.mark.parametrize("spread", [1e-5, 1e-3, 0.05, 0.4, 3.0])
def test_survival_by_waves_is_that_by_images(spread):
    measured = theory.first_passage_survival(spread * 400.0 / 2.5, 2.5, 20.0)
    assert measured == pytest.approx(exact_survival(spread), rel=1e-9)


def test_survival_begins_with_all_and_integrates_to_the_mean_first_passage_time():
    assert theory.first_passage_survival(0.0, 2.5, 20.0) == pytest.approx(1.0, abs=1e-7)
    mean, _ = quad(lambda time: theory.first_passage_survival(time, 2.5, 20.0), 1e-9, 3000.0, limit=200)
    assert mean == pytest.approx(20.0**2 / 7.5, rel=1e-6)


def test_survival_of_a_bath_that_is_filled_in_part():
    """The mean first passage time from x is (L^2 - x^2)/(2 D)."""
    mean, _ = quad(lambda time: theory.first_passage_survival(time, 2.5, 20.0, 0.8), 1e-9, 3000.0, limit=200)
    assert mean == pytest.approx((20.0**2 - 16.0**2 / 3.0) / 5.0, rel=1e-6)
    assert theory.first_passage_survival(0.01, 2.5, 20.0, 0.8) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("spread", [1e-4, 0.02, 0.3, 2.0])
@pytest.mark.parametrize("x", [0.0, 0.3, 0.9, 1.0])
def test_the_profile_of_a_bath_that_fills_is_that_by_images(spread, x):
    with mpmath.workdps(40):
        root = mpmath.sqrt(4 * mpmath.mpf(spread))
        expected = sum(
            (-1) ** k * (mpmath.erfc((2 * k + 1 - x) / root) + mpmath.erfc((2 * k + 1 + x) / root))
            for k in range(40)
        )
    measured = theory.filling_profile(20.0 * x, spread * 400.0 / 2.5, 2.5, 20.0)
    assert measured == pytest.approx(float(expected), rel=1e-9, abs=1e-11)


def test_two_compartments_relax_at_the_rate_of_their_equation():
    permeability, inside, outside = 0.3, 20.0, 50.0
    flux_matrix = permeability * np.array([[-1 / inside, 1 / inside], [1 / outside, -1 / outside]])
    slowest = -np.linalg.eigvals(flux_matrix).min()
    assert theory.two_compartment_relaxation_rate(permeability, inside, outside) == pytest.approx(slowest)
    with pytest.raises(ValueError, match="inside length must be above zero"):
        theory.two_compartment_relaxation_rate(1.0, 0.0, 1.0)


def test_nernst_hartley_of_common_salts():
    assert theory.nernst_hartley(1.334, 2.032) == pytest.approx(1.611, abs=5e-4)
    assert theory.nernst_hartley(1.957, 2.032) == pytest.approx(1.994, abs=5e-4)
    assert theory.nernst_hartley(0.792, 2.032, valence_cation=2) == pytest.approx(1.335, abs=5e-4)


def test_liquid_junction_charges_the_dilute_side_with_the_faster_ion():
    measured = theory.liquid_junction_potential(1.334, 2.032, 100.0, 10.0, ROOM_TEMPERATURE)
    expected = (1.334 - 2.032) / (1.334 + 2.032) * THERMAL * np.log(0.1)
    assert measured == pytest.approx(expected)
    assert measured > 0


@pytest.mark.parametrize("valence", [1, 2])
def test_henderson_of_one_salt_is_the_liquid_junction_potential(valence):
    inside, outside = np.array([100.0, 10.0, 50.0]), np.array([10.0, 100.0, 50.0])
    henderson = theory.henderson_potential(
        [0.8, 2.0],
        np.stack([inside, valence * inside]),
        np.stack([outside, valence * outside]),
        [valence, -1],
        ROOM_TEMPERATURE,
    )
    junction = theory.liquid_junction_potential(0.8, 2.0, inside, outside, ROOM_TEMPERATURE, valence)
    np.testing.assert_allclose(henderson, junction, rtol=1e-12, atol=1e-12)


def test_henderson_equals_its_formula_also_near_equal_conductivities():
    diffusion = {"K": 2.0, "Na": 1.0, "Cl": 2.0}
    valence = {"K": 1, "Na": 1, "Cl": -1}
    inside = {"K": 100.0, "Cl": 100.0}
    for sodium in (200.0, 200.0 * (1 + 1e-10), 150.0, 1000.0):
        outside = {"Na": sodium, "Cl": 100.0}
        with mpmath.workdps(60):
            sums_in = 2 * mpmath.mpf(300) - 200
            sums_out = mpmath.mpf(sodium) + 200
            drive = mpmath.mpf(sodium) - 200
            slope = mpmath.log(sums_out / sums_in) / (sums_out - sums_in) if drive else 1 / sums_in
            expected = float(THERMAL * drive * slope)
        measured = theory.henderson_potential(diffusion, inside, outside, valence, ROOM_TEMPERATURE)
        assert measured == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_henderson_between_equal_conductivities_is_finite_and_not_zero():
    # Twice as much sodium, half as fast, with a divalent anion that does not diffuse: S is 200 on both sides.
    measured = theory.henderson_potential([2.0, 1.0], [100.0, 0.0], [0.0, 50.0], [1, 2], ROOM_TEMPERATURE)
    assert measured == pytest.approx(THERMAL * (100.0 - 200.0) / 200.0, rel=1e-12)


SOURCE = {"rate": 0.007, "diffusion_coefficient": 1.05, "depth": 20.0, "length": 50.0}


def source_by_modes(x, y, period, n_modes=20_000):
    """Return the excess around the source as a sum of waves along the wall, each solved across it."""
    rate, coefficient, depth, length = SOURCE.values()
    wave = 2.0 * np.pi * np.arange(1, n_modes + 1) / period
    # sinh(q (L - x))/cosh(q L) without overflow.
    across = (
        np.exp(-wave * x) * (1.0 - np.exp(-2.0 * wave * (length - x))) / (1.0 + np.exp(-2.0 * wave * length))
    )
    total = length - x + 2.0 * np.sum(np.cos(wave * y) * across / wave)
    return rate * total / (depth * period * coefficient) / constants.IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR


@pytest.mark.parametrize("period", [60.0, 200.0])
@pytest.mark.parametrize(("x", "y"), [(1.0, 0.0), (0.5, 5.0), (10.0, 7.0), (30.0, 95.0), (49.0, 20.0)])
def test_a_wall_source_is_a_sum_of_waves(x, y, period):
    measured = theory.wall_source_excess(x, y, **SOURCE, period=period)
    assert measured == pytest.approx(source_by_modes(x, y, period), rel=1e-8)


def test_a_wall_source_is_a_logarithm_near_by_and_nothing_from_the_plane_on():
    rate, coefficient, depth, length = SOURCE.values()
    scale = rate / (np.pi * coefficient * depth) / constants.IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    np.testing.assert_allclose(
        theory.wall_source_excess([0.0, 0.5, 0.3], [0.5, 0.0, -0.4], **SOURCE),
        scale * np.log(4.0 * length / (np.pi * 0.5)),
        rtol=1e-4,
    )
    along = np.array([5.0, 20.0, 100.0])
    np.testing.assert_allclose(
        theory.wall_source_excess(0.0, along, **SOURCE),
        -scale * np.log(np.tanh(np.pi * along / (4.0 * length))),
        rtol=1e-12,
    )
    assert theory.wall_source_excess(0.0, 0.0, **SOURCE) == np.inf
    np.testing.assert_array_equal(theory.wall_source_excess([50.0, 60.0], 3.0, **SOURCE), 0.0)
    assert theory.wall_source_excess(0.0, 1e6, **SOURCE) == 0.0
    with pytest.raises(ValueError, match="length must be above zero"):
        theory.wall_source_excess(1.0, 1.0, 1.0, 1.0, 1.0, 0.0)


@pytest.mark.parametrize("time", [5.0, 300.0, 3000.0])
@pytest.mark.parametrize(("x", "y"), [(0.1, 5.0), (20.0, 0.0), (35.0, 60.0)])
def test_the_rise_around_a_wall_source_is_a_sum_of_waves_that_decay(x, y, time):
    """What is still missing from the steady state, in eigenfunctions of both axes."""
    rate, coefficient, depth, length = SOURCE.values()
    period = 120.0
    across = (np.arange(200)[:, None] + 0.5) * np.pi / length
    along = np.arange(400) * 2.0 * np.pi / period
    weight = np.where(along == 0.0, 1.0, 2.0) * 2.0 / (length * period)
    decay = coefficient * (across**2 + along**2)
    missing = np.sum(weight * np.cos(across * x) * np.cos(along * y) * np.exp(-decay * time) / decay)
    missing *= rate / depth / constants.IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    steady = source_by_modes(x, y, period, n_modes=200_000)
    measured = theory.wall_source_transient(x, y, time, **SOURCE, period=period)
    assert measured == pytest.approx(steady - missing, rel=1e-5, abs=1e-6 * steady)


def test_the_rise_around_a_wall_source_begins_with_nothing_and_ends_in_the_steady_state():
    x, y = np.array([[0.0], [10.0], [60.0]]), np.array([3.0, 30.0])
    np.testing.assert_array_equal(theory.wall_source_transient(x, y, 0.0, **SOURCE, period=200.0), 0.0)
    assert theory.wall_source_transient(0.0, 0.0, 0.0, **SOURCE) == 0.0
    np.testing.assert_allclose(
        theory.wall_source_transient(x, y, 40_000.0, **SOURCE, period=200.0),
        theory.wall_source_excess(x, y, **SOURCE, period=200.0),
        rtol=1e-9,
    )
    with pytest.raises(ValueError, match="time must not be negative"):
        theory.wall_source_transient(0.0, 1.0, -1.0, **SOURCE)


MOUTH = {"diffusion_coefficient": 2.5, "depth": 10.0, "length": 40.0}


@pytest.mark.parametrize("period", [80.0, 400.0])
def test_a_mouth_with_a_uniform_flux_resists_as_a_sum_of_waves_does(period):
    """The mean over the mouth of what it sends out itself: the square of its form factor for each wave."""
    width = 1.0
    wave = 2.0 * np.pi * np.arange(1, 1_000_000) / period
    form = np.sin(wave * width / 2.0) / (wave * width / 2.0)
    total = MOUTH["length"] + 2.0 * np.sum(form**2 * np.tanh(wave * MOUTH["length"]) / wave)
    expected = total / (MOUTH["depth"] * period * MOUTH["diffusion_coefficient"])
    measured = theory.strip_access_resistance(width, **MOUTH, period=period, mouth="uniform flux")
    assert measured == pytest.approx(expected, rel=3e-4)


def hops_of_a_grid(spacing, column_width, coefficient, length, period):
    """Return the hops along the normal and along the wall, (cells, cells) in 1/ns, and the widths of the cells."""
    rows, columns = round(length / spacing), round(period / column_width)
    normal = np.zeros((rows, rows))
    widths = np.full(rows, spacing)
    widths[0] = spacing / 2.0
    for row in range(rows):
        for neighbour in (row - 1, row + 1):
            if neighbour >= 0:
                normal[row, row] -= coefficient / (spacing * widths[row])
                if neighbour < rows:
                    normal[neighbour, row] += coefficient / (spacing * widths[row])
    ring = np.roll(np.eye(columns), 1, axis=0) + np.roll(np.eye(columns), -1, axis=0) - 2.0 * np.eye(columns)
    along = coefficient / column_width**2 * ring
    return np.kron(normal, np.eye(columns)), np.kron(np.eye(rows), along), widths


def test_a_channel_in_a_column_resists_as_its_grid_does():
    """The stationary state of hops on the grid, with a source in one cell at the wall."""
    spacing, column_width, coefficient, depth, length, period = 1.5, 3.75, 2.0, 20.0, 12.0, 30.0
    normal, along, widths = hops_of_a_grid(spacing, column_width, coefficient, length, period)
    source = np.eye(1, normal.shape[0])[0]
    volume = widths[0] * column_width * depth
    box = (spacing, column_width, coefficient, depth, length, period)
    expected = np.linalg.solve(-(normal + along), source)[0] / volume
    assert theory.column_access_resistance(*box) == pytest.approx(expected, rel=1e-12)
    # In steps: what comes is there when ions hop along the wall, and felt as the mean over the next step.
    for time_step in (0.25, 2.0):
        stays, hopped = expm(time_step * normal), expm(time_step * along)
        there = np.linalg.solve(np.eye(len(source)) - hopped @ stays, hopped @ source)
        felt = np.linalg.solve(normal, (stays - np.eye(len(source))) @ there)[0] / volume
        found = theory.column_access_resistance(*box, time_step)
        assert found == pytest.approx(felt, rel=1e-12)
        assert found < 0.99 * expected


def test_a_column_resists_as_a_strip_of_most_of_its_width():
    """Square cells as 0.89 of their width, ever flatter ones as 0.63."""
    coefficient, depth, length, period = 2.0, 20.0, 12.0, 30.0
    for spacing, width, part in ((0.1, 0.1, 0.89), (0.01, 0.5, 0.63)):
        found = theory.column_access_resistance(spacing, width, coefficient, depth, length, period)
        strip = [
            theory.strip_access_resistance(
                of_strip * width, coefficient, depth, length, period, mouth="uniform flux"
            )
            for of_strip in (part - 0.02, part + 0.02)
        ]
        assert strip[1] < found < strip[0]


def test_a_column_resistance_needs_whole_cells():
    with pytest.raises(ValueError, match="whole"):
        theory.column_access_resistance(1.5, 4.0, 2.0, 20.0, 12.0, 30.0)


def test_a_mouth_with_a_uniform_concentration_resists_as_its_integral_equation_says():
    """Flux in 2,000 pieces of a mouth, so that together they make one concentration; without a period."""
    width, n = 2.0, 2000
    edges = width / 2.0 * np.cos(np.pi * np.arange(n + 1) / n)[::-1]
    centres, pieces = (edges[1:] + edges[:-1]) / 2.0, np.diff(edges)
    distance = np.abs(centres[:, None] - centres)
    # A piece at itself: the mean of the logarithm over it as seen from its middle.
    np.fill_diagonal(distance, pieces / (2.0 * np.e))
    kernel = -np.log(np.tanh(np.pi * distance / (4.0 * MOUTH["length"])))
    kernel /= np.pi * MOUTH["diffusion_coefficient"] * MOUTH["depth"]
    expected = 1.0 / np.linalg.solve(kernel, np.ones(n)).sum()
    measured = theory.strip_access_resistance(width, **MOUTH)
    assert measured == pytest.approx(expected, rel=1e-3)
    assert theory.strip_access_resistance(width, **MOUTH, mouth="uniform flux") > 1.02 * measured
    with pytest.raises(ValueError, match="uniform flux"):
        theory.strip_access_resistance(width, **MOUTH, mouth="round")


def test_a_wall_that_takes_up_what_is_beside_it_obeys_its_law_and_loses_nothing():
    """Away from the source D dc/dx = v c at the wall; what comes goes into the wall or to the plane opposite."""
    coefficient, depth, length, period, uptake = 1.05, 20.0, 25.0, 100.0, 0.15

    def excess(x, y):
        return theory.wall_source_excess(x, y, 1.0, coefficient, depth, length, period, uptake)

    step = 0.01
    for y in (5.0, 20.0, 50.0):
        slope = (4.0 * excess(step, y) - 3.0 * excess(0.0, y) - excess(2.0 * step, y)) / (2.0 * step)
        assert coefficient * slope == pytest.approx(uptake * excess(0.0, y), abs=5e-4)
    y = (np.arange(4000) + 0.5) / 4000 * period
    density = theory.species.number_density(1.0)
    to_the_plane = coefficient * np.mean(excess(length - 0.01, y)) / 0.01 * period * depth * density
    into_the_wall = uptake * np.mean(excess(0.0, y)) * period * depth * density
    # The mean along the wall leaves out a part of the logarithm at the source.
    assert to_the_plane + into_the_wall == pytest.approx(1.0, abs=2e-3)
    assert into_the_wall == pytest.approx(uptake * length / (coefficient + uptake * length), abs=2e-3)


def test_a_weak_uptake_is_none():
    place = (3.0, 4.0, 1.0, 1.05, 20.0, 25.0, 100.0)
    assert theory.wall_source_excess(*place, 1e-9) == pytest.approx(
        theory.wall_source_excess(*place), rel=1e-6
    )
    assert theory.wall_source_excess(*place, 0.15) < 0.6 * theory.wall_source_excess(*place)
    with pytest.raises(ValueError, match="period must be finite"):
        theory.wall_source_excess(3.0, 4.0, 1.0, 1.05, 20.0, 25.0, np.inf, 0.15)


def test_a_stirred_mouth_lies_between_a_uniform_flux_and_one_concentration():
    assert theory.stirred_mouth(0.0) == pytest.approx(1.5, abs=0.002)
    assert theory.stirred_mouth(1e5) == pytest.approx(np.log(4.0), abs=0.002)
    assert theory.stirred_mouth(3.75) == pytest.approx(1.472, abs=0.002)


CLEFT = {"diffusion_coefficient": 1.05, "depth": 200.0, "period": 100.0}


def test_in_a_thin_cleft_calcium_falls_off_as_along_a_cable():
    """With the sink along the whole of it, so weak that nothing varies across."""
    thickness, uptake = 0.05, 4e-4
    length = np.sqrt(CLEFT["diffusion_coefficient"] * thickness / uptake)
    y = np.array([0.0, 3.0, -20.0, 50.0, 97.0])
    distance = np.array([0.0, 3.0, 20.0, 50.0, 3.0])
    period, density = CLEFT["period"], theory.species.number_density(1.0)
    scale = length / (2.0 * CLEFT["diffusion_coefficient"] * CLEFT["depth"] * thickness) / density
    expected = 7.0 * scale * np.cosh((period / 2.0 - distance) / length) / np.sinh(period / (2.0 * length))
    found = theory.cleft_source_excess(y, 7.0, thickness=thickness, uptake=uptake, **CLEFT)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    with_reach = theory.cleft_source_excess(y, 7.0, thickness=thickness, uptake=uptake, reach=0.01, **CLEFT)
    np.testing.assert_allclose(with_reach, expected, rtol=1e-6)


def test_a_cleft_agrees_with_its_grid():
    """Hops between cells of a cleft one of whose walls takes up, on two grids extrapolated to none."""
    thickness, uptake, coefficient, period = 5.0, 0.036, 1.05, 60.0
    places = np.array([7.5, 15.0, 30.0])
    found = []
    for spacing in (1.25, 0.625):
        rows, columns = round(thickness / spacing) + 1, round(period / spacing)
        widths = np.full(rows, spacing)
        widths[[0, -1]] /= 2.0
        edge = coefficient / spacing
        ring = (
            np.roll(np.eye(columns), 1, axis=0) + np.roll(np.eye(columns), -1, axis=0) - 2.0 * np.eye(columns)
        )
        chain = np.diag(np.full(rows - 1, edge), 1) + np.diag(np.full(rows - 1, edge), -1)
        chain -= np.diag(chain.sum(axis=1))
        # Flow into each cell over the depth and width of a column; the first row is beside the wall.
        flow = np.kron(chain, np.eye(columns)) + np.kron(np.diag(widths * edge / spacing), ring)
        flow[:columns, :columns] -= uptake * np.eye(columns)
        source = np.eye(1, rows * columns)[0] / (CLEFT["depth"] * spacing)
        density = np.linalg.solve(-flow, source).reshape(rows, columns)
        mean = widths @ density / thickness / theory.species.number_density(1.0)
        found.append(mean[np.round(places / spacing).astype(int)])
    box = {"depth": CLEFT["depth"], "thickness": thickness, "period": period, "uptake": uptake}
    expected = theory.cleft_source_excess(places, 1.0, coefficient, **box)
    np.testing.assert_allclose((4.0 * found[1] - found[0]) / 3.0, expected, rtol=2e-4)
    # Across this cleft the concentration varies: a cable would be off by more.
    cable = theory.cleft_source_excess(places, 1.0, coefficient, **box, reach=1e-6)
    assert np.abs(cable / expected - 1.0).max() > 0.01


def test_transporters_that_sense_farther_leave_more_of_a_narrow_peak_and_take_as_much():
    box = CLEFT | {"thickness": 5.0, "uptake": 0.036}
    y = (np.arange(1000) + 0.5) / 10.0
    near, far = (theory.cleft_source_excess(y, 1.0, reach=reach, **box) for reach in (0.1, 5.5))
    assert far.mean() == pytest.approx(near.mean(), rel=1e-6)
    taken = 0.036 * far.mean() * theory.species.number_density(1.0) * CLEFT["period"] * CLEFT["depth"]
    assert taken == pytest.approx(1.0, rel=1e-4)
    assert far[0] > 1.01 * near[0]
    assert far[499] < 0.99 * near[499]


def test_a_cleft_without_uptake_has_no_steady_state():
    with pytest.raises(ValueError, match="uptake"):
        theory.cleft_source_excess(1.0, 1.0, thickness=5.0, uptake=0.0, **CLEFT)
