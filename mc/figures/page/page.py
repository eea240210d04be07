"""The report of a run: one page that needs nothing else."""

from __future__ import annotations

import os
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from matplotlib import rc_context

from mc.analysis.phases import SETTLING_SHARE, find_phases, has_protocol
from mc.analysis.potential import find_window
from mc.comparison import summarize
from mc.digest import (
    find_doubts,
    phase_headings,
    phase_rows,
    potential_rows,
    pumps_carry_current,
    regime_rows,
    remarks,
    species_headings,
    species_rows,
)
from mc.errors import McError, RecordingError
from mc.figures import style
from mc.figures.page import words
from mc.figures.page.inline import colour_variables, inline_figure
from mc.figures.page.scenes import make_maps, make_profiles, make_scene
from mc.figures.page.schematic import draw_schematic
from mc.figures.report import draw_figures
from mc.formatting import show_time
from mc.recording.recording import Recording
from mc.scenario.advice import advise

FILE_NAME = "report.html"

_FOLDER = Path(__file__).parent

CAPTIONS = {
    "membrane_potential": "The membrane potential beside Nernst and GHK, above open channels, ions that crossed and "
    "cycles of pumps on the same axis of time.",
    "kymographs": "Where each ion was, depth against time. The colours are logarithmic.",
    "concentration_profiles": "Concentrations along the box, and close to the membrane relative to the bulk of the "
    "same side; the bands are the error of counting.",
    "potential_profile": "The potential along the box and close to the membrane.",
    "maps": "Concentrations, potential and charge over the plane; the cytoplasm lies below the membrane.",
    "single_channels": "One channel of each type, its dwell times and its currents.",
    "current_voltage": "Current against voltage beside GHK.",
    "mean_variance": "Variance against mean of the current of repeated steps.",
    "spikes": "Spikes, and one of them in detail.",
}


