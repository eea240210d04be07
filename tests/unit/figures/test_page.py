"""The report is one page that needs nothing else, says what the run says, and trusts no text of the user."""

import base64
import gzip
import re
import tomllib

import numpy as np
import pytest
from synthetic_run import PROTEINS, SCENARIO, describe_synthetic_run, write_synthetic_run

from mc.comparison import summarize
from mc.errors import RecordingError
from mc.figures import style
from mc.figures.page import inline, scenes, schematic, words
from mc.figures.page.page import render_report, write_report
from mc.recording.layout import ChannelDescription, PumpDescription, series_blocks
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording
from mc.scenario.schema import Scenario


@pytest.fixture(scope="module")
def recording(synthetic_run):
    return Recording(synthetic_run)


@pytest.fixture(scope="module")
def page(recording):
    return render_report(recording)


def unpack(packed):
    """Return the arrays of what `scenes.pack` made, as the player reads them."""
    block = gzip.decompress(base64.b64decode(packed["block"]))
    return {
        name: np.frombuffer(block, one["type"], int(np.prod(one["shape"])), one["offset"]).reshape(
            one["shape"]
        )
        for name, one in packed["arrays"].items()
    }


def undo_differences(low, high):
    """Return the levels behind folded differences, in the arithmetic of the player."""
    folded = low.astype(np.int64) | (high.astype(np.int64) << 8)
    return np.cumsum((folded >> 1) ^ -(folded & 1), axis=0) % 65536


def test_the_page_loads_nothing(page):
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']([^"'#][^"']*)["']""", page)
    assert all(address.startswith("data:") for address in addresses)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert not re.search(r"\b(fetch|XMLHttpRequest|importScripts|WebSocket)\b", page)


def test_the_page_says_what_the_summary_says(recording, page):
    summary = summarize(recording)
    measured = summary["membrane_potential_mV"]["mean"]
    assert f"The membrane potential is {style.number(measured, 1)} ±" in page
    assert f"<td>{style.number(summary['ghk_potential_mV']['mean'], 2)}</td>" in page
    assert "400 channels for K⁺ and Na⁺" in page
    assert "3 Na⁺ out and 2 K⁺ in per cycle, turning 10,000 times faster than in life" in page
    assert "ionmc run made_up.toml" in page


def test_text_of_the_user_is_never_markup(tmp_path):
    evil = "<script>alert(1)</script>\"'&"
    quoted = f"'''{evil}'''"
    evil_proteins = PROTEINS.replace('"K leak"', quoted).replace('"Na/K-ATPase"', quoted)
    write_synthetic_run(
        tmp_path / "run.h5",
        title=evil,
        command_line=evil,
        scenario_text=f"# {evil}\n</pre>{evil}",
        overrides=[evil],
        scenario_json=Scenario.model_validate(tomllib.loads(SCENARIO + evil_proteins)).to_json(),
        channels=(
            ChannelDescription(evil, 400, ("closed", "open"), {"K": 0.037}),
            ChannelDescription("other", 20, ("open",), {"Na": 0.03}),
        ),
        pumps=(PumpDescription(evil, 20, 1.0, {"Na": 3}, {"K": 2}),),
    )
    with Recording(tmp_path) as recording:
        page = render_report(recording)
    assert "<script>alert" not in page
    assert page.count("</script>") == page.count("<script") == 3
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_run_too_short_to_average_still_has_a_page(tmp_path):
    with Recorder(tmp_path / "run.h5", describe_synthetic_run()) as recorder:
        for i in range(3):
            recorder.record_series(i, i * 10.0, np.full(len(recorder.columns), 10.0))
    with Recording(tmp_path) as recording:
        assert "No average yet" in render_report(recording)


def test_a_run_of_one_record_has_none(tmp_path):
    with Recorder(tmp_path / "run.h5", describe_synthetic_run()) as recorder:
        recorder.record_series(0, 0.0, np.zeros(len(recorder.columns)))
    with Recording(tmp_path) as recording, pytest.raises(RecordingError, match="1 records"):
        write_report(recording, tmp_path / "report.html")


def under_protocol(folder, protocol, **changes):
    """Return the page of the made-up run as if a protocol had been at work."""
    scenario = Scenario.model_validate(tomllib.loads(SCENARIO + PROTEINS + protocol))
    write_synthetic_run(folder / "run.h5", scenario_json=scenario.to_json(), **changes)
    with Recording(folder) as recording:
        return render_report(recording, figures=False)


