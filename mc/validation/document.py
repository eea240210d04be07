"""docs/validation.md: what is checked, what came out, and how to add a law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mc.errors import RecordingError
from mc.validation.law import Law
from mc.validation.own import OWN_LAWS
from mc.validation.report import bound_text, headline, show_check
from mc.validation.suite import HOLDS, Bound, Outcome

INTRODUCTION = """# The macroscopic equations, checked

`ionmc validate` holds each of the laws below against simulations: it makes runs, measures what the law is about, and
compares with the closed form in `mc.theory`, never with an earlier run. `ionmc validate nernst donnan` checks some of
them, `--full` with tighter error bars, `--engine` on one engine, `--replicas 5` with five seeds. `--list` names all.
The table goes to the terminal, a page with a figure of each law to `outputs/validation/report.html`, all numbers to
`report.json` beside it; the scenario file and the recording of every run are in `outputs/validation/runs/`. The exit
status is 0 where all hold, 1 where one does not.

This page was made by

    {command}

{headline} {bound}

## When a law fails

Every check is a difference between measurement and theory in standard errors, and has a chance p of being as large by
luck. The bound for p is 1e-4 over the number of all checks of a run (Bonferroni), so that chance alone fails one or
more once in 10,000 times, whatever their dependence. The errors are those that theory gives where it does: of Poisson
and binomial numbers, kT/C, cycles at equilibrium. An error that is itself measured, from a correlated series, is
judged by Student's t with a tenth of its independent samples as degrees of freedom (the correlation time is uncertain
by 20/n; Wolff 2004), a variance by chi square. Bounds are never set by hand.

In the continuum nothing is random. There a check holds within what grid and solver leave, which stands in the place
of its error: of the solver's steps 0.002 mV of a potential and 1e-4 of any other number, and of the grid, where it
plays a part, what two grids say of each other. The law is measured on one and on another twice as fine; by the order
p of the method the finer one is off by their difference over 2^p - 1, and three times that is allowed (Roache 1994).

What is expected follows each run's own concentrations, moment by moment, where ions run down or settle: therefore it
differs a little between engines and seeds.

A law that cannot fail would show nothing. Each one has wrong predictions beside the right one, a wrong sign, a wrong
valence, a naive rule, and with `--twins` each of them must be rejected at the same bound.

## Your own scenario

`ionmc validate --scenario my.toml` runs it, applies every law that fits it, and says of the others why they do not:

| law | what it says | fits |
|---|---|---|
{own_laws}

## A law of your own

A file with a `LAW`, given by `--laws-from FILE.py`. `measure` runs scenarios, which are text, on the engine and in
the size that the trial is for, and returns anything; `compare`, `draw` and the twins get that.

```python
{example}```

## The laws
"""

FITS = {
    "ledger": "every run that counts ions",
    "charge-balance": "every run that counts ions",
    "stoichiometry": "pumps or transporters whose moves are recorded",
    "nernst": "one permeant ion, no protocol, 20 charging times",
    "ghk": "several permeant ions or pumps, no protocol, 20 charging times",
    "capacitance-noise": "as nernst",
    "no-net-flux": "as nernst",
}

EXAMPLE = """import numpy as np

from mc import theory
from mc.validation.law import Law, Line, Picture, Points, check_count
from mc.validation.scenarios import channel, patch


def measure(trial):
    text = patch(
        "Leak",
        inside={"K": 140.0, "Cl": 140.0},
        outside={"Na": 140.0, "Cl": 140.0},
        area=5000.0,
        length=20.0,
        duration=trial.pick(2000.0, 20_000.0),
        time_step=1.0,
        interval=20.0,
        more=channel("leak", 10, {"K": 0.1}),
    )
    recording = trial.run(text, "leak", clamped_potential=0.0)
    crossed = recording["crossings_outward.leak.K"]
    concentration = recording["bulk_concentration_inside.K"]
    return crossed[-1], np.trapezoid(concentration, recording.time)


def compare(observed, permeability=1.0):
    crossed, dose = observed
    flux = theory.ghk_flux(permeability, 1.0, 0.0, 1, 0.0, 310.15).outward
    return [check_count("ions that leaked out", crossed, flux * dose)]


def draw(observed):
    check = compare(observed)[0]
    ends = np.array([0.0, 2.0 * check.expected])
    return Picture(
        "expected",
        "counted",
        (Line("p c t", ends, ends),),
        (
            Points(
                "leak",
                np.array([check.expected]),
                np.array([check.measured]),
                np.array([check.standard_error]),
            ),
        ),
    )


LAW = Law(
    name="leak",
    claim="Without a potential ions leak in proportion to their concentration.",
    formula="N = p c t",
    references=("Fick (1855), Ann. Phys. 170:59",),
    engines=("brownian", "lattice"),
    measure=measure,
    compare=compare,
    twins={"half the permeability": lambda observed: compare(observed, 0.5)},
    draw=draw,
)
"""


def write_document(
    path: Path, outcomes: Sequence[Outcome], laws: Mapping[str, Law], bound: Bound, command: str
) -> None:
    """Write the page. RecordingError where that is not possible."""
    own_laws = "\n".join(
        f"| {law.name} | {_cell(law.claim)} | {FITS[law.name]} |" for law in OWN_LAWS.values()
    )
    parts = [
        INTRODUCTION.format(
            command=command,
            headline=headline(outcomes, bound),
            bound=bound_text(bound),
            own_laws=own_laws,
            example=EXAMPLE,
        )
    ]
    for name in dict.fromkeys(one.law for one in outcomes):
        parts.append(_section(laws[name], [one for one in outcomes if one.law == name], bound))
    try:
        path.write_text("\n".join(parts), encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error}") from error


def _section(law: Law, outcomes: Sequence[Outcome], bound: Bound) -> str:
    """Return what is said of one law, on all engines."""
    lines = [
        f"### {law.name}",
        "",
        law.claim,
        "",
        f"    {law.formula}",
        "",
        f"{'; '.join(law.references)}.",
        "",
    ]
    lines += ["| engine | | measured | expected | standard errors |", "|---|---|---|---|---|"]
    for one in outcomes:
        for check in one.checks:
            shown = show_check(check)
            cells = (one.engine, *(shown[key] for key in ("name", "measured", "expected", "difference")))
            lines.append(
                "| " + " | ".join(map(_cell, cells)) + (" |" if not bound.fails(check) else " **fails** |")
            )
    failed = [one.engine for one in outcomes if bound.verdict(one) != HOLDS]
    lines += ["", f"**It does not hold on {', '.join(failed)}.**" if failed else "It holds.", ""]
    for engine, reason in law.not_on.items():
        lines += [f"Not on {engine}: {reason}.", ""]
    if law.remark:
        lines += [law.remark, ""]
    rejected = [
        wrong for wrong in law.twins if all(bound.rejects(one.twins.get(wrong, ())) for one in outcomes)
    ]
    missed = [wrong for wrong in law.twins if wrong not in rejected]
    lines += [f"Rejected: {'; '.join(rejected)}." if rejected else ""]
    if missed:
        lines += [f"**Not rejected: {'; '.join(missed)}.**"]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
