"""Whole numbers at random: binomial and Poisson, at a cost that does not grow with what is counted.

Both are exact up to a binomial variance of 50: inversion where the mean is small, transformed rejection beyond
(Hörmann 1993, J. Stat. Comput. Simul. 46:101 and Insurance Math. Econ. 12:39), which takes 1.2 to 1.5 attempts
however large the mean. Binomials of a larger variance are inverted by the expansion of Cornish & Fisher (1938, Rev.
Inst. Int. Stat. 5:307): their distribution function is then right to 2e-6 everywhere.

Numbers are counter-based: a step has a key of its own, in which an entity (voxels that are treated together) numbers
its draws. So a function that draws takes the number of the next draw, and returns the one after its last.
"""

import math

import numpy as np
from numba import int64, uint32, uint64

from mc.compilation import compiled, internal
from mc.field.deposition import larger, smaller
from mc.streams import threefry, uniform_pair

SMALL_MEAN = 10.0
"""Below this inversion is faster, and transformed rejection not yet valid."""

LARGE_VARIANCE = 50.0
"""Of a binomial number beyond which its quantiles are those of the expansion."""

MOST_INVERTED = 100
"""A count below SMALL_MEAN in the mean exceeds this with a chance under 1e-60; sums of rounded terms could."""

INVERSES = 1.0 / np.maximum(np.arange(MOST_INVERTED + 1), 1)
"""1/k for each count k but 0: a division takes several times as long as a product."""

STIRLING = np.array(
    [
        0.0810614667953272,
        0.0413406959554092,
        0.0276779256849983,
        0.0207906721037650,
        0.0166446911898211,
        0.0138761288230707,
        0.0118967099458917,
        0.0104112652619720,
        0.00925546218271273,
        0.00833056343336287,
    ]
)
"""ln k! - ((k + 1/2) ln(k + 1) - (k + 1) + ln(2 pi)/2) for k = 0 to 9 (Hörmann 1993, table 1)."""

CENTRE = np.array(
    [
        [
            2.5090809287301226727e3,
            3.3430575583588128105e4,
            6.7265770927008700853e4,
            4.5921953931549871457e4,
            1.3731693765509461125e4,
            1.9715909503065514427e3,
            1.3314166789178437745e2,
            3.3871328727963666080e0,
        ],
        [
            5.2264952788528545610e3,
            2.8729085735721942674e4,
            3.9307895800092710610e4,
            2.1213794301586595867e4,
            5.3941960214247511077e3,
            6.8718700749205790830e2,
            4.2313330701600911252e1,
            1.0,
        ],
    ]
)
FLANK = np.array(
    [
        [
            7.74545014278341407640e-4,
            2.27238449892691845833e-2,
            2.41780725177450611770e-1,
            1.27045825245236838258e0,
            3.64784832476320460504e0,
            5.76949722146069140550e0,
            4.63033784615654529590e0,
            1.42343711074968357734e0,
        ],
        [
            1.05075007164441684324e-9,
            5.47593808499534494600e-4,
            1.51986665636164571966e-2,
            1.48103976427480074590e-1,
            6.89767334985100004550e-1,
            1.67638483018380384940e0,
            2.05319162663775882187e0,
            1.0,
        ],
    ]
)
TAIL = np.array(
    [
        [
            2.01033439929228813265e-7,
            2.71155556874348757815e-5,
            1.24266094738807843860e-3,
            2.65321895265761230930e-2,
            2.96560571828504891230e-1,
            1.78482653991729133580e0,
            5.46378491116411436990e0,
            6.65790464350110377720e0,
        ],
        [
            2.04426310338993978564e-15,
            1.42151175831644588870e-7,
            1.84631831751005468180e-5,
            7.86869131145613259100e-4,
            1.48753612908506148525e-2,
            1.36929880922735805310e-1,
            5.99832206555887937690e-1,
            1.0,
        ],
    ]
)
"""Numerator and denominator of the normal quantile: in the middle, on the flanks and beyond (Wichura 1988)."""


