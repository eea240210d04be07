"""report.html, one self-contained page, and report.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mc.errors import RecordingError
from mc.validation.law import Check, Law
from mc.validation.suite import FAILS, FALSE_ALARM, HOLDS, Bound, Outcome

OWN_CONCENTRATIONS = (
    "What is expected follows each run's own concentrations, moment by moment, where ions run down or settle: "
    "between engines it differs by that."
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ionmc: the macroscopic equations</title>
<style>
:root { color-scheme: light dark; --ground: #fff; --text: #1a1a1a; --soft: #666; --rule: #ddd; --good: #0a6b45;
  --bad: #b3261e; --card: #f6f6f4; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181a; --text: #e8e6e3; --soft: #9a9a9a; --rule: #3a3d40;
  --good: #5fd0a0; --bad: #ff8a80; --card: #1f2225; } }
body { background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 68rem; padding: 1.5rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-bottom: .2rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; }
td:first-child { min-width: 8rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.scroll { overflow-x: auto; } .soft { color: var(--soft); }
.holds { color: var(--good); font-weight: 600; } .fails { color: var(--bad); font-weight: 600; }
section { background: var(--card); border-radius: .5rem; padding: .8rem 1.1rem; margin: 1.2rem 0; }
code, .formula { font-family: ui-monospace, monospace; font-size: .92em; }
.sides { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
.sides svg { max-width: 100%; height: auto; }
@media (min-width: 60rem) { .sides { grid-template-columns: minmax(0, 27rem) minmax(0, 1fr); } }
a { color: inherit; }
</style>
</head>
<body>
<h1>The macroscopic equations, checked</h1>
<p><strong class="{{ 'holds' if all_hold else 'fails' }}">{{ headline }}</strong> {{ bound_text }}</p>
<p>{{ own_concentrations }}</p>
<p class="soft">{{ circumstances }}</p>
<div class="scroll"><table>
<tr><th>law</th><th>formula</th><th>engine</th><th class="number">seed</th><th class="number">checks</th>
<th class="number">largest difference</th><th>verdict</th><th class="number">time</th></tr>
{% for one in results %}
<tr><td><a href="#{{ one.anchor }}">{{ one.law.name }}</a></td><td class="formula">{{ one.law.formula }}</td>
<td>{{ one.engine }}</td><td class="number">{{ one.seed }}</td><td class="number">{{ one.rows|length }}</td>
<td class="number">{{ one.largest }}</td><td class="{{ one.style }}">{{ one.verdict }}</td>
<td class="number">{{ one.seconds }} s</td></tr>
{% endfor %}
</table></div>
{% for one in results %}
<section id="{{ one.anchor }}">
<h2>{{ one.law.name }} <span class="soft">{{ one.engine }}, seed {{ one.seed }}</span>
<span class="{{ one.style }}">{{ one.verdict }}</span></h2>
<p>{{ one.law.claim }}</p>
<p class="formula">{{ one.law.formula }}</p>
{% if one.error %}<p class="fails">{{ one.error }}</p>{% endif %}
<div class="sides"><div>{{ one.figure }}</div><div>
<div class="scroll"><table>
<tr><th></th><th class="number">measured</th><th class="number">expected</th><th class="number">difference</th>
<th class="number">p</th></tr>
{% for row in one.rows %}
<tr><td>{{ row.name }}</td><td class="number">{{ row.measured }}</td><td class="number">{{ row.expected }}</td>
<td class="number">{{ row.difference }}</td>
<td class="number {{ 'fails' if row.fails else '' }}">{{ row.p }}</td></tr>
{% endfor %}
</table></div>
{% if one.law.remark %}<p>{{ one.law.remark }}</p>{% endif %}
{% if one.twins %}<p class="soft">Wrong predictions, held against the same measurement:
{% for twin in one.twins %}{{ twin.name }}: <span class="{{ 'holds' if twin.rejected else 'fails' }}">
{{ 'rejected' if twin.rejected else 'NOT rejected' }}</span>{{ "; " if not loop.last else "." }}{% endfor %}</p>
{% endif %}
<p class="soft">{{ one.law.references|join("; ") }}.
{% for engine, reason in one.law.not_on.items() %} Not on {{ engine }}: {{ reason }}.{% endfor %}</p>
</div></div>
</section>
{% endfor %}
</body>
</html>
"""


def as_json(
    outcomes: Sequence[Outcome], laws: Mapping[str, Law], bound: Bound, circumstances: Mapping[str, Any]
) -> dict[str, Any]:
    """Return everything that was found, in plain numbers and names."""
    return {
        **circumstances,
        "false_alarm_probability": FALSE_ALARM,
        "checks": bound.n_checks,
        "bound_p_value": bound.level,
        "bound_standard_errors": bound.standard_errors,
        "all_hold": all(bound.verdict(one) == HOLDS for one in outcomes),
        "laws": [
            {
                "law": one.law,
                "claim": laws[one.law].claim,
                "formula": laws[one.law].formula,
                "references": list(laws[one.law].references),
                "engine": one.engine,
                "seed": one.seed,
                "verdict": bound.verdict(one),
                "error": one.error or None,
                "wall_seconds": one.wall_seconds,
                "checks": [_plain_check(check, bound) for check in one.checks],
                "twins": [
                    {
                        "wrong": name,
                        "rejected": bound.rejects(checks),
                        "smallest_p_value": min((check.p_value for check in checks), default=None),
                    }
                    for name, checks in one.twins.items()
                ],
            }
            for one in outcomes
        ],
    }