def test_a_clamp_is_reported_in_a_sentence(tmp_path):
    page = under_protocol(tmp_path, '[[protocol.voltage]]\npotential = "-60 mV"\n')
    assert "Under clamp −60 mV the membrane potential is −6" in page
    assert "pA flow outward" in page


def test_of_several_phases_the_drawing_shows_the_last(tmp_path):
    page = under_protocol(
        tmp_path, '[[protocol.voltage]]\npotential = "-60 mV"\nstart = "2 us"\nstop = "4 us"\n'
    )
    assert "A protocol of 3 phases" in page
    assert "2 µs to 4 µs: clamp −60 mV" in page
    # From 4 to 5.99 us, of which the first half settles.
    assert "(from 4.99 µs on" in page or "(from 5 µs on" in page


def test_anions_are_told_of_where_there_are_any(recording, tmp_path):
    assert "Impermeant anions (A⁻)" in words.setting(recording)[1]
    description = describe_synthetic_run()
    few = {
        "species": description.species[:2],
        "recorded_species": description.recorded_species % 2,
    }
    with Recorder(tmp_path / "run.h5", describe_synthetic_run(**few)) as recorder:
        for i in range(2):
            recorder.record_series(i, 10.0 * i, np.ones(len(recorder.columns)))
    with Recording(tmp_path) as two_species:
        assert "mpermeant" not in words.setting(two_species)[1]


def test_arrays_survive_packing():
    generator = np.random.default_rng(5)
    arrays = {
        "a": generator.integers(0, 256, (3, 5)).astype(np.uint8),
        "b": generator.random((2, 7)).astype(np.float32),
        "c": generator.integers(0, 65536, 3).astype(np.uint16),
    }
    for name, array in unpack(scenes.pack(arrays)).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_differences_are_undone_for_any_levels():
    levels = np.random.default_rng(6).integers(0, 65536, (50, 40)).astype(np.uint16)
    np.testing.assert_array_equal(undo_differences(*scenes.split_differences(levels)), levels)


def test_small_differences_have_no_high_byte():
    walk = 2000 + np.cumsum(np.random.default_rng(7).integers(-127, 128, (100, 30)), axis=0)
    _, high = scenes.split_differences(walk.astype(np.uint16))
    assert not high[1:].any()
    _, high = scenes.split_differences((walk + 500 * (np.arange(100) % 2)[:, None]).astype(np.uint16))
    assert high[1:].any()


def test_the_player_gets_the_recorded_positions_to_a_level(recording):
    scene = scenes.make_scene(recording)
    arrays = unpack(scene)
    levels = undo_differences(arrays["x_low"], arrays["x_high"])
    box = scene["box"]
    x = box["low"] + (levels + 0.5) / scene["levels"] * (box["high"] - box["low"])
    np.testing.assert_allclose(x, recording.positions.x, atol=(box["high"] - box["low"]) / scene["levels"])
    np.testing.assert_array_equal(arrays["species"], recording.positions.species)
    assert "one-dimensional" in scene["note"]
    assert [one["name"] for one in scene["predictions"]] == ["GHK", "GHK with pumps"]
    assert (arrays["trace_ghk_with_pumps"] < arrays["trace_ghk"]).all()
    # 1 us between frames, in which chloride wanders far through a bath of 25 nm.
    assert not scene["glides"]
    assert "Two frames are 1 us apart, and Cl⁻ wanders 73 nm" in scene["note"]


def test_a_run_without_positions_is_drawn_from_its_counts(tmp_path):
    write_synthetic_run(
        tmp_path / "run.h5",
        engine="lattice",
        recorded_ions=np.arange(0),
        recorded_species=np.arange(0),
    )
    with Recording(tmp_path) as recording:
        scene = scenes.make_scene(recording)
        start = [recording[f"ions_inside.{name}"][0] for name in recording.species_names]
        total = [
            value + recording[f"ions_outside.{name}"][0]
            for value, name in zip(start, recording.species_names, strict=True)
        ]
    arrays = unpack(scene)
    levels = undo_differences(arrays["x_low"], arrays["x_high"])
    box = scene["box"]
    x = box["low"] + (levels + 0.5) / scene["levels"] * (box["high"] - box["low"])
    assert "This run counts ions and follows none" in scene["note"]
    assert not ((x > 0.05) & (x < recording.thickness - 0.05)).any()
    for i in range(3):
        own = arrays["species"] == i
        share, n = start[i] / total[i], own.sum()
        # The numbers behind the places wander slowly: each frame is a sample like the first. 5 sigma of one.
        np.testing.assert_allclose(
            (x[:, own] < 0).mean(axis=1), share, atol=5 * np.sqrt(share * (1 - share) / n) + 2 / n
        )


