"""The shipped sweeps: Vm follows GHK over two decades of potassium, and its noise sqrt(kT/C) over two of area.

Every point has eight replicas. Its difference from theory in standard errors between them is Student's t with seven
degrees of freedom, so no probability in a table may lie below that of five sigma, 5.7e-7, shared among its points.
"""

from pathlib import Path

import numpy as np
import pytest

import mc
from mc.ensemble.results import chance_of

pytestmark = pytest.mark.slow

SCENARIOS = Path(__file__).parents[2] / "scenarios"
FALSE_ALARM = 5.7e-7


def smallest_chance(differences, errors, n_runs):
    """Return the probability of the most unlikely of some differences, all of them considered."""
    scores = np.asarray(differences) / np.asarray(errors)
    return len(scores) * min(chance_of(score, n) for score, n in zip(scores, n_runs, strict=True))


def test_the_potential_follows_ghk_over_two_decades_of_potassium(tmp_path):
    table = mc.sweep(SCENARIOS / "potassium_sweep.toml", tmp_path).table
    rows, nernst = table.of("membrane_potential"), table.of("reversal_potential.K")["mean"]
    assert rows["runs"].tolist() == [8] * 8
    assert rows["standard_error"].max() < 0.5
    # The numbers that its first lines promise, for the solutions as they are in the far baths.
    promised = [-78.3, -73.6, -68.4, -58.6, -45.9, -30.7, -14.1, 1.8]
    np.testing.assert_allclose(rows["theory"], promised, atol=0.3)
    errors, n_runs = rows["difference_standard_error"], rows["runs"]
    assert smallest_chance(rows["difference"], errors, n_runs) > FALSE_ALARM
    # Nernst's law of potassium alone fails where sodium counts, and holds where it does not.
    from_nernst = rows["mean"] - nernst
    assert smallest_chance(from_nernst, errors, n_runs) < FALSE_ALARM
    assert from_nernst[0] > 40.0
    assert abs(from_nernst[-1]) < 1.0


def test_noise_falls_with_the_root_of_the_area(tmp_path):
    rows = mc.sweep(SCENARIOS / "area_sweep.toml", tmp_path).table.of("noise")
    area = np.geomspace(0.01, 1.0, 7)
    np.testing.assert_allclose(rows["theory"], 0.654 / np.sqrt(area), rtol=2e-3)
    errors, n_runs = rows["difference_standard_error"], rows["runs"]
    assert smallest_chance(rows["difference"], errors, n_runs) > FALSE_ALARM
    assert (errors / rows["mean"]).max() < 0.05
    # All points together, 49 degrees of freedom of their errors: within 3 %, and no tenth more or less.
    relative, its_errors = rows["difference"] / rows["theory"], errors / rows["theory"]
    error = np.sqrt((its_errors**2).sum()) / len(area)
    assert error < 0.008
    assert chance_of(relative.mean() / error, 50) > FALSE_ALARM
    for wrong in (0.1, -0.1):
        assert chance_of((relative.mean() + wrong) / error, 50) < FALSE_ALARM
