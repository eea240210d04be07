from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from mc.validation.law import Check, Law, Line, Picture, Points
from mc.validation.registry import ValidationError, choose, find_laws
from mc.validation.report import as_json, show_check, write_report
from mc.validation.suite import BROKEN, FAILS, FALSE_ALARM, HOLDS, Bound, Outcome, bound_of, plan, run_task

OWN_LAW = """
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mc.validation.law import Check, Law, Line, Picture, Points

@dataclass
class Seen:
    seed: int

def measure(trial):
    if trial.seed == 13:
        raise ValueError("nothing to see")
    return Seen(trial.seed)

def compare(seen):
    return [Check("seed", float(seen.seed), 1.0, 1.0)]

def draw(seed):
    x = np.array([0.0, 1.0])
    return Picture("x", "<b>y</b>", (Line("theory", x, x),), (Points("seen", x, x, x),))

LAW = Law(
    name="own", claim="Seeds are one.", formula="s = 1 <script>", references=(), engines=("brownian",),
    measure=measure, compare=compare, twins={"a hundred": lambda s: [Check("s", s.seed, 1.0, 100.0)]}, draw=draw,
)
"""


@pytest.fixture
def own_law(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN_LAW)
    return path


def outcomes_of(path, seeds):
    laws = choose(find_laws([path]), ["own"])
    tasks = plan(laws, engine=None, seeds=seeds, full=False, folder=path.parent, law_files=[path])
    return [run_task(task) for task in tasks]


def test_the_bound_shares_the_false_alarm_among_all_checks():
    check = Check("one", 1.0, 1.0, 0.0)
    bound = bound_of([Outcome("a", "brownian", 1, (check,) * 30), Outcome("b", "lattice", 1, (check,) * 70)])
    assert bound.level == FALSE_ALARM / 100
    assert bound.standard_errors == pytest.approx(norm.isf(FALSE_ALARM / 200))
    assert bound.fails(Check("far", 5.0, 1.0, 0.0))
    assert not bound.fails(Check("near", 4.7, 1.0, 0.0))


def test_a_law_of_ones_own_is_measured_and_judged(own_law):
    held, failed, broken = outcomes_of(own_law, [1, 99, 13])
    bound = bound_of([held, failed, broken])
    assert bound.n_checks == 2
    assert [bound.verdict(one) for one in (held, failed, broken)] == [HOLDS, FAILS, BROKEN]
    assert "nothing to see" in broken.error
    assert bound.rejects(held.twins["a hundred"])
    assert not bound.rejects(failed.twins["a hundred"])


def test_the_report_is_one_page_in_which_text_stays_text(own_law, tmp_path):
    outcomes = outcomes_of(own_law, [1, 99])
    laws, bound = find_laws([own_law]), bound_of(outcomes)
    html_path, json_path = write_report(tmp_path / "report", outcomes, laws, bound, {"size": "quick"})
    html = html_path.read_text(encoding="utf-8")
    assert "<script>" not in html
    assert "<b>y</b>" not in html
    assert "s = 1 &lt;script&gt;" in html
    assert html.count("<svg") == 2
    assert "http://" not in html.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    ids = [part.split('"')[0] for part in html.split('id="')[1:]]
    assert len(ids) == len(set(ids))
    assert '"all_hold": false' in json_path.read_text(encoding="utf-8")


def test_numbers_of_the_report(own_law):
    outcomes = outcomes_of(own_law, [1])
    found = as_json(outcomes, find_laws([own_law]), Bound(1), {"seed": 1})
    assert found["all_hold"]
    assert found["laws"][0]["checks"][0]["difference_in_standard_errors"] == 0.0
    assert found["laws"][0]["twins"][0]["rejected"]


def test_checks_are_shown_to_the_second_digit_of_their_error():
    shown = show_check(Check("V", -86.4321, 0.8123, -86.71234, "mV"))
    assert shown["measured"] == "−86.43 ± 0.81 mV"
    assert shown["expected"] == "−86.71 mV"
    assert show_check(Check("ions", 3.0, 0.0, 3.0))["measured"] == "3"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such Python file"), ("1/0", "cannot be imported"), ("LAW = 3", "holds no LAW")],
)
def test_files_without_a_law_are_refused(tmp_path, content, message):
    path = tmp_path / "law.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValidationError, match=message):
        find_laws([path])


def test_an_unknown_law_is_refused_with_the_nearest_name():
    with pytest.raises(ValidationError, match="did you mean nernst"):
        choose(find_laws(), ["nerst"])


def test_every_law_says_what_it_is_and_how_it_would_be_wrong():
    laws = find_laws()
    assert list(laws) == sorted(laws)
    for law in laws.values():
        assert isinstance(law, Law)
        assert law.claim.endswith(".")
        assert law.formula and law.references and law.twins and law.engines
        assert not set(law.engines) & set(law.not_on)
        resolved = set(law.solved_on) | set(law.orders)
        # Two laws are themselves about what steps and cells leave, and say how much in their checks.
        is_about_resolution = law.name in ("grid-spacings", "time-steps")
        assert resolved == (set() if is_about_resolution else set(law.engines) & {"continuum"})
        assert not set(law.solved_on) & set(law.orders)


def test_picture_of_a_law_is_drawn():
    from mc.figures.laws import svg_of_law

    x = np.array([1.0, 2.0])
    svg = svg_of_law(Picture("x", "y", (Line("a", x, x),), (Points("a", x, x, 0.1 * x),)), "name")
    assert svg.startswith("<svg")
    assert "#000000" not in svg
    assert Path(__file__).name not in svg