def write_report(recording: Recording, path: str | os.PathLike[str], *, figures: bool = True) -> Path:
    """Write the report of `recording` to `path` and return it.

    A run too short to average has a report without the table; `figures` may be left out. Raises RecordingError for a
    run without two records, and for a file that cannot be written.
    """
    path = Path(path)
    if len(recording.time) < 2:
        raise RecordingError(f"{recording.path} holds {len(recording.time)} records: nothing to report yet")
    content = render_report(recording, figures=figures)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(content, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RecordingError(f"cannot write {path}: {error}") from error
    return path


def render_report(recording: Recording, *, figures: bool = True) -> str:
    """Return the page of `recording`. All text of the user is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = _typeset
    return environment.get_template("report.html.jinja").render(
        {
            **_about(recording),
            **_result(recording),
            **_regime(recording),
            "light": Markup(colour_variables(on_dark=False)),
            "dark": Markup(colour_variables(on_dark=True)),
            "stylesheet": Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),
            "player": Markup((_FOLDER / "player.js").read_text(encoding="utf-8")),
            "schematic": _schematic(recording),
            "scene": make_scene(recording),
            "profiles": make_profiles(recording),
            "maps": make_maps(recording),
            "figures": _figures(recording) if figures else [],
        }
    )


def _about(recording: Recording) -> dict[str, Any]:
    attributes = recording.attributes
    own_version = attributes["versions"].get("ionmc") or _version()
    end = "" if recording.finished else f" · ended early: {recording.stop_reason}"
    title = recording.title or "A run without a title"
    versions = ", ".join(f"{name} {number}" for name, number in attributes["versions"].items())
    return {
        "title": title,
        "version": _version(),
        "meta": f"ionmc {own_version} · {recording.engine} engine · seed {recording.seed} · "
        f"{attributes['created'][:10]}{end}",
        "author_words": words.author_words(recording.scenario_text),
        "setting": words.setting(recording),
        "proteins": words.proteins(recording),
        "phases": words.phases(recording),
        "command": attributes["command_line"],
        "overrides": attributes["overrides"],
        "seed": recording.seed,
        "versions": f"Made with {versions}.",
        "scenario_text": recording.scenario_text,
        "citation": f"The ionmc authors, ionmc {own_version}: spatial Monte-Carlo simulation of single ions around a "
        f"membrane. Run “{title}”, seed {recording.seed}, {attributes['created'][:10]}.",
    }


def _result(recording: Recording) -> dict[str, Any]:
    """Return the table of summary.json, or why there is none."""
    try:
        summary = summarize(recording)
    except RecordingError as error:
        return {"summary": None, "no_summary": str(error), "doubts": [], "lead": [f"No average yet: {error}"]}
    return {
        "summary": summary,
        "averaged_from": show_time(summary["averaged_from_ns"]),
        "potential_rows": potential_rows(summary),
        "phase_headings": phase_headings(summary),
        "phase_rows": phase_rows(summary),
        "species_headings": species_headings(summary),
        "species_rows": species_rows(summary),
        "remarks": remarks(summary),
        "doubts": find_doubts(summary),
        "lead": _lead(summary),
    }


def _lead(summary: dict[str, Any]) -> list[str]:
    """Return the result in a sentence or two."""
    if not summary["free"]:
        phases = summary["phases"]
        if len(phases) != 1:
            return [
                f"A protocol of {len(phases)} phases; what the membrane did in each is in the table below."
            ]
        return [
            f"Under {phases[0]['what']} the membrane potential is {_millivolts(phases[0]['membrane_potential_mV'])}; "
            f"{phases[0]['channel_current_pA']:.3g} pA flow outward through the channels."
        ]
    potential = summary["membrane_potential_mV"]
    measured = f"The membrane potential is {_millivolts(potential)}."
    predicted, distance = summary["ghk_potential_with_pump_mV"], summary["difference_in_standard_errors"]
    if predicted is None:
        return [measured, "No channel was open, so there is nothing to compare it with."]
    counted = ", with the pumps’ current counted," if pumps_carry_current(summary) else ""
    theory = f"Goldman-Hodgkin-Katz{counted} predicts {style.number(predicted['mean'], 1)} mV"
    if not summary["has_noise"] and summary["long_enough"] and summary["settled"]:
        away = style.number(potential["mean"] - predicted["mean"], 2)
        return [f"{measured} {theory}: {away} mV away, without noise."]
    if distance is None:
        return [f"{measured} {theory}; the run is too short to judge the difference."]
    verdict = "which is within chance" if abs(distance) < 3 else "more than chance explains"
    away = style.number(abs(potential["mean"] - predicted["mean"]), 1)
    errors = style.number(abs(distance), 1)
    return [f"{measured} {theory}. The {away} mV between them are {errors} standard errors, {verdict}."]


def _millivolts(estimate: dict[str, float]) -> str:
    return f"{style.number(estimate['mean'], 1)} ± {style.number(estimate['standard_error'], 1)} mV"


def _regime(recording: Recording) -> dict[str, Any]:
    try:
        advice = advise(recording.scenario)
    except McError as error:
        return {"regime": [], "warnings": [str(error)], "notes": []}
    return {
        "regime": regime_rows(recording.scenario, advice),
        "warnings": list(advice.warnings),
        "notes": list(advice.notes),
    }


def _schematic(recording: Recording) -> dict[str, Any]:
    if has_protocol(recording) and (phases := find_phases(recording)):
        # One mean over all that a protocol does would mean nothing.
        start = phases[-1].start + SETTLING_SHARE * (phases[-1].stop - phases[-1].start)
    else:
        try:
            start = find_window(recording).start
        except RecordingError:
            start = 0.0
    first = min(int(np.searchsorted(recording.time, start)), len(recording.time) - 1)
    drawing, legend, ions = draw_schematic(recording, slice(first, None))
    span = f"from {show_time(start)} on" if start else "over the whole run"
    return {"drawing": drawing, "legend": legend, "ions": ions, "span": span}


def _figures(recording: Recording) -> list[dict[str, str]]:
    """Return each figure with its caption; none of a run that is too short for them."""
    with rc_context({"font.size": 10}):
        try:
            drawn = draw_figures(recording)
        except RecordingError:
            return []
        return [
            {
                "drawing": inline_figure(figure, name, f"{name.replace('_', ' ')} of {recording.title}"),
                "caption": CAPTIONS[name],
            }
            for name, figure in drawn.items()
            # The player shows the ions.
            if name in CAPTIONS
        ]


def _typeset(text: str) -> str:
    """Return numbers as books print them: a minus sign for a hyphen, µs for us."""
    return re.sub(r"(?<=\d )us\b", "µs", re.sub(r"(?<![\w.])-(?=\d)", "−", text))


def _version() -> str:
    try:
        return version("ionmc")
    except PackageNotFoundError:
        return "from source"