CENTRAL = 0.425
"""How far from 1/2 a probability may be for the first pair of polynomials."""

RARE = math.exp(-25.0)
"""A smaller probability, of going so far to either side, asks for the last pair."""


@compiled
def make_step_key(key, step):
    """Return the key of one step: two words that are themselves random numbers of the stream `key`."""
    return threefry(uint32(step), uint32(uint64(step) >> uint64(32)), key[0], key[1])


@compiled
def fine_uniform(key, entity, draw):
    """Return one number in the open interval (0, 1) that resolves 2e-16, as rare events need it."""
    high, low = threefry(uint32(entity), uint32(draw), key[0], key[1])
    return ((high >> uint32(6)) * 67108864.0 + (low >> uint32(6)) + 0.5) / 4503599627370496.0


@compiled
def stirling_correction(k):
    """Return what Stirling's formula about k + 1 leaves of ln k!."""
    if k < 10:
        return STIRLING[int64(k)]
    inverse = 1.0 / (k + 1.0)
    square = inverse * inverse
    return (1.0 / 12.0 - (1.0 / 360.0 - square / 1260.0) * square) * inverse


@compiled
def polynomial(coefficients, x):
    """Return the polynomial with these coefficients, the highest power first."""
    value = coefficients[0]
    for i in range(1, coefficients.size):
        value = value * x + coefficients[i]
    return value


@compiled
def central_normal_quantile(offset):
    """Return `normal_quantile` of 1/2 + offset, which is within 0.425 of 1/2; written out, so that loops of it run
    several at a time."""
    x = 0.180625 - offset * offset
    c, d = CENTRE[0], CENTRE[1]
    above = ((((((c[0] * x + c[1]) * x + c[2]) * x + c[3]) * x + c[4]) * x + c[5]) * x + c[6]) * x + c[7]
    below = ((((((d[0] * x + d[1]) * x + d[2]) * x + d[3]) * x + d[4]) * x + d[5]) * x + d[6]) * x + d[7]
    return offset * above / below


@compiled
def logarithm(x):
    """Return the natural logarithm of a normal positive number, to 1e-15; written out, as above.

    x = m 2^e with m from 2^-1/2 to 2^1/2, and ln m = 2 artanh((m - 1)/(m + 1)).
    """
    bits = np.float64(x).view(np.int64)
    mantissa = np.int64((bits & int64((1 << 52) - 1)) | int64(1023 << 52)).view(np.float64)
    is_upper = mantissa > math.sqrt(2.0)
    mantissa = 0.5 * mantissa if is_upper else mantissa
    exponent = float((bits >> int64(52)) - int64(1022 if is_upper else 1023))
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    y = ratio * ratio
    series = y * (1 / 13 + y * (1 / 15 + y * (1 / 17 + y * (1 / 19 + y * (1 / 21)))))
    series = y * (1 / 3 + y * (1 / 5 + y * (1 / 7 + y * (1 / 9 + y * (1 / 11 + series)))))
    return exponent * math.log(2.0) + 2.0 * (ratio + ratio * series)


@compiled
def flank_normal_quantile(probability):
    """Return `normal_quantile` of a probability that is neither near 1/2 nor within RARE of 0 or 1."""
    x = math.sqrt(-logarithm(smaller(probability, 1.0 - probability))) - 1.6
    c, d = FLANK[0], FLANK[1]
    above = ((((((c[0] * x + c[1]) * x + c[2]) * x + c[3]) * x + c[4]) * x + c[5]) * x + c[6]) * x + c[7]
    below = ((((((d[0] * x + d[1]) * x + d[2]) * x + d[3]) * x + d[4]) * x + d[5]) * x + d[6]) * x + d[7]
    return above / below if probability > 0.5 else -above / below


