"""Where the runs of a sweep run: in this process, on the cores of this machine, or on a Dask cluster.

All three call the same function, `task.run_replica`. A run that fails is told and not tried again; one whose worker
was lost is made by another worker, as its own folder says how far it came.
"""

from __future__ import annotations

import json
import logging
import queue
import re
import secrets
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mc.ensemble.plan import Replica, SweepPlan
from mc.ensemble.task import compile_kernels, kinds_of_points, look_for_token, make_token, run_replica
from mc.errors import LostSchedulerError, McError, SweepError

if TYPE_CHECKING:
    from distributed import Client, Future

LOST_WORKERS = 2
"""How often a run is given to the cluster again after the scheduler gave it up, since it had lost several workers
with it: it may have stood beside the run that killed them."""

CONNECTION_TIMEOUT = 10.0
"""s."""

LOOK_INTERVAL = 0.5
"""s between two looks at what a cluster is doing."""


class Outcome(NamedTuple):
    """How a run ended."""

    run: Replica
    error: str | None
    """Why there is no result; None where there is one."""


class Batch(NamedTuple):
    """Runs to make, and how."""

    folder: str
    """Absolute, as every worker must see it; links in it are left as they are."""
    plan: SweepPlan
    runs: Sequence[Replica]
    threads: int | None
    """Of each run."""


def explain(error: BaseException) -> str:
    """Return why a run failed: the message of an input error, the end of the traceback of a bug."""
    if isinstance(error, McError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(where[-1].filename).name}:{where[-1].lineno}" if where else ""
    return f"{type(error).__name__}{place}: {error}"


def run_here(batch: Batch, on_start: Callable[[Replica], None] | None = None) -> Iterator[Outcome]:
    """Make the runs one after the other in this process."""
    for run in batch.runs:
        if on_start is not None:
            on_start(run)
        try:
            run_replica(batch.folder, batch.plan.fingerprint, run, batch.threads)
        except Exception as error:
            yield Outcome(run, explain(error))
        else:
            yield Outcome(run, None)


# --- on a cluster ---


@contextmanager
def local_cluster(n_workers: int) -> Iterator[Client]:
    """Give a client of a cluster of so many processes on this machine, each of which makes one run at a time."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs="CRITICAL",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def remote_cluster(address: str | None, scheduler_file: Path | None) -> Iterator[Client]:
    """Give a client of a scheduler that runs elsewhere. Raises SweepError where none answers."""
    from distributed import Client

    if scheduler_file is not None:
        address = _read_scheduler_file(scheduler_file)
    assert address is not None
    _reach(address)
    # A lost scheduler is told in our words, without the traceback of its connection.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECTION_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise SweepError(f"what answers at {address} is no Dask scheduler of this version: {error}") from None
    with client:
        yield client


def _read_scheduler_file(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = "does not exist" if not path.exists() else f"cannot be read: {error}"
        raise SweepError(f"{path} {reason}; `dask scheduler --scheduler-file` writes it") from None


def _reach(address: str) -> None:
    """Raise SweepError unless somebody answers: Dask itself would try for long before it says so less clearly."""
    match = re.fullmatch(r"(?:(?P<protocol>\w+)://)?\[?(?P<host>[^/]+?)\]?:(?P<port>\d+)", address)
    if match is None:
        raise SweepError(f'"{address}" is no address of a scheduler; write it as tcp://HOST:PORT')
    if match["protocol"] not in (None, "tcp", "tls"):
        return
    try:
        socket.create_connection((match["host"], int(match["port"])), CONNECTION_TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise SweepError(
            f"no Dask scheduler answers at {address}: {error}; start one with `dask scheduler` and give the address "
            "that it prints"
        ) from None


def prepare(client: Client, batch: Batch, on_wait: Callable[[str], None]) -> None:
    """See that every worker sees the folder, and compile the kernels once on each of their hosts.

    `on_wait` is told what is waited for. Raises SweepError.
    """
    with _noticing_a_lost_scheduler():
        if not client.nthreads():
            on_wait("waiting for the first worker")
            client.wait_for_workers(1)
        check_folder(client, Path(batch.folder))
        on_wait("loading or compiling the kernels")
        first_on_host = {socket_host(address): address for address in sorted(client.nthreads())}
        points = kinds_of_points(batch.plan)
        compiled = [
            client.submit(
                compile_kernels,
                *(batch.folder, batch.plan.fingerprint, points, batch.threads),
                workers=[address],
                allow_other_workers=True,
                pure=False,
            )
            for address in first_on_host.values()
        ]
        for future in compiled:
            # What cannot work says so again when its own run fails.
            future.exception()


def socket_host(address: str) -> str:
    """Return the host of an address such as tcp://10.0.0.1:34567."""
    return address.rpartition("://")[2].rpartition(":")[0]


