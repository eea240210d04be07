"""What `ionmc sweep` shows while it goes on."""

import io

import pytest
from rich.console import Console

from mc.cli.sweep import describe, draw_progress
from mc.ensemble.plan import Replica, SweepPlan
from mc.ensemble.schedule import Outcome
from mc.ensemble.sweep import SweepProgress


@pytest.fixture
def progress():
    points = tuple((f"{i} mM",) for i in range(30))
    plan = SweepPlan("s.toml", "", (), ("outside.K",), points, replicas=2, seed=1)
    return SweepProgress(plan, [Replica(0, 0), Replica(1, 0)])


def shown(progress, most_rows=40):
    console = Console(file=io.StringIO(), width=100)
    console.print(draw_progress(progress, most_rows))
    return console.file.getvalue().splitlines()


def test_the_line_says_how_far_it_is_and_how_long_it_will_take(progress):
    assert describe(progress) == "2 of 60 runs, 2 of them found finished"
    progress.waiting_for = "starting the workers"
    assert describe(progress).endswith(", starting the workers")
    progress.begin()
    progress._started -= 10.0
    progress.running = frozenset({Replica(2, 0), Replica(3, 0)})
    progress.note(Outcome(Replica(2, 0), None))
    progress.note(Outcome(Replica(4, 0), "no"))
    # Two of 58 in ten seconds leave 56 for 280.
    assert progress.seconds_left == pytest.approx(280.0, rel=1e-3)
    assert describe(progress) == (
        "4 of 60 runs, 2 of them found finished, 1 running, 1 failed, about 4.67 min left"
    )


def test_every_point_has_a_row_with_its_state(progress):
    progress.running = frozenset({Replica(2, 0)})
    progress.note(Outcome(Replica(0, 1), None))
    for i in range(2):
        progress.note(Outcome(Replica(5, i), "no"))
    rows = {line.split(" mM")[0].strip(): line.split() for line in shown(progress) if " mM" in line}
    assert len(rows) == 30
    assert rows["0"][2:] == ["2/2", "done"]
    assert rows["1"][2:] == ["1/2", "begun"]
    assert rows["2"][2:] == ["0/2", "1", "running"]
    assert rows["5"][2:] == ["0/2", "2", "failed"]
    assert rows["29"][2:] == ["0/2", "waiting"]


def test_where_there_is_no_room_the_points_that_run_are_shown(progress):
    progress.running = frozenset({Replica(20, 0)})
    lines = shown(progress, most_rows=5)
    points = [line.split()[0] for line in lines if " mM" in line]
    assert points == ["18", "19", "20", "21", "22"]
    assert lines[-1].startswith("25 more points; 2 of 60 runs")