@compiled
def normal_quantile(probability):
    """Return the standard normal number of a probability in (0, 1), to 1e-15 relative.

    Wichura (1988), Appl. Stat. 37:477, algorithm AS 241, PPND16.
    """
    offset = probability - 0.5
    if abs(offset) <= CENTRAL:
        return central_normal_quantile(offset)
    if min(probability, 1.0 - probability) > RARE:
        return flank_normal_quantile(probability)
    depth = math.sqrt(-math.log(min(probability, 1.0 - probability)))
    quantile = polynomial(TAIL[0], depth - 5.0) / polynomial(TAIL[1], depth - 5.0)
    return quantile if offset > 0.0 else -quantile


@internal
def draw_normals(key, entity, draw, numbers, normals, places, outer):
    """Fill `normals` with standard normal numbers, of the draws from `draw` on; the others: working memory as long.

    Short loops, each over few arrays: several of their turns are made at once.
    """
    for i in range(numbers.size):
        numbers[i] = fine_uniform(key, entity, draw + i)
    for i in range(numbers.size):
        normals[i] = central_normal_quantile(numbers[i] - 0.5)
    n_outer = 0
    for i in range(numbers.size):
        places[n_outer] = i
        n_outer += 1 if abs(numbers[i] - 0.5) > CENTRAL else 0
    for j in range(n_outer):
        outer[j] = numbers[places[j]]
    for j in range(n_outer):
        outer[j] = flank_normal_quantile(outer[j])
    for j in range(n_outer):
        normals[places[j]] = outer[j]
    for i in range(numbers.size):
        if min(numbers[i], 1.0 - numbers[i]) <= RARE:
            normals[i] = normal_quantile(numbers[i])


@compiled
def large_binomial_quantile(n, probability, z):
    """Return the quantile, not yet rounded, of a binomial of a large variance where a normal number has `z`.

    The expansion of Cornish and Fisher to third order in the cumulants, of which the second and the fourth are off
    by what rounding to the nearest whole number adds, 1/12 and -1/120: of orders 1, 1/deviation and 1/variance.
    """
    variance = n * probability * (1.0 - probability)
    deviation = math.sqrt(variance)
    skew = 1.0 - 2.0 * probability
    # 1 - 6 p q and 1 - 12 p q, for 4 p q is 1 - skew^2.
    of_fourth, of_fifth = 1.5 * skew * skew - 0.5, 3.0 * skew * skew - 2.0
    square = z * z
    first = skew * (square - 1.0) * (1.0 / 6.0)
    second = z * (
        of_fourth * (square - 3.0) * (1.0 / 24.0)
        - skew * skew * (2.0 * square - 5.0) * (1.0 / 36.0)
        - 1.0 / 24.0
    )
    third = skew * (
        of_fifth * ((square - 6.0) * square + 3.0) * (1.0 / 120.0)
        - of_fourth * ((square - 5.0) * square + 2.0) * (1.0 / 24.0)
        + skew * skew * ((12.0 * square - 53.0) * square + 17.0) * (1.0 / 324.0)
        + (square - 1.0) * (1.0 / 72.0)
    )
    return n * probability + deviation * z + first + second / deviation + third / variance


@compiled
def round_large_binomial(n, probability, z):
    """Return the count, a whole float, of a binomial of a large variance where a normal number has `z`."""
    quantile = large_binomial_quantile(n, probability, z)
    return math.floor(smaller(larger(quantile + 0.5, 0.0), float(n)))


@internal
def round_large_binomials(ns, probabilities, normals):
    """Replace normal numbers with the counts, whole floats, of binomials of a large variance."""
    for i in range(normals.size):
        normals[i] = round_large_binomial(ns[i], probabilities[i], normals[i])


@compiled
def expand_binomial(n, probability, number):
    """Return the count of a binomial of a large variance that belongs to `number`, uniform in (0, 1)."""
    return int64(round_large_binomial(n, probability, normal_quantile(number)))


