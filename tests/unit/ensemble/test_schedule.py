"""Who makes a run again and who does not; addresses; the folder that workers must see."""

import json
import socket
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from distributed import CancelledError as DaskCancelledError
from distributed import KilledWorker
from distributed.comm import CommClosedError

from mc.ensemble import schedule
from mc.ensemble.plan import Replica, SweepPlan
from mc.ensemble.schedule import LOST_WORKERS, Batch, Outcome, check_folder, explain, run_here, run_on
from mc.errors import LostSchedulerError, ScenarioError, SweepError

PLAN = SweepPlan("s.toml", "", (), ("a",), (("1",), ("2",)), replicas=1, seed=1)
RUNS = (Replica(0, 0), Replica(1, 0))
BATCH = Batch("/nowhere", PLAN, RUNS, 1)


class FakeFuture:
    """A future that has ended."""

    def __init__(self, key, error):
        self.key, self._error = key, None if error == "cancelled" else error
        self.status = "cancelled" if error == "cancelled" else "error" if error else "finished"

    def add_done_callback(self, callback):
        callback(self)

    def exception(self):
        if isinstance(self._error, CancelledError | DaskCancelledError):
            raise self._error
        return self._error


class FakeClient:
    """A client whose runs end as `errors` says of their points, each time anew."""

    def __init__(self, errors):
        self.errors, self.keys = errors, []

    def submit(self, function, folder, fingerprint, run, threads, *, key, pure):
        assert function is schedule.run_replica
        self.keys.append(key)
        error = self.errors.get(run[0])
        return FakeFuture(key, error() if callable(error) else error)


def killed():
    return KilledWorker("task", "worker", 4)


def outcomes(errors):
    client = FakeClient(errors)
    found = {outcome.run: outcome.error for outcome in run_on(client, BATCH, lambda running: None)}
    assert len(set(client.keys)) == len(client.keys), "a name was used twice"
    return found, len(client.keys)


def test_what_fails_for_a_reason_is_told_and_not_tried_again():
    found, n_tries = outcomes({1: ScenarioError("this cannot work")})
    assert found == {RUNS[0]: None, RUNS[1]: "this cannot work"}
    assert n_tries == 2


def test_a_run_that_lost_its_workers_is_tried_again_and_told_if_it_loses_them_always():
    found, n_tries = outcomes({1: killed})
    assert found[RUNS[0]] is None
    assert "out of memory" in found[RUNS[1]]
    assert n_tries == 2 + LOST_WORKERS


def test_a_run_that_stood_beside_one_that_killed_its_worker_comes_to_its_end():
    endings = iter([killed(), None])
    found, n_tries = outcomes({0: lambda: next(endings)})
    assert found == dict.fromkeys(RUNS)
    assert n_tries == 3


def test_a_lost_scheduler_ends_the_sweep():
    with pytest.raises(LostSchedulerError, match="scheduler is gone"):
        outcomes({0: DaskCancelledError("0")})


def test_a_run_that_was_cancelled_is_not_taken_for_one_that_is_finished():
    with pytest.raises(LostSchedulerError, match="scheduler is gone"):
        outcomes({1: "cancelled"})


@pytest.mark.parametrize("error", [CommClosedError("in <TCP>"), TimeoutError("5 s"), ConnectionResetError()])
def test_a_scheduler_that_does_not_take_a_run_is_lost(error):
    def refuse():
        raise error

    with pytest.raises(LostSchedulerError, match="scheduler is gone"):
        outcomes({1: refuse})


def test_a_run_that_failed_over_a_file_has_not_lost_the_scheduler():
    found, _ = outcomes({1: FileNotFoundError(2, "No such file", "run.h5")})
    assert found[RUNS[0]] is None
    assert "run.h5" in found[RUNS[1]]


def test_a_bug_is_told_with_its_place(monkeypatch):
    def fail(*arguments):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(schedule, "run_replica", fail)
    started = []
    (first, second) = run_here(BATCH, started.append)
    assert first.run == RUNS[0]
    assert first.error.startswith("ZeroDivisionError at test_schedule.py:")
    assert second.error == first.error
    assert started == list(RUNS)
    assert explain(ScenarioError("plain")) == "plain"
    assert isinstance(first, Outcome)


@pytest.mark.parametrize("address", ["", "here", "tcp://here", "tcp://:1", "a:b", "tcp://a:b"])
def test_what_is_no_address_is_told(address):
    with pytest.raises(SweepError, match="no address of a scheduler"):
        schedule._reach(address)


def test_an_address_where_nobody_answers_is_told_and_one_where_somebody_does_passes():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"tcp://127.0.0.1:{port}", f"ucx://nowhere:{port}"):
            schedule._reach(address)
    with pytest.raises(SweepError, match=f"no Dask scheduler answers at tcp://127.0.0.1:{port}"):
        schedule._reach(f"tcp://127.0.0.1:{port}")


def test_a_file_of_a_scheduler_holds_its_address(tmp_path):
    path = tmp_path / "scheduler.json"
    with pytest.raises(SweepError, match="does not exist"):
        schedule._read_scheduler_file(path)
    path.write_text("{")
    with pytest.raises(SweepError, match="cannot be read"):
        schedule._read_scheduler_file(path)
    path.write_text(json.dumps({"address": "tcp://here:1"}))
    assert schedule._read_scheduler_file(path) == "tcp://here:1"


class Workers:
    """Workers that see what `look` gives back for the path of a token."""

    def __init__(self, **look):
        self.look = look

    def run(self, function, path, *, on_error):
        assert on_error == "return"
        assert function(path) == Path(path).name
        return {f"tcp://{name}": look(path) for name, look in self.look.items()}


def test_workers_must_see_a_file_written_now(tmp_path):
    def sees(path):
        return Path(path).read_text()

    check_folder(Workers(a=sees, b=sees), tmp_path)
    with pytest.raises(SweepError, match="tcp://b does not see the folder"):
        check_folder(Workers(a=sees, b=lambda path: None), tmp_path)
    with pytest.raises(SweepError, match="tcp://a, tcp://b do not see"):
        check_folder(Workers(a=lambda path: None, b=lambda path: "another"), tmp_path)
    with pytest.raises(SweepError, match="the worker tcp://a cannot run ionmc: ModuleNotFoundError"):
        check_folder(Workers(a=lambda path: ModuleNotFoundError("mc"), b=sees), tmp_path)
    assert not list(tmp_path.iterdir()), "the token was left"
