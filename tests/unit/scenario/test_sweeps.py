"""The [sweep] table and --vary: lists, ranges, pairs, crosses, and what is wrong with them."""

import numpy as np
import pytest

from mc.errors import ScenarioError
from mc.scenario.reading import read_scenario
from mc.scenario.schema import Scenario
from mc.scenario.sweeps import Sweep, Variation, read_variation


def test_a_logarithmic_range_has_equal_ratios_and_its_ends_as_written():
    values = Variation(
        key="outside.K", first="1.5 mM", last="150 mM", points=9, spacing="logarithmic"
    ).all_values
    assert values[0] == "1.5 mM"
    assert values[-1] == "150 mM"
    numbers = np.array([float(value.removesuffix(" mM")) for value in values])
    np.testing.assert_allclose(numbers[1:] / numbers[:-1], 100 ** (1 / 8), rtol=1e-5)


def test_a_linear_range_has_equal_differences_and_may_fall():
    assert Variation(key="x", first="2", last="-4", points=4).all_values == ("2", "0", "-2", "-4")
    assert Variation(key="x", first="0.0", last="1.0", points=3).all_values == ("0.0", "0.5", "1.0")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "first is missing"),
        ({"first": "1 mM", "last": "2 mM"}, "points is missing"),
        ({"values": ["1 mM"], "points": 3}, "give the one or the other"),
        ({"values": ["1 mM", "2 mM", "1 mM"]}, "1 mM comes twice"),
        ({"first": "0", "last": "1", "points": 5}, "write 0.0 for others"),
        ({"first": "1 mM", "last": "2 M", "points": 3}, "same unit as the first one"),
        ({"first": "low", "last": "high", "points": 3}, "must be a number"),
        ({"first": "0 mM", "last": "2 mM", "points": 3, "spacing": "logarithmic"}, "two ends above zero"),
        ({"values": [["1 mM"]]}, "expected text with a unit"),
    ],
)
def test_what_is_wrong_with_a_variation_is_said(entry, message):
    with pytest.raises(ValueError, match=message):
        Variation(key="outside.K", **entry)


def two(paired):
    return Sweep(
        vary=(
            Variation(key="a", values=("1", "2", "3")),
            Variation(key="b", values=("x", "y", "z")),
        ),
        paired=paired,
        replicas=2,
    )


def test_keys_are_crossed_or_paired():
    assert two(paired=True).points == (("1", "x"), ("2", "y"), ("3", "z"))
    crossed = two(paired=False)
    assert crossed.points[:4] == (("1", "x"), ("1", "y"), ("1", "z"), ("2", "x"))
    assert crossed.n_points == len(crossed.points) == 9
    assert Sweep(replicas=3).points == ((),)


def test_pairs_need_as_many_values_and_no_key_varies_twice():
    with pytest.raises(ValueError, match="2 values, but a has 1: paired keys need as many"):
        Sweep(vary=({"key": "a", "values": [1]}, {"key": "b", "values": [1, 2]}), paired=True)
    with pytest.raises(ValueError, match="a varies already"):
        Sweep(vary=({"key": "a", "values": [1]}, {"key": "a", "values": [2]}))
    with pytest.raises(ValueError, match="are more than 1000000"):
        Sweep(replicas=2_000_000)


def test_a_sweep_survives_the_way_through_a_recording(scenario_file):
    table = '[sweep]\nreplicas = 3\n[[sweep.vary]]\nkey = "outside.K"\nvalues = [1, "2 mM"]\n'
    scenario_file.write_text(scenario_file.read_text() + table)
    scenario = read_scenario(scenario_file)
    assert Scenario.from_json(scenario.to_json()).sweep == scenario.sweep
    assert scenario.sweep.points == (("1",), ("2 mM",))


def test_a_fault_in_the_table_has_its_line(scenario_file):
    table = '[sweep]\n[[sweep.vary]]\nkey = "outside.K"\nvalue = [1]\n'
    scenario_file.write_text(scenario_file.read_text() + table)
    message = r'small.toml:\d+: sweep.vary.0.value: unknown key.*did you mean "values"'
    with pytest.raises(ScenarioError, match=message):
        read_scenario(scenario_file)


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("outside.K=3 mM,5 mM , 10 mM", "outside.K", ("3 mM", "5 mM", "10 mM")),
        ('channels."K, a=b".count=1,2', 'channels."K, a=b".count', ("1", "2")),
        ('inside={K="1 mM",Cl="1 mM"},{K="2 mM"}', "inside", ('{K="1 mM",Cl="1 mM"}', '{K="2 mM"}')),
        ('title="a,b",c', "title", ('"a,b"', "c")),
    ],
)
def test_vary_is_cut_at_commas_outside_of_quotes_and_brackets(text, key, values):
    variation = read_variation(text)
    assert (variation.key, variation.values) == (key, values)


@pytest.mark.parametrize(
    "text", ["outside.K", "=3 mM", "outside.K=", "outside.K=3 mM,,5 mM", "outside.K=1,1"]
)
def test_a_vary_that_says_nothing_is_refused(text):
    with pytest.raises(ScenarioError, match="--vary"):
        read_variation(text)
