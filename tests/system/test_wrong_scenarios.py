"""A page of wrong scenario files: each gives the one clear error, exit status 2 and no traceback."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mc.cli import cli

GOOD = (Path(__file__).parent / "good_scenario.toml").read_text()

K_LEAK = 'permeability = { K = "0.037 nm^3/ns", Na = "0.0004 nm^3/ns" }'


def _line(old: str) -> int:
    """Return the line of GOOD on which `old` begins."""
    return GOOD[: GOOD.index(old)].count("\n") + 1


CHANGES = {
    "a typo in a key": (
        "inside_length =",
        "inside_lenght =",
        ["geometry.inside_lenght: unknown key", 'did you mean "inside_length"?'],
    ),
    "a typo in a table": ("[membrane]", "[membrain]", ["membrain: unknown key", 'did you mean "membrane"?']),
    "a typo in an optional key": (
        "seed = 1",
        "sede = 1",
        ["simulation.sede: unknown key", 'did you mean "seed"?'],
    ),
    "a wrong unit": (
        'K = "140 mM"',
        'K = "140 mV"',
        ["inside.K: expected a concentration such as", 'found "140 mV" (a potential)'],
    ),
    "no such unit": ('K = "140 mM"', 'K = "140 bananas"', ["inside.K:", '"bananas" is not a unit']),
    "a malformed unit": ('K = "140 mM"', 'K = "140 mM/"', ["inside.K:", '"mM/" is not a unit']),
    "a bare number": (
        'duration = "20 us"',
        "duration = 20",
        ["simulation.duration: expected a time", 'write its unit too: "20 us"'],
    ),
    "a negative concentration": (
        'K = "140 mM"',
        'K = "-140 mM"',
        ["inside.K: must not be negative", "-140 mM"],
    ),
    "a negative length": (
        'thickness = "4 nm"',
        'thickness = "-4 nm"',
        ["membrane.thickness: must be positive", "-4 nm"],
    ),
    "a zero time step": (
        'time_step = "0.5 ns"',
        'time_step = "0 ns"',
        ["simulation.time_step: must be positive"],
    ),
    "not a number": ('K = "140 mM"', 'K = "nan mM"', ["inside.K:", '"nan mM"', "not a finite number"]),
    "a bare not a number": ('K = "140 mM"', "K = nan", ["inside.K:", "not a finite number"]),
    "infinity": ('area = "0.02 um^2"', 'area = "inf um^2"', ["geometry.area:", "not a finite number"]),
    "a wrong type": ("count = 190", 'count = "190"', ["count: expected a whole number", 'found "190"']),
    "a table for a value": (
        "seed = 1",
        "seed = { x = 1 }",
        ["simulation.seed: expected a whole number, found a table"],
    ),
    "a fraction of a channel": ("count = 190", "count = 1.5", ["count: expected a whole number, found 1.5"]),
    "an unknown engine": (
        'engine = "brownian"',
        'engine = "brownean"',
        ["simulation.engine: expected 'brownian'", 'found "brownean"'],
    ),
    "three dimensions": (
        "dimensions = 1",
        "dimensions = 3",
        ["geometry.dimensions: expected 1 or 2", "found 3"],
    ),
    "a width in one dimension": (
        "dimensions = 1",
        'dimensions = 1\nwidth = "5 nm"',
        ["geometry.width: needs dimensions = 2; in one dimension give the area"],
    ),
    "a place in one dimension": (
        "count = 190",
        'count = 190\nplacement = "even"',
        ['channels."K leak".placement: placement needs dimensions = 2'],
    ),
    "boiling water": ('"37 degC"', '"137 degC"', ["simulation.temperature: must lie between 0 and 100 degC"]),
    "a channel of an absent species": (
        K_LEAK,
        'permeability = { Mg = "0.037 nm^3/ns" }',
        ['channels."K leak".permeability.Mg: Mg is in neither solution'],
    ),
    "an unknown species": (
        'K = "140 mM"',
        'Kalium = "140 mM"',
        ["inside.Kalium: unknown species", "[species.Kalium]"],
    ),
    "a mouth deeper than the membrane": (
        'pore = { diffusion_coefficient = "1 um^2/ms" }',
        'pore = { mouth_depth = "3 nm" }',
        ["pore.mouth_depth: 3 nm must be less than half of the membrane's 4 nm"],
    ),
    "a channel named twice": ('name = "Na leak"', 'name = "K leak"', ["name:", "names must differ"]),
    "a transition from nowhere": (
        '"closed->open" = "4 /us"',
        '"closd->open" = "4 /us"',
        ["gating.rates", '"closd" is not a state', 'did you mean "closed"?'],
    ),
    "no open state": (
        'open = ["open"]',
        "open = []",
        ['channels."K leak".gating.open: expected at least 1 of them, found an empty array'],
    ),
    "a bare turnover": (
        'turnover = "100 /s"',
        "turnover = 100",
        ['pumps."Na/K-ATPase".turnover: expected a rate', 'write its unit too: "100 /s"'],
    ),
    "a bare temperature": (
        'temperature = "37 degC"',
        "temperature = 310",
        ["simulation.temperature: expected a temperature", 'write its unit too: "310 K" or "37 degC"'],
    ),
    "a temperature in coulombs": (
        'temperature = "37 degC"',
        'temperature = "37 C"',
        ["simulation.temperature:", '(a charge); write "37 degC"'],
    ),
    "a key at the top that belongs in a table": (
        "[simulation]\n",
        'duration = "20 us"\n[simulation]\n',
        ["duration: unknown key", 'did you mean "simulation.duration"?'],
    ),
    "double brackets around what is there once": (
        "[membrane]",
        "[[membrane]]",
        ["membrane: found an array; write [membrane] in single brackets"],
    ),
    "records longer than the run": (
        'interval = "20 ns"',
        'interval = "30 us"',
        ["recording.interval: 30000 ns is longer than the duration, 20000 ns"],
    ),
    "a step longer than the run": (
        'time_step = "0.5 ns"',
        'time_step = "1 ms"',
        ["simulation.time_step: 1e+06 ns is longer than the duration"],
    ),
    "a step too long": (
        'inside_length = "25 nm"',
        'inside_length = "3 nm"',
        [
            f":{_line('time_step')}: simulation.time_step: 0.5 ns is too long",
            "the longest that works at all is 0.42 ns",
        ],
    ),
    "a charged box": (
        'Cl = "10 mM"',
        'Cl = "160 mM"',
        [
            f":{_line('[inside]')}: inside: more negative than positive charge",
            "by 8 mM",
            "add 8 mM of a monovalent cation",
        ],
    ),
    "1e15 ions": (
        'area = "0.02 um^2"',
        'area = "1e8 um^2"',
        [
            f":{_line('area =')}: geometry.area:",
            "ions fill the box",
            "more than fit into memory",
            "reduce area",
        ],
    ),
    "an unclosed string": ('K = "140 mM"', 'K = "140 mM', ["not valid TOML"]),
    "a key given twice": ("seed = 1", "seed = 1\nseed = 2", ["not valid TOML"]),
}


GOOD_LINE = GOOD.replace('area = "0.02 um^2" ', 'width = "400 nm"\ndepth = "50 nm" ').replace(
    "dimensions = 1", "dimensions = 2"
)
"""The same in two dimensions, as many ions in as large a patch."""

CHANGES_OF_A_LINE = {
    "three dimensions, though a line is described": (
        "dimensions = 2",
        "dimensions = 3",
        ["geometry.dimensions: expected 1 or 2", "found 3"],
    ),
    "an area beside a width": (
        'width = "400 nm"',
        'width = "400 nm"\narea = "0.02 um^2"',
        ["geometry.area: leave it out: in two dimensions the area is width times depth"],
    ),
    "a line without a width": (
        'width = "400 nm"',
        "",
        ['geometry.width: missing; write e.g. width = "200 nm"'],
    ),
    "a typo in the depth": ("depth =", "dpeth =", ["geometry.dpeth: unknown key", 'did you mean "depth"?']),
    "an unknown boundary": (
        'depth = "50 nm"',
        'depth = "50 nm"\nboundary = "open"',
        ["geometry.boundary: expected 'closed' or 'bath', found \"open\""],
    ),
    "an unknown rule of placement": (
        "count = 190",
        'count = 190\nplacement = "evenly"',
        ['channels."K leak".placement: expected "random", "even" or an array of positions', 'found "evenly"'],
    ),
    "a wrong number of positions": (
        "count = 12",
        'count = 12\nplacement = ["1 nm", "2 nm"]',
        ['channels."Na leak".placement: 2 positions for a count of 12: each needs one'],
    ),
    "a position beyond the end": (
        "count = 12",
        'count = 1\nplacement = ["500 nm"]',
        ['channels."Na leak".placement.0: 500 nm must be less than the membrane\'s width, 400 nm'],
    ),
    "a position in volts": (
        "count = 12",
        'count = 1\nplacement = ["5 mV"]',
        ['channels."Na leak".placement.0: expected a length', "(a potential)"],
    ),
    "a cluster wider than the membrane": (
        "count = 30",
        'count = 30\ncluster = { centre = "1 nm", radius = "1 um" }',
        ["cluster.radius: 1000 nm is more than half of the membrane's width, 400 nm"],
    ),
    "a cluster of given positions": (
        "count = 30",
        'count = 1\nplacement = ["1 nm"]\ncluster = { centre = "1 nm", radius = "1 nm" }',
        ["cluster: stands beside positions"],
    ),
    "a mouth wider than the membrane": (
        'pore = { diffusion_coefficient = "1 um^2/ms" }',
        'pore = { mouth_width = "400 nm" }',
        ["pore.mouth_width: 400 nm must be less than the membrane's width, 400 nm"],
    ),
    "1e15 ions along a line": (
        'width = "400 nm"',
        'width = "1 m"',
        ["geometry.width:", "ions fill the box", "reduce width, depth"],
    ),
    "a grid too fine": (
        'depth = "50 nm"',
        'depth = "50 nm"\ngrid_spacing_y = "0.1 nm"',
        ["geometry.grid_spacing_y: 0.1 nm is too fine for a width of 400 nm: at most 2048 cells, 0.195 nm"],
    ),
}


def check(path: object) -> list[str]:
    """Return the lines of errors that `ionmc check` prints; the exit status must be 2."""
    result = CliRunner().invoke(cli, ["check", str(path)])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    return [line for line in result.stderr.splitlines() if not line.startswith("warning:")]


@pytest.mark.parametrize("name", CHANGES)
def test_a_wrong_key_or_value_gives_one_error(name, tmp_path):
    old, new, fragments = CHANGES[name]
    assert old in GOOD
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD.replace(old, new, 1))
    errors = check(path)
    assert len(errors) == 1, errors
    for fragment in fragments:
        assert fragment in errors[0]


@pytest.mark.parametrize("name", CHANGES_OF_A_LINE)
def test_a_wrong_key_or_value_of_a_line_gives_one_error(name, tmp_path):
    old, new, fragments = CHANGES_OF_A_LINE[name]
    assert old in GOOD_LINE
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD_LINE.replace(old, new, 1))
    errors = check(path)
    assert len(errors) == 1, errors
    for fragment in fragments:
        assert fragment in errors[0]


@pytest.mark.parametrize(
    "name",
    ["a typo in a key", "a wrong unit", "a bare number", "a channel of an absent species", "a wrong type"],
)
def test_the_error_names_file_and_line(name, tmp_path):
    old, new, _ = CHANGES[name]
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD.replace(old, new, 1))
    assert check(path)[0].startswith(f"error: {path}:{_line(old)}: ")


def test_a_missing_key(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD.replace('duration = "20 us"\n', ""))
    line = _line("[simulation]")
    assert check(path) == [
        f'error: {path}:{line}: simulation.duration: missing; write e.g. duration = "20 us"'
    ]


def test_a_missing_table(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD.replace('[membrane]\nthickness = "4 nm"\ncapacitance = "1 uF/cm^2"\n', ""))
    errors = check(path)
    assert len(errors) == 1
    assert "membrane: missing; a table [membrane] is needed" in errors[0]


def test_single_brackets_around_what_may_be_several(tmp_path):
    path = tmp_path / "wrong.toml"
    head, pumps = GOOD.split("[[pumps]]")
    path.write_text(f"{head}[pumps]{pumps}")
    assert check(path) == [
        f"error: {path}:{_line('[[pumps]]')}: pumps: found one table; write [[pumps]] in double brackets, "
        "for there may be several"
    ]


def test_single_brackets_twice(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD.replace("[[channels]]", "[channels]"))
    errors = check(path)
    assert len(errors) == 1
    assert "write [[channels]] in double brackets" in errors[0]


def test_pumps_named_twice(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD + '\n[[pumps]]\nname = "Na/K-ATPase"\ncount = 1\nturnover = "1 /s"\n')
    errors = check(path)
    assert len(errors) == 1
    assert 'pumps."Na/K-ATPase".name: "Na/K-ATPase" is the name of number 0 too' in errors[0]


def test_not_toml(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("Dear reader,\nthis is a letter.\n")
    assert check(path) == [
        f"error: {path}:1: not valid TOML: Expected '=' after a key in a key/value pair, in: Dear reader,"
    ]


def test_no_such_file_names_the_nearest(tmp_path):
    (tmp_path / "resting.toml").write_text(GOOD)
    path = tmp_path / "restin.toml"
    assert check(path) == [f'error: {path}: no such file; did you mean "resting.toml"?']


def test_a_directory(tmp_path):
    assert check(tmp_path) == [f"error: {tmp_path}: is a directory; give a scenario file (TOML)"]


@pytest.mark.parametrize("content", [b"", b"  \n\n"])
def test_an_empty_file(tmp_path, content):
    path = tmp_path / "wrong.toml"
    path.write_bytes(content)
    errors = check(path)
    assert len(errors) == 1
    assert f"{path}: the file is empty; a scenario needs at least simulation, geometry, membrane" in errors[0]


def test_bytes_that_are_not_utf8(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_bytes(GOOD.encode().replace(b"um^2", b"\xb5m^2", 1))
    errors = check(path)
    assert len(errors) == 1
    assert errors[0].startswith(f"error: {path}:{_line('um^2')}: byte 0xb5 is not UTF-8")


def test_a_binary_file(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_bytes(bytes(range(256)))
    assert len(check(path)) == 1


@pytest.mark.parametrize("name", ["x" * 5000, "x/\\y"])
def test_a_name_that_no_file_can_have(name):
    errors = check(name)
    assert len(errors) == 1


def test_deeply_nested_arrays(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("x = " + "[" * 100_000)
    errors = check(path)
    assert len(errors) == 1
    assert "nested too deeply" in errors[0]


def test_the_good_file_is_good(tmp_path):
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    result = CliRunner().invoke(cli, ["check", str(path)])
    assert result.exit_code == 0, result.output
    assert "error" not in result.stderr


def test_the_good_line_is_good(tmp_path):
    path = tmp_path / "good.toml"
    path.write_text(GOOD_LINE)
    result = CliRunner().invoke(cli, ["check", str(path)])
    assert result.exit_code == 0, result.output
    assert "error" not in result.stderr