def check_folder(client: Client, folder: Path) -> None:
    """Raise SweepError unless every worker sees a file that is now written into the folder."""
    token = make_token(folder)
    try:
        found = client.run(look_for_token, str(token), on_error="return")
    finally:
        token.unlink(missing_ok=True)
    broken = {address: text for address, text in found.items() if isinstance(text, BaseException)}
    for address, error in broken.items():
        raise SweepError(
            f"the worker {address} cannot run ionmc: {explain(error)}; install the same version of ionmc there"
        )
    blind = sorted(address for address, text in found.items() if text != token.name)
    if blind:
        raise SweepError(
            f"{', '.join(blind)} {'does' if len(blind) == 1 else 'do'} not see the folder {folder} of "
            f"{socket.gethostname()}: a sweep needs a filesystem that all workers share; give an --output folder on "
            "one, by the same path everywhere"
        )


def run_on(client: Client, batch: Batch, on_look: Callable[[frozenset[Replica]], None]) -> Iterator[Outcome]:
    """Make the runs on a cluster and tell of each as it ends; `on_look` is told now and then which are running.

    Raises LostSchedulerError if the scheduler is gone.
    """
    from distributed import KilledWorker

    ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
    # No future of an earlier sweep on the same scheduler has the same name.
    prefix = f"ionmc-{secrets.token_hex(4)}"
    futures: dict[str, tuple[Replica, Future]] = {}

    def submit(run: Replica, n_lost: int = 0) -> None:
        key = f"{prefix}-{run.point}-{run.replica}-{n_lost}"
        arguments = batch.folder, batch.plan.fingerprint, tuple(run), batch.threads
        with _noticing_a_lost_scheduler():
            future = client.submit(run_replica, *arguments, key=key, pure=False)
        futures[key] = run, future
        future.add_done_callback(ended.put)

    for run in batch.runs:
        submit(run)
    lost: dict[Replica, int] = {}
    while futures:
        try:
            future = ended.get(timeout=LOOK_INTERVAL)
        except queue.Empty:
            with _noticing_a_lost_scheduler():
                running = _running_keys(client)
            on_look(frozenset(futures[key][0] for key in running if key in futures))
            continue
        run, _ = futures.pop(str(future.key))
        with _noticing_a_lost_scheduler():
            error = future.exception()
        if error is None and future.status != "finished":
            # Futures of a scheduler that is gone are cancelled, and have no error.
            raise _lost_scheduler()
        if isinstance(error, KilledWorker) and lost.get(run, 0) < LOST_WORKERS:
            lost[run] = lost.get(run, 0) + 1
            submit(run, lost[run])
        elif isinstance(error, KilledWorker):
            yield Outcome(run, "every worker that made it was lost: did they run out of memory?")
        else:
            yield Outcome(run, None if error is None else explain(error))


def _running_keys(client: Client) -> list[str]:
    """Return the tasks that workers are at, those that wait at a worker left out."""
    if client.status != "running":
        raise _lost_scheduler()
    threads = client.nthreads()
    return [
        str(key) for address, keys in client.processing().items() for key in keys[: threads.get(address, 1)]
    ]


@contextmanager
def _noticing_a_lost_scheduler() -> Iterator[None]:
    """Raise LostSchedulerError for whatever it is that talking to a scheduler that is gone ends in."""
    from distributed import CancelledError

    try:
        yield
    except (OSError, TimeoutError, CancelledError) as error:
        raise _lost_scheduler() from error


def _lost_scheduler() -> LostSchedulerError:
    return LostSchedulerError(
        "the Dask scheduler is gone: what is finished is kept, and the same command with another scheduler goes on "
        "from there"
    )
