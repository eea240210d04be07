"""`ionmc sweep`: many runs, again, after kills, on schedulers started by hand, and without a shared filesystem."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mc
from mc.recording.recording import Recording

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")

SCENARIO = """
title = "A patch in several solutions"
[simulation]
duration = "2 us"
time_step = "10 ns"
engine = "lattice"
seed = 5
[geometry]
area = "0.01 um^2"
inside_length = "10 nm"
outside_length = "10 nm"
boundary = "bath"
[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"
[inside]
K = "140 mM"
Cl = "20 mM"
[outside]
K = "20 mM"
Na = "120 mM"
Cl = "120 mM"
[[channels]]
name = "K leak"
count = 200
permeability = { K = "0.037 nm^3/ns" }
[recording]
interval = "20 ns"
[sweep]
replicas = 3
[[sweep.vary]]
key = "outside.K"
values = ["5 mM", "20 mM"]
"""

PATIENCE = 300.0
"""s for what takes seconds on a quiet machine, compilation included."""


@pytest.fixture
def scenario_file(tmp_path):
    path = tmp_path / "patch.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def start(*arguments, **options):
    command = [sys.executable, "-m", "mc", "sweep", *map(str, arguments), "--no-figures"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def sweep(*arguments, status=0, **options):
    """Run the command to its end and return its output and messages."""
    process = start(*arguments, **options)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, errors
    assert "Traceback" not in errors
    return output, errors


def table_of(folder):
    return (folder / "sweep.csv").read_bytes(), (folder / "sweep.h5").read_bytes()


def runs_of(folder):
    """Return the run.h5 of finished runs with what changes when they are made again."""
    return {
        path.parent: (path.parent / "run.h5").stat().st_ino for path in folder.glob("point-*/replica-*/.done")
    }


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.02)


def workers_of(process):
    """Return the processes in which the local cluster of a sweep runs, by what they are started with."""
    listing = subprocess.run(
        ["ps", "-eww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    children = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
    return [
        int(pid)
        for pid, parent, arguments in children
        if int(parent) == process.pid and "spawn_main" in arguments
    ]


def test_every_run_is_an_ordinary_one_and_the_table_stands_beside_theory(scenario_file, tmp_path):
    output, errors = sweep(scenario_file, "--output", tmp_path / "out", "--jobs", 1)
    assert "6 of 6 runs" in errors
    assert str(tmp_path / "out" / "sweep.csv") in output
    with (tmp_path / "out" / "sweep.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["quantity"] == "membrane_potential"]
    assert [row["outside.K (mM)"] for row in rows] == ["5.0", "20.0"]
    for row, nernst in zip(rows, (-89.06, -52.01), strict=True):
        assert row["runs"] == "3"
        assert float(row["theory"]) == pytest.approx(nernst, abs=0.5)
        assert float(row["mean"]) == pytest.approx(nernst, abs=10.0)
    drawn = subprocess.run(
        [sys.executable, "-m", "mc", "plot", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert drawn.stdout.splitlines() == [
        str(tmp_path / "out" / "figures" / f"{name}.png") for name in ("membrane_potential", "noise")
    ]
    folders = sorted(runs_of(tmp_path / "out"))
    assert len(folders) == 6
    seeds = set()
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text())
        with Recording(folder) as recording:
            assert recording.finished
            assert recording.seed == summary["seed"]
            seeds.add(recording.seed)
    assert len(seeds) == 6


def test_the_command_of_a_run_repeats_it_by_itself(scenario_file, tmp_path):
    sweep(scenario_file, "--output", tmp_path / "out", "--jobs", 1, "--replicas", 1)
    folder = tmp_path / "out" / "point-0001" / "replica-000"
    with Recording(folder) as recording:
        potential, command = recording["membrane_potential"], recording.attributes["command_line"]
    words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", command)]
    assert words[:2] == ["ionmc", "run"]
    alone = [sys.executable, "-m", "mc", *words[1:], "--output", str(tmp_path / "alone"), "--no-figures"]
    subprocess.run(alone, check=True, capture_output=True, timeout=PATIENCE)
    with Recording(tmp_path / "alone") as recording:
        assert recording["membrane_potential"].tobytes() == potential.tobytes()


def test_the_same_sweep_again_makes_only_what_is_missing(scenario_file, tmp_path):
    folder = tmp_path / "out"
    sweep(scenario_file, "--output", folder, "--jobs", 1)
    table, runs = table_of(folder), runs_of(folder)
    missing = folder / "point-0001" / "replica-002"
    (missing / ".done").unlink()
    (missing / "run.h5").unlink()
    _, errors = sweep(scenario_file, "--output", folder, "--jobs", 1)
    assert "5 of them found finished" in errors
    assert table_of(folder) == table
    again = runs_of(folder)
    assert {path for path in runs if again[path] != runs[path]} <= {missing}
    _, errors = sweep(scenario_file, "--output", folder, "--replicas", 4, "--jobs", 1)
    assert "6 of them found finished" in errors
    assert len(runs_of(folder)) == 8


def test_the_folder_of_another_sweep_is_refused_with_the_difference(scenario_file, tmp_path):
    folder = tmp_path / "out"
    sweep(scenario_file, "--output", folder, "--jobs", 1, "--replicas", 1)
    for change, message in (
        (["--vary", "outside.K=5 mM,30 mM"], "outside.K there: 5 mM, 20 mM; here: 5 mM, 30 mM"),
        (["--seed", "6"], "seed there: 5; here: 6"),
        (["--set", "simulation.duration=3 us"], "simulation.duration there: 2000.0; here: 3000.0"),
    ):
        _, errors = sweep(scenario_file, "--output", folder, "--jobs", 1, *change, status=2)
        assert f"{folder} holds another sweep: {message}" in errors
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    _, errors = sweep(scenario_file, "--output", tmp_path / "other", status=2)
    assert "holds something else than a sweep" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vary", "outside.K=5 mM,5 mV"], "--vary outside.K=5 mV: outside.K: expected a concentration"),
        (["--vary", "outside.K"], "write the key and its values"),
        (
            ["--paired", "--vary", "outside.K=5 mM,6 mM", "--vary", "outside.Na=1 mM"],
            "paired keys need as many",
        ),
        (["--scheduler", "tcp://127.0.0.1:1"], "no Dask scheduler answers at tcp://127.0.0.1:1"),
        (["--scheduler", "nonsense"], '"nonsense" is no address of a scheduler'),
        (["--scheduler-file", "absent.json"], "absent.json does not exist"),
        (["--scheduler", "a", "--jobs", "2"], "--jobs is for this machine"),
    ],
)
def test_bad_input_is_one_clear_message(scenario_file, tmp_path, arguments, message):
    _, errors = sweep(scenario_file, "--output", tmp_path / "out", *arguments, status=2)
    assert message in errors
    assert not (tmp_path / "out").exists() or "--scheduler" in arguments[0]


def test_replicas_alone_and_a_drawn_seed_that_is_kept(scenario_file, tmp_path):
    scenario_file.write_text(SCENARIO.split("[sweep]")[0].replace("seed = 5", ""), encoding="utf-8")
    options = [scenario_file, "--output", tmp_path / "out", "--jobs", 1, "--json"]
    first = json.loads(sweep(*options, "--replicas", 2)[0])
    (row,) = [row for row in first["rows"] if row["quantity"] == "membrane_potential"]
    assert row["runs"] == 2
    again = json.loads(sweep(*options, "--replicas", 3)[0])
    assert again["seed"] == first["seed"]
    assert len(runs_of(tmp_path / "out")) == 3


def test_runs_that_fail_are_told_with_the_command_that_repeats_them(scenario_file, tmp_path):
    """A record every 1.5 us leaves three records of 2 us, too few to average."""
    vary = ["--vary", "recording.interval=20 ns,1.5 us", "--set", "recording.profile_interval=1.5 us"]
    options = ["--output", tmp_path / "out", *vary, "--replicas", 1, "--jobs", 2, "--json"]
    output, errors = sweep(scenario_file, *options, status=1)
    assert "error: recording.interval=1.5 us, replica 0:" in errors
    assert "too few to average" in errors
    content = json.loads(output)
    (failure,) = content["failures"]
    assert failure["point"] == 1
    assert "to repeat it: ionmc run" in errors
    assert failure["command"] in errors
    by_point = {row["point"]: row for row in content["rows"] if row["quantity"] == "membrane_potential"}
    assert by_point[0]["runs"] == 1
    assert by_point[1]["runs"] == 0
    assert by_point[1]["mean"] is None


LONG = ["--set", "simulation.duration=20 us", "--set", "simulation.time_step=4 ns"]
"""Each run lasts long enough to be killed in its middle."""


def test_a_sweep_survives_the_death_of_a_worker_and_goes_on_after_its_own(scenario_file, tmp_path):
    """Kill a worker, then the whole sweep; the same command gives the table of a sweep that was left in peace."""
    sweep(scenario_file, "--output", tmp_path / "calm", "--jobs", 1, *LONG)
    folder = tmp_path / "killed"
    process = start(scenario_file, "--output", folder, "--jobs", 2, *LONG)
    try:
        wait_for(lambda: any(folder.glob("point-*/replica-*/run.h5")), "run has begun")
        victim = workers_of(process)[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(runs_of(folder)) >= 3, "runs after the death of a worker")
        assert process.poll() is None
        before = runs_of(folder)
    finally:
        process.kill()
        process.communicate()
    assert len(before) < 6
    _, errors = sweep(scenario_file, "--output", folder, "--jobs", 2, *LONG)
    assert "of them found finished" in errors
    assert table_of(folder) == table_of(tmp_path / "calm")
    after = runs_of(folder)
    assert {path: after[path] for path in before} == before


@pytest.fixture
def dask(tmp_path):
    """Return a function that starts `dask scheduler` or `dask worker`; all are ended afterwards."""
    processes = []

    def start_dask(*arguments, cwd=tmp_path):
        log = (tmp_path / f"dask-{len(processes)}.log").open("w")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(mc.__file__).parents[1])])}
        command = [sys.executable, "-m", "dask", *map(str, arguments)]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=cwd, env=environment)
        processes.append(process)
        return process

    start_dask.started = processes
    yield start_dask
    for process in reversed(processes):
        process.terminate()
    for process in processes:
        process.wait(timeout=30)


def start_scheduler(dask, tmp_path):
    """Start a scheduler and return its address and the file that it wrote."""
    file = tmp_path / "scheduler.json"
    dask("scheduler", "--port", 0, "--no-dashboard", "--scheduler-file", file)
    wait_for(lambda: file.exists() and file.read_text().endswith("}"), "scheduler")
    return json.loads(file.read_text())["address"], file


def start_worker(dask, address, name, **options):
    return dask("worker", address, "--nthreads", 1, "--no-dashboard", "--name", name, **options)


def test_a_scheduler_and_workers_started_by_hand_make_the_same_table(scenario_file, tmp_path, dask):
    address, file = start_scheduler(dask, tmp_path)
    for name in "ab":
        start_worker(dask, address, name)
    sweep(scenario_file, "--output", tmp_path / "there", "--scheduler-file", file)
    sweep(scenario_file, "--output", tmp_path / "here", "--jobs", 1)
    assert table_of(tmp_path / "there") == table_of(tmp_path / "here")


def test_a_sweep_whose_scheduler_is_killed_says_so_and_goes_on_with_another(scenario_file, tmp_path, dask):
    folder = tmp_path / "out"
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    address, _ = start_scheduler(dask, tmp_path / "first")
    start_worker(dask, address, "a")
    options = ["--set", "simulation.duration=80 us", "--set", "simulation.time_step=4 ns"]
    process = start(scenario_file, "--output", folder, "--scheduler", address, *options)
    wait_for(lambda: runs_of(folder), "finished run")
    dask.started[0].kill()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, errors
    assert errors.count("error: the Dask scheduler is gone: what is finished is kept") == 1
    assert "Traceback" not in errors
    # A worker makes the run that it is at to its end.
    dask.started[1].kill()
    dask.started[1].wait()
    before = runs_of(folder)
    assert len(before) < 6
    address, _ = start_scheduler(dask, tmp_path / "second")
    start_worker(dask, address, "b")
    _, errors = sweep(scenario_file, "--output", folder, "--scheduler", address, *options)
    assert f"{len(before)} of them found finished" in errors
    after = runs_of(folder)
    assert len(after) == 6
    assert {path: after[path] for path in before} == before


def test_a_first_sweep_says_that_it_compiles(scenario_file, tmp_path):
    """In its first seconds, and once only what it waits for; the folder of kernels is empty."""
    environment = {**os.environ, "IONMC_CACHE_DIR": str(tmp_path / "kernels")}
    process = start(scenario_file, "--output", tmp_path / "out", "--jobs", 1, env=environment)
    try:
        assert any("compiling the kernels" in process.stderr.readline() for _ in range(2))
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs a path that differs between processes")
def test_workers_that_do_not_share_the_files_are_named_at_once(scenario_file, tmp_path, dask):
    """The folder /proc/self/cwd/out is another one for each process, as a disk of its own is on each host."""
    address, _ = start_scheduler(dask, tmp_path)
    for name in ("near", "far"):
        (tmp_path / name).mkdir()
    start_worker(dask, address, "near", cwd=tmp_path / "near")
    start_worker(dask, address, "far", cwd=tmp_path / "far")
    options = ["--output", "/proc/self/cwd/out", "--scheduler", address]
    _, errors = sweep(scenario_file, *options, cwd=tmp_path / "near", status=2)
    assert "does not see the folder /proc/self/cwd/out" in errors
    assert "a filesystem that all workers share" in errors
    assert errors.count("tcp://") == 1
    assert not runs_of(tmp_path / "near" / "out")


def test_from_python_with_a_client_of_ones_own(scenario_file, tmp_path):
    from distributed import Client, LocalCluster

    seen = []
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        result = mc.sweep(
            scenario_file,
            tmp_path / "out",
            vary={"outside.K": ["5 mM", "50 mM"]},
            replicas=2,
            client=client,
            on_progress=lambda progress: seen.append(progress.n_ended),
        )
    assert seen[-1] == 4
    assert not result.failures
    assert len(result.to_pandas()) == len(result.table)
    assert [tuple(run) for run, _ in result.recordings()] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    with result.recording(1, 1) as recording:
        assert recording.scenario.outside["K"] == 50.0