def test_a_run_of_mean_equations_is_drawn_from_its_means(tmp_path):
    description = describe_synthetic_run(
        engine="continuum", recorded_ions=np.arange(0), recorded_species=np.arange(0)
    )
    blocks = series_blocks(description)
    n_cells = len(description.cell_position)
    with Recorder(tmp_path / "run.h5", description) as recorder:
        for i in range(30):
            row = np.full(len(recorder.columns), 10.0)
            row[blocks["open_channels"]] = 100.3 + 0.1 * i, 20
            row[blocks["state"]] = 299.7 - 0.1 * i, 100.3 + 0.1 * i, 20
            row[blocks["pump_cycles"]] = 0.5 * i
            row[blocks["pump_cycles_backward"]] = 0.0
            recorder.record_series(20 * i, 10.0 * i, row)
            if i:
                recorder.record_profile(10.0 * i, np.full((5, n_cells), 5.0), np.zeros(122))
    with Recording(tmp_path) as recording:
        scene = scenes.make_scene(recording)
    arrays = unpack(scene)
    assert "mean equations" in scene["note"]
    of_leak = arrays["channel_type"] == 0
    assert arrays["channel_open"][:, of_leak].mean() == pytest.approx(0.25, abs=0.03)
    np.testing.assert_allclose(arrays["pump_turns"][-1], 0.5 * 29 / 20)


def test_the_author_is_quoted_from_the_head_of_the_file():
    text = "# One\n# two:\n#     a  1\n#       b\n#\n# Three.\n\n# not this\ntitle = 'x'\n"
    assert words.author_words(text) == [("One two:", False), ("a  1\n  b", True), ("Three.", False)]
    assert words.author_words("title = 'x' # no\n") == []


def test_the_patch_is_described_in_units(recording):
    patch, solutions, method = words.setting(recording)
    assert patch.startswith("A patch of 0.02 µm² of membrane, 4 nm thick with 1 µF/cm²")
    assert "37 °C" in patch
    assert "140 mM K⁺, 12 mM Na⁺, 10 mM Cl⁻ and 0.1 µM Ca²⁺" in solutions
    assert "175,000 ions" in method


def test_the_drawing_has_ions_in_their_proportions(recording):
    drawing, legend, ions = schematic.draw_schematic(recording, slice(None))
    colours = {name: inline.css_colour(colour) for name, colour in style.ION_COLOURS.items()}
    middle = (schematic.TOP_OF_MEMBRANE + schematic.BOTTOM_OF_MEMBRANE) / 2
    dots = re.findall(r'<circle cx="\d+" cy="(\d+)" r="5.5" fill="([^"]+)"', drawing)
    counts = {
        (name, side): sum(
            1 for y, colour in dots if colour == colours[name] and (float(y) > middle) == (side == "in")
        )
        for name in ("K", "Na")
        for side in ("in", "out")
    }
    per_dot = (140 + 12 + 10 + 142) / schematic.DOTS
    for key, concentration in {
        ("K", "in"): 140,
        ("K", "out"): 5,
        ("Na", "in"): 12,
        ("Na", "out"): 145,
    }.items():
        assert counts[key] == pytest.approx(concentration / per_dot, abs=1)
    assert [one.name for one in legend] == ["K leak", "Na leak", "Na/K-ATPase"]
    assert legend[1].state == "100 % of 20 open"
    assert ions[0][0] == "K⁺"


def test_figures_follow_the_page(recording):
    from mc.figures.traces import plot_open_channels

    ax = plot_open_channels(recording)
    svg = inline.inline_figure(ax.figure, "one", 'a "quoted" text')
    assert svg.startswith("<svg")
    assert style.BLUE.lower() not in svg
    assert inline.css_colour(style.BLUE) in svg
    assert 'id="one-' in svg
    assert "&#34;quoted&#34;" in svg
    for reference in re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', svg):
        assert f'id="{reference}"' in svg