def write_report(
    folder: Path,
    outcomes: Sequence[Outcome],
    laws: Mapping[str, Law],
    bound: Bound,
    circumstances: Mapping[str, Any],
) -> tuple[Path, Path]:
    """Write report.html and report.json and return their paths. RecordingError where they cannot be written."""
    import jinja2
    from markupsafe import Markup

    from mc.figures.laws import svg_of_law

    results = []
    for number, one in enumerate(outcomes):
        anchor = f"law{number}"
        verdict = bound.verdict(one)
        results.append(
            {
                "law": laws[one.law],
                "anchor": anchor,
                "engine": one.engine,
                "seed": one.seed,
                "error": one.error,
                "verdict": verdict,
                "style": "holds" if verdict == HOLDS else "fails",
                "largest": show_largest(one),
                "seconds": f"{one.wall_seconds:.1f}",
                "rows": [show_check(check) | {"fails": bound.fails(check)} for check in one.checks],
                "twins": [
                    {"name": name, "rejected": bound.rejects(checks)} for name, checks in one.twins.items()
                ],
                # Drawn here, with all text escaped by the drawing library.
                "figure": Markup(svg_of_law(one.picture, anchor)) if one.picture else "",
            }
        )
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(PAGE).render(
        results=results,
        all_hold=all(bound.verdict(one) == HOLDS for one in outcomes),
        headline=headline(outcomes, bound),
        bound_text=bound_text(bound),
        own_concentrations=OWN_CONCENTRATIONS,
        circumstances=", ".join(f"{name} {value}" for name, value in circumstances.items() if value != ""),
    )
    numbers = json.dumps(as_json(outcomes, laws, bound, circumstances), indent=1, ensure_ascii=False)
    html_path, json_path = folder / "report.html", folder / "report.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        html_path.write_text(page, encoding="utf-8")
        json_path.write_text(numbers + "\n", encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"cannot write the report to {folder}: {error}") from error
    return html_path, json_path


def headline(outcomes: Sequence[Outcome], bound: Bound) -> str:
    """Return in one sentence how it came out."""
    n_held = sum(bound.verdict(one) == HOLDS for one in outcomes)
    n_failed = sum(bound.verdict(one) == FAILS for one in outcomes)
    n_broken = len(outcomes) - n_held - n_failed
    if n_held == len(outcomes):
        return f"All {n_held} hold." if n_held > 1 else "It holds."
    broken = f", {n_broken} came to no result" if n_broken else ""
    return f"{n_held} of {len(outcomes)} hold, {n_failed} failed{broken}."


def bound_text(bound: Bound) -> str:
    """Return in one sentence what the bound is and where it comes from."""
    return (
        f"Chance alone fails one or more of these {bound.n_checks} checks once in {1.0 / FALSE_ALARM:,.0f} times: "
        f"each is allowed p = {bound.level:.1e}, {bound.standard_errors:.2f} standard errors of a normal number."
    )


def show_check(check: Check) -> dict[str, str]:
    """Return a check as text: measured with its error, expected, the difference in errors, and its chance."""
    unit = f" {check.unit}" if check.unit else ""
    return {
        "name": check.name,
        "measured": f"{show_with_error(check.measured, check.standard_error)}{unit}",
        "expected": f"{show_like(check.expected, check.standard_error)}{unit}",
        "difference": show_score(check.score),
        "p": f"{check.p_value:.2g}",
    }


def show_with_error(value: float, error: float) -> str:
    """Return 12.3 ± 0.4: two digits of the error, or none where there is none."""
    return f"{show_like(value, error)} ± {show_like(error, error)}" if error else show_like(value, error)


def show_like(value: float, error: float) -> str:
    """Return a value to the second digit of its error."""
    if not error or not math.isfinite(error) or not math.isfinite(value):
        return f"{value:.10g}"
    decimals = 1 - math.floor(math.log10(error))
    if abs(decimals) > 6:
        return f"{value:.4g}"
    return f"{round(value, decimals):.{max(decimals, 0)}f}".replace("-", "−")


def show_score(score: float) -> str:
    """Return a difference in standard errors with its sign."""
    return f"{score:+.1f}".replace("-", "−") if math.isfinite(score) else "differs"


def show_largest(outcome: Outcome) -> str:
    """Return the difference of the check that fits least, in standard errors."""
    if not outcome.checks:
        return "-"
    return show_score(min(outcome.checks, key=lambda check: check.p_value).score)


def _plain_check(check: Check, bound: Bound) -> dict[str, Any]:
    score, degrees = check.score, check.degrees_of_freedom
    return {
        "name": check.name,
        "measured": check.measured,
        "standard_error": check.standard_error,
        "expected": check.expected,
        "unit": check.unit,
        "difference_in_standard_errors": score if math.isfinite(score) else None,
        "degrees_of_freedom": degrees if math.isfinite(degrees) else None,
        "p_value": check.p_value,
        "holds": not bound.fails(check),
    }