@compiled
def invert_binomial(n, probability, log_of_none, number):
    """Return the count at which the sum of the binomial probabilities reaches `number`, uniform in (0, 1).

    `log_of_none`: the logarithm of 1 - probability, of which a table may be made.
    """
    # The chance of none, (1 - p)^n, is no less than 1 - n p.
    if number < 1.0 - n * probability:
        return int64(0)
    odds = probability / (1.0 - probability)
    term = math.exp(n * log_of_none)
    count = int64(0)
    most = min(n, MOST_INVERTED)
    while number > term and count < most:
        number -= term
        count += 1
        term *= odds * (n - count + 1) * INVERSES[count]
    return count


@compiled
def reject_binomial(n, probability, key, entity, draw):
    """Return a binomial number of a mean of 10 or more and a probability up to 1/2, and the next draw: BTRS."""
    deviation = math.sqrt(n * probability * (1.0 - probability))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * probability
    centre = n * probability + 0.5
    quick = 0.92 - 4.2 / b
    while True:
        first, second = uniform_pair(key, entity, draw)
        draw += 1
        u = first - 0.5
        distance = 0.5 - abs(u)
        k = math.floor((2.0 * a / distance + b) * u + centre)
        if distance >= 0.07 and second <= quick:
            return int64(k), draw
        if k < 0.0 or k > n:
            continue
        odds = probability / (1.0 - probability)
        mode = math.floor((n + 1) * probability)
        scale = (2.83 + 5.1 / b) * deviation
        bound = (
            (mode + 0.5) * math.log((mode + 1.0) / (odds * (n - mode + 1.0)))
            + (n + 1.0) * math.log((n - mode + 1.0) / (n - k + 1.0))
            + (k + 0.5) * math.log(odds * (n - k + 1.0) / (k + 1.0))
            + stirling_correction(mode)
            + stirling_correction(n - mode)
            - stirling_correction(k)
            - stirling_correction(n - k)
        )
        if math.log(second * scale / (a / (distance * distance) + b)) <= bound:
            return int64(k), draw


@compiled
def binomial(n, probability, key, entity, draw):
    """Return how many of `n` happen, each by itself with a probability from 0 to 1, and the next draw."""
    if n <= 0 or probability <= 0.0:
        return int64(0), draw
    if probability >= 1.0:
        return int64(n), draw
    smaller = min(probability, 1.0 - probability)
    if n * smaller < SMALL_MEAN:
        count = invert_binomial(n, smaller, math.log1p(-smaller), fine_uniform(key, entity, draw))
        draw += 1
    elif n * smaller * (1.0 - smaller) > LARGE_VARIANCE:
        count = expand_binomial(n, smaller, fine_uniform(key, entity, draw))
        draw += 1
    else:
        count, draw = reject_binomial(n, smaller, key, entity, draw)
    return (count if probability <= 0.5 else n - count), draw


@compiled
def poisson(mean, key, entity, draw):
    """Return a Poisson number, and the next draw: by inversion, or PTRS."""
    if mean <= 0.0:
        return int64(0), draw
    if mean < SMALL_MEAN:
        number = fine_uniform(key, entity, draw)
        term = math.exp(-mean)
        count = int64(0)
        while number > term and count < MOST_INVERTED:
            number -= term
            count += 1
            term *= mean / count
        return count, draw + 1
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    scale = 1.1239 + 1.1328 / (b - 3.4)
    quick = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        first, second = uniform_pair(key, entity, draw)
        draw += 1
        u = first - 0.5
        distance = 0.5 - abs(u)
        k = math.floor((2.0 * a / distance + b) * u + mean + 0.43)
        if distance >= 0.07 and second <= quick:
            return int64(k), draw
        if k < 0.0 or (distance < 0.013 and second > distance):
            continue
        bound = k * math.log(mean) - mean - math.lgamma(k + 1.0)
        if math.log(second * scale / (a / (distance * distance) + b)) <= bound:
            return int64(k), draw
