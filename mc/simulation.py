"""A run from beginning to end: time, the order of steps and records, when to stop. No formula of physics is here."""

import math
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mc.engines.base import Engine, Maps, Observation, Observations, Positions
from mc.engines.brownian.engine import BrownianEngine
from mc.engines.continuum.engine import ContinuumEngine
from mc.engines.devices import Device, check_device
from mc.engines.lattice.engine import LatticeEngine
from mc.engines.timeline import LowPass
from mc.errors import LedgerError, NumericalError, RecordingError, ScenarioError, StabilityError
from mc.recording.checkpoint import (
    Checkpoint,
    keep_checkpoint,
    read_checkpoint,
    read_origin,
    remove_checkpoints,
    write_checkpoint,
)
from mc.recording.layout import (
    COMPLETED,
    ChannelDescription,
    PumpDescription,
    RunDescription,
    SpeciesDescription,
    series_blocks,
)
from mc.recording.recorder import Recorder, refuse_existing
from mc.recording.recording import Recording
from mc.sampling import LEAST_OF_A_SPECIES, fair_sample
from mc.scenario.advice import Advice, advise
from mc.scenario.limits import refuse_what_does_not_fit
from mc.scenario.placement import place
from mc.scenario.schema import MOST_RECORDED_IONS, Scenario, ScenarioSource
from mc.scenario.time_steps import resolve_time_step

ENGINES: dict[str, type[BrownianEngine] | type[LatticeEngine] | type[ContinuumEngine]] = {
    "brownian": BrownianEngine,
    "lattice": LatticeEngine,
    "continuum": ContinuumEngine,
}
"""The engines by the names that scenarios give them."""

PROGRESS_INTERVAL = 0.2
"""s of wall time between two reports of progress."""

CHECKPOINT_INTERVAL = 30.0
"""s of wall time between two checkpoints, by default."""

FEWEST_TIMED_STEPS = 64
"""Steps that are made before their pace is known."""

MEMORY_INTERVAL = 1.0
"""s of wall time after which the last good state is remembered anew, where copying it costs next to nothing."""

MOST_REMEMBERED = 256e6
"""Bytes of a state above which it is not."""

PIECE = 0.5
"""s of wall time after which a run looks whether it is to stop, also where its records are further apart."""

PIECES_OF_WATCH = 2
"""Goes in each of these where records are so close together that the engine looks at many at once."""


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop by a signal, and has: what it did is recorded, and a checkpoint lets it go on."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"signal {signal_number}")
        self.signal_number = signal_number


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int
    n_steps: int
    time: float
    """Simulated, ns."""
    duration: float
    """To be simulated, ns."""
    wall_seconds: float
    """Since the first step."""
    n_ions_followed: int
    """One by one; none where ions are counted."""
    membrane_potential: float
    """mV, as last recorded."""
    first_step: int = 0
    """Of a branch, where it began."""

    @property
    def steps_per_second(self) -> float:
        """Of wall time."""
        return (self.step - self.first_step) / self.wall_seconds if self.wall_seconds else 0.0

    @property
    def seconds_left(self) -> float:
        """Wall time until the end at the present pace."""
        made = self.step - self.first_step
        return self.wall_seconds * (self.n_steps - self.step) / made if made else float("nan")


@dataclass(frozen=True)
class Plan:
    """All that the bits of a run follow from, with the same version of the program."""

    scenario: Scenario
    seed: int
    time_step: float
    """ns."""
    clamped_potential: float | None = None
    """mV."""
    command_line: str = ""
    origin: Checkpoint | None = None
    """What a branch begins with."""
    branched_from: str = ""
    """Of a branch, as in `RunDescription`."""
    device: Device = "cpu"
    """Where ions are moved."""

    @property
    def n_steps(self) -> int:
        """Number of the last step."""
        return max(1, round(self.scenario.simulation.duration / self.time_step))

    @property
    def first_step(self) -> int:
        """Steps that were done when it begins."""
        return 0 if self.origin is None else int(self.origin.header["step"])

    def make_engine(self, threads: int | None) -> Engine:
        """Return the engine as it is at the beginning."""
        check_device(self.scenario, self.device)
        engine_type = ENGINES[self.scenario.simulation.engine]
        on_device = {} if self.device == "cpu" else {"device": self.device}
        engine: Engine = engine_type(
            self.scenario, self.seed, self.time_step, threads, self.clamped_potential, **on_device
        )
        if self.origin is not None:
            engine.take_up(strip_prefix(self.origin.arrays, "engine."))
        return engine

    def describe(self, engine: Engine) -> RunDescription:
        """Return what is known of the run before its first step."""
        return describe(
            self.scenario,
            engine,
            self.seed,
            self.n_steps,
            self.command_line,
            self.clamped_potential,
            self.branched_from,
            self.device,
        )

    def header(self) -> dict[str, Any]:
        """Return it as it stands in a checkpoint."""
        source = self.scenario.source
        return {
            "scenario": self.scenario.to_json(),
            "scenario_file": source.text if source else "",
            "scenario_path": str(source.path) if source else "",
            "overrides": list(source.overrides) if source else [],
            "command_line": self.command_line,
            "seed": self.seed,
            "time_step": self.time_step,
            "clamped_potential": math.nan if self.clamped_potential is None else self.clamped_potential,
            "branched_from": self.branched_from,
            "device": self.device,
        }


def read_plan(folder: Path, header: Mapping[str, Any]) -> Plan:
    """Return the plan of a run from the header of a checkpoint, or from the attributes of run.h5.

    Raises RecordingError for a branch whose beginning is gone, and for a scenario of another version.
    """
    try:
        scenario = Scenario.from_json(header["scenario"])
    except ValueError as error:
        raise RecordingError(f"{folder} holds a scenario that cannot be read: {error}") from error
    scenario._source = ScenarioSource(
        Path(header["scenario_path"]), header["scenario_file"], tuple(header["overrides"]), {}
    )
    branched_from = header.get("branched_from", "")
    origin = read_origin(folder) if branched_from else None
    if branched_from and origin is None:
        raise RecordingError(f"{folder} is a branch, and what it began with, checkpoint.origin.npz, is gone")
    held = header["clamped_potential"]
    return Plan(
        scenario,
        header["seed"],
        header["time_step"],
        None if math.isnan(held) else held,
        header["command_line"],
        origin,
        branched_from,
        header.get("device", "cpu"),
    )


def simulate(
    scenario: Scenario,
    folder: str | os.PathLike[str] | None = None,
    *,
    seed: int | None = None,
    threads: int | None = None,
    device: Device = "cpu",
    overwrite: bool = False,
    command_line: str = "",
    clamped_potential: float | None = None,
    checkpoint_every: float = CHECKPOINT_INTERVAL,
    checkpoint_at: Sequence[float] = (),
    ignore_limits: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Recording:
    """Run a scenario and return its recording, `folder`/run.h5.

    `seed`: of all random numbers; the scenario's own, or else a drawn one, when not given. Results are the same bits
    for any number of `threads`. `device` "cuda" moves the ions of the engine brownian on a GPU.
    `clamped_potential`, in mV, holds the potential across the membrane. Every
    `checkpoint_every` s of wall time a checkpoint is kept beside run.h5, from which `resume` goes on; it is removed
    at the end. Those of the moments `checkpoint_at`, in ns, stay, for `mc.lineage.branch`. A run that is interrupted
    by SIGINT or SIGTERM finishes its step, leaves a readable file and a checkpoint, and raises Interrupted, which is
    a KeyboardInterrupt. Raises an McError for a scenario that cannot work, for a file that cannot be written, and,
    unless `ignore_limits`, for a run that needs more memory or disk than are free.
    """
    _check_arguments(scenario, seed, threads)
    if clamped_potential is not None and scenario.protocol.has_commands:
        raise ScenarioError(
            "clamped_potential stands beside the commands of a protocol: give the one or the other"
        )
    path = Path(folder or scenario.default_folder()) / "run.h5"
    if not overwrite:
        refuse_existing(path)
    advice = advise(scenario)
    advice.raise_refusals()
    time_step = resolve_time_step(scenario)
    if seed is None:
        seed = scenario.simulation.seed
    if seed is None:
        seed = secrets.randbits(63)
    plan = Plan(scenario, seed, time_step, clamped_potential, command_line, device=device)
    return carry_out(
        plan,
        path,
        threads=threads,
        overwrite=overwrite,
        checkpoint_every=checkpoint_every,
        checkpoint_at=checkpoint_at,
        ignore_limits=ignore_limits,
        on_progress=on_progress,
        advice=advice,
    )


def carry_out(
    plan: Plan,
    path: Path,
    *,
    threads: int | None = None,
    overwrite: bool = False,
    checkpoint_every: float = CHECKPOINT_INTERVAL,
    checkpoint_at: Sequence[float] = (),
    ignore_limits: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    advice: Advice | None = None,
) -> Recording:
    """Make a run from its beginning to its end and return its recording; arguments as of `simulate`.

    `advice`, if there is some already, is that on the scenario.
    """
    keep_at = [round(moment / plan.time_step) for moment in checkpoint_at]
    if beyond := [step for step in keep_at if not plan.first_step <= step <= plan.n_steps]:
        raise ScenarioError(
            f"there is no checkpoint at {beyond[0] * plan.time_step:g} ns: the run goes from "
            f"{plan.first_step * plan.time_step:g} to {plan.n_steps * plan.time_step:g} ns"
        )
    if not ignore_limits:
        refuse_what_does_not_fit(plan.scenario, advice or advise(plan.scenario), path.parent)
    engine = plan.make_engine(threads)
    with Recorder(path, plan.describe(engine), overwrite=overwrite) as recorder:
        # Of an earlier run that is now overwritten.
        remove_checkpoints(path.parent, kept=True)
        if plan.origin is not None:
            keep_checkpoint(path.parent, plan.origin.arrays, plan.origin.header, is_origin=True)
        _Run(plan, engine, recorder, on_progress, checkpoint_every, keep_at).go()
    return Recording(path)


def resume(
    folder: str | os.PathLike[str],
    *,
    threads: int | None = None,
    checkpoint_every: float = CHECKPOINT_INTERVAL,
    on_progress: Callable[[Progress], None] | None = None,
    on_restart: Callable[[str], None] | None = None,
) -> Recording:
    """Go on with a run that was interrupted or killed, and return its recording.

    What it records in the end is bit for bit what it would have recorded without the interruption. It goes on from
    the newest checkpoint; without one, or if run.h5 is damaged, from the beginning, and `on_restart` is told why.
    Raises RecordingError where there is nothing to go on with.
    """
    path = Path(folder)
    path = path if path.suffix == ".h5" else path / "run.h5"
    checkpoint = read_checkpoint(path.parent)
    header = _attributes_of_unfinished(path) if checkpoint is None else checkpoint.header
    plan = read_plan(path.parent, header)
    engine = plan.make_engine(threads)
    description = plan.describe(engine)
    try:
        if checkpoint is None:
            raise RecordingError(f"there is no checkpoint in {path.parent}")
        recorder = Recorder.reopen(path, description, checkpoint.header["rows"])
    except RecordingError as error:
        if on_restart is not None:
            on_restart(f"{error}: starting again from the beginning")
        checkpoint, recorder = None, Recorder(path, description, overwrite=True)
    with recorder:
        keep_at = [] if checkpoint is None else checkpoint.header["keep_at"]
        run = _Run(plan, engine, recorder, on_progress, checkpoint_every, keep_at)
        if checkpoint is not None:
            run.take_up(checkpoint)
        run.go()
    return Recording(path)


def _attributes_of_unfinished(path: Path) -> Mapping[str, Any]:
    with Recording(path) as recording:
        if recording.finished:
            raise RecordingError(f"{path} is finished: there is nothing left to do")
        return recording.attributes


def strip_prefix(arrays: Mapping[str, NDArray], prefix: str) -> dict[str, NDArray]:
    """Return the arrays whose names have a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _check_arguments(scenario: Scenario, seed: int | None, threads: int | None) -> None:
    """Raise ScenarioError for what a slip in a notebook makes of the arguments."""
    if not isinstance(scenario, Scenario):
        raise ScenarioError(f"simulate takes a scenario, found {scenario!r}; read it with mc.read_scenario")
    for name, number, least in (("seed", seed, 0), ("threads", threads, 1)):
        if number is not None and (not isinstance(number, int) or not least <= number < 2**63):
            raise ScenarioError(f"{name} must be a whole number from {least} on, found {number!r}")


class _Run:
    """The loop over records: advance the engine to the next one, look, write."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        recorder: Recorder,
        on_progress: Callable[[Progress], None] | None,
        checkpoint_every: float,
        keep_at: Sequence[int] = (),
    ) -> None:
        scenario, recording = plan.scenario, plan.scenario.recording
        self.plan, self.engine, self.recorder = plan, engine, recorder
        self.n_steps = plan.n_steps
        self.on_progress = on_progress
        self.checkpoint_every = checkpoint_every
        self.keep_at = sorted(keep_at)
        self.records_events = recording.events
        self.record_every = self._steps(recording.interval)
        self.profile_every = self._steps(recording.profile_interval)
        self.positions_every = self._steps(recording.positions_interval)
        self.blocks = series_blocks(recorder.description)
        self.recorded_ions = recorder.description.recorded_ions
        self.concentrations: list[NDArray] = []
        self.potentials: list[NDArray] = []
        self.maps = _MapMean()
        self.filter = LowPass([one.low_pass for one in scenario.electrodes], engine.time_step)
        self.profiles = plan.first_step // self.profile_every
        self.good: Checkpoint | None = None
        self.wall_seconds_before = self.recording_seconds_before = 0.0
        self.steps_before = engine.step
        self.seconds_of_steps = 0.0
        self.started = self.reported = self.kept = self.remembered = time.monotonic()

    def _steps(self, interval: float) -> int:
        return max(1, round(interval / self.engine.time_step))

    def go(self) -> None:
        """Make all steps that are left, recording the start, every interval and the end."""
        self.started = self.reported = self.kept = time.monotonic()
        try:
            self._go()
        except (LedgerError, NumericalError, StabilityError) as error:
            self._write_events()
            raise type(error)(f"{error}. {self._keep_last_good()}") from error
        self._write_events()
        # Before the clock is read for the last time.
        self.recorder.flush()
        self.recorder.finish(COMPLETED, self._elapsed(), self._recording_seconds())
        remove_checkpoints(self.recorder.path.parent)

    def _go(self) -> None:
        if self.engine.step == self.plan.first_step:
            self._record(self.engine.observe(), self._locate_if_due(self.engine.step))
            self._remember()
            self._keep_if_asked_for()
        with _listening_to_signals() as signals:
            while self.engine.step < self.n_steps:
                stops = self._next_stops()
                if len(stops) > 1:
                    self._watch(stops)
                else:
                    self._advance_to(stops[0], signals)
                self._keep_if_asked_for()
                if time.monotonic() - self.remembered >= MEMORY_INTERVAL:
                    self._remember()
                self._heed(signals)

    def _next_stops(self) -> list[int]:
        """Return the steps at which something is to be recorded or kept next: one, or as many as are watched at once.

        Those take less than the time between two looks at the clock.
        """
        step, most = self.engine.step, self.engine.most_watched
        stops = [self._next_stop(step)]
        last = step + self._piece() // PIECES_OF_WATCH if most > 1 else step
        while len(stops) < most and stops[-1] < min(last, self.n_steps) and stops[-1] not in self.keep_at:
            stops.append(self._next_stop(stops[-1]))
        return stops

    def _next_stop(self, step: int) -> int:
        """Return the first step after another at which something is to be recorded or kept."""
        return min(
            self.n_steps,
            *(every * (step // every + 1) for every in (self.record_every, self.positions_every)),
            *(one for one in self.keep_at if one > step),
        )

    def _watch(self, stops: Sequence[int]) -> None:
        """Go on by several records at once."""
        started = time.monotonic()
        located_at = [stop for stop in stops if self._is_due(stop, self.positions_every)]
        watch = self.engine.watch(stops, located_at, self.recorded_ions)
        self.seconds_of_steps += time.monotonic() - started - watch.seconds
        if watch.seen is not None:
            self._record_all(watch.seen, watch.positions)
        if watch.error is not None:
            raise watch.error
        if self.engine.step < stops[-1]:
            # There may be no more room for events.
            self._write_events()

    def _advance_to(self, stop: int, signals: list[int]) -> None:
        """Go on by one record, which may be far away."""
        while self.engine.step < stop:
            self._advance(min(stop - self.engine.step, self._piece()))
            if self.engine.step < stop:
                self._heed(signals)
        self._record(self.engine.observe(), self._locate_if_due(stop))

    def _advance(self, n_steps: int) -> None:
        started = time.monotonic()
        made = self.engine.advance(n_steps)
        self.seconds_of_steps += time.monotonic() - started
        if made < n_steps:
            # There may be no more room for events.
            self._write_events()

    def _heed(self, signals: list[int]) -> None:
        """Flush or keep a checkpoint if it is time, and end the run if a signal asks for it; all due is recorded."""
        if self.engine.step == self.n_steps:
            return
        if signals or time.monotonic() - self.kept >= self.checkpoint_every:
            self._flush()
            write_checkpoint(self.recorder.path.parent, *self._state())
            self.kept = time.monotonic()
        elif self.recorder.is_due:
            self._flush()
        if signals:
            raise Interrupted(signals[0])

    def _keep_if_asked_for(self) -> None:
        if self.engine.step in self.keep_at:
            self._flush()
            keep_checkpoint(self.recorder.path.parent, *self._state())

    def _flush(self) -> None:
        self._write_events()
        self.recorder.flush()

    def _remember(self) -> None:
        """Copy the present state, of which all that can be checked was found good."""
        arrays, header = self._state()
        if sum(array.nbytes for array in arrays.values()) <= MOST_REMEMBERED:
            self.good = Checkpoint({name: array.copy() for name, array in arrays.items()}, header)
        self.remembered = time.monotonic()

    def _keep_last_good(self) -> str:
        """Write the last state that was found good as a checkpoint, and return what to say of it."""
        folder = self.recorder.path.parent
        if self.good is None:
            return f"What was recorded until then is in {self.recorder.path}"
        try:
            keep_checkpoint(folder, *self.good)
        except RecordingError as error:
            return f"The last good state could not be kept: {error}"
        good_until = self.good.header["step"] * self.engine.time_step
        return (
            f'The state at {good_until:g} ns is kept: ionmc branch {folder} --at "{good_until:g} ns" --set KEY=VALUE '
            "goes on from it with other numbers"
        )

    def _piece(self) -> int:
        """Return how many steps take about half a second."""
        made = self.engine.step - self.steps_before
        if made < FEWEST_TIMED_STEPS:
            return FEWEST_TIMED_STEPS
        return max(1, int(PIECE * made / max(time.monotonic() - self.started, 1e-9)))

    def _elapsed(self) -> float:
        """Return the wall time of the run so far in s, that before an interruption included."""
        return self.wall_seconds_before + time.monotonic() - self.started

    def _recording_seconds(self) -> float:
        """Return how much of it was spent on all else than making steps: looking, recording, checkpoints."""
        return self.recording_seconds_before + time.monotonic() - self.started - self.seconds_of_steps

    def _state(self) -> Checkpoint:
        """Return what the engine needs to go on, what waits to be averaged, and how far the file is."""
        self._write_events()
        header = {
            **self.plan.header(),
            "step": self.engine.step,
            "wall_seconds": self._elapsed(),
            "recording_seconds": self._recording_seconds(),
            "keep_at": self.keep_at,
            "profiles": self.profiles,
            "maps": self.maps.n,
            "rows": self.recorder.rows(),
        }
        arrays = {
            **{f"engine.{name}": array for name, array in self.engine.memory().items()},
            "run.concentrations": np.array(self.concentrations),
            "run.potentials": np.array(self.potentials),
            "run.maps.concentrations": np.array(self.maps.concentrations),
            "run.maps.potential": np.array(self.maps.potential),
            **{f"run.filter.{name}": array for name, array in self.filter.memory().items()},
        }
        return Checkpoint(arrays, header)

    def take_up(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        arrays, header = checkpoint
        self.engine.take_up(strip_prefix(arrays, "engine."))
        self.concentrations = list(arrays["run.concentrations"])
        self.potentials = list(arrays["run.potentials"])
        self.maps.n = header["maps"]
        self.maps.concentrations = arrays["run.maps.concentrations"]
        self.maps.potential = arrays["run.maps.potential"]
        self.filter.take_up(strip_prefix(arrays, "run.filter."))
        self.profiles = header["profiles"]
        self.wall_seconds_before = header["wall_seconds"]
        self.recording_seconds_before = header["recording_seconds"]
        self.steps_before = self.engine.step

    def _locate_if_due(self, step: int) -> Positions | None:
        """Return where the recorded ions are if that is to be recorded after a step."""
        return self.engine.locate(self.recorded_ions) if self._is_due(step, self.positions_every) else None

    def _record(self, observation: Observation, positions: Positions | None) -> None:
        step, now = observation.step, observation.step * self.engine.time_step
        check_numbers(observation, now)
        if self._is_due(step, self.record_every):
            self.recorder.record_series(step, now, self._row(observation))
            self._gather(step, now, observation.cell_concentrations, observation.potential, observation.maps)
        if positions is not None:
            self.recorder.record_positions(step, now, *positions)
        self._report(step, observation.membrane_potential)

    def _record_all(self, seen: Observations, positions: Mapping[int, Positions]) -> None:
        """Record what was seen at several moments, as `_record` would one by one, at a fraction of the cost."""
        steps: list[int] = np.asarray(seen.step).tolist()
        if not are_finite(seen):
            # Ends with an error at the first that is not.
            for moment, step in enumerate(steps):
                self._record(seen.at(moment), positions.get(step))
            return
        are_due = [self._is_due(step, self.record_every) for step in steps]
        if any(are_due):
            self._record_in_series(seen if all(are_due) else seen.take(np.flatnonzero(are_due).tolist()))
        for step in steps:
            if step in positions:
                self.recorder.record_positions(step, step * self.engine.time_step, *positions[step])
        self._report(steps[-1], float(np.asarray(seen.membrane_potential)[-1]))

    def _record_in_series(self, seen: Observations) -> None:
        """Append what was seen at several moments to the series, and add it to the means of profiles and maps."""
        steps = np.asarray(seen.step)
        times = steps * self.engine.time_step
        self.recorder.record_series_rows(steps, times, self._row(seen))
        for moment, (step, now) in enumerate(zip(steps.tolist(), times.tolist(), strict=True)):
            self._gather(
                step,
                now,
                seen.cell_concentrations[moment],
                seen.potential[moment],
                seen.maps and seen.maps.at(moment),
            )

    def _is_due(self, step: int, every: int) -> bool:
        """Return whether what is recorded so often is to be recorded after a step."""
        return step % every == 0 or step == self.plan.first_step or step == self.n_steps

    def _gather(
        self, step: int, now: float, concentrations: NDArray, potential: NDArray, maps: Maps | None
    ) -> None:
        """Add to the means of profiles and maps, and record them if their window ends."""
        self.maps.add(maps)
        self.concentrations.append(concentrations)
        self.potentials.append(potential)
        if step // self.profile_every > self.profiles or step == self.n_steps:
            self.profiles = step // self.profile_every
            self.recorder.record_profile(
                now, np.mean(self.concentrations, axis=0), np.mean(self.potentials, axis=0)
            )
            self.concentrations.clear()
            self.potentials.clear()
            if self.maps.n:
                self.recorder.record_map(now, *self.maps.take())

    def _row(self, observation: Observation) -> NDArray[np.float64]:
        """Return one row of the series, (columns,), or that of each moment, (moments, columns)."""
        moments = np.shape(observation.step)
        numbers: dict[str, float] = {
            "membrane_potential": observation.membrane_potential,
            "charge_separation_potential": observation.charge_separation_potential,
            "command_potential": observation.command_potential,
            "injected_charge": observation.injected_charge,
            "ledger_charge": observation.total_charge,
        }
        arrays: dict[str, NDArray] = {
            "ions_inside": observation.ions[..., 0],
            "ions_outside": observation.ions[..., 1],
            "ions_in_pores": observation.ions_in_pores,
            "bulk_concentration_inside": observation.bulk_concentrations[..., 0],
            "bulk_concentration_outside": observation.bulk_concentrations[..., 1],
            "open_channels": observation.open_channels,
            "state": np.concatenate([np.empty((*moments, 0)), *observation.states], axis=-1),
            "crossings_outward": observation.crossings[..., 0].reshape(*moments, -1),
            "crossings_inward": observation.crossings[..., 1].reshape(*moments, -1),
            "permeability": observation.permeability,
            "displaced_charge": observation.displaced_charge.reshape(*moments, -1),
            "pump_cycles": observation.pump_cycles[..., 0],
            "pump_cycles_backward": observation.pump_cycles[..., 1],
            "electrode": self.filter.read(observation.step, observation.electrodes),
        }
        row = np.empty((*moments, len(self.recorder.columns)))
        for name, value in numbers.items():
            row[..., self.blocks[name].start] = value
        for name, values in arrays.items():
            row[..., self.blocks[name]] = values
        return row

    def _write_events(self) -> None:
        events = self.engine.drain_events()
        if not self.records_events:
            return
        record = {
            "crossings": self.recorder.record_crossings,
            "gating": self.recorder.record_gating,
            "pumps": self.recorder.record_pump_moves,
        }
        for kind, columns in events.items():
            record[kind](columns)

    def _report(self, step: int, membrane_potential: float) -> None:
        now = time.monotonic()
        if self.on_progress is None or (now - self.reported < PROGRESS_INTERVAL and step != self.n_steps):
            return
        self.reported = now
        elapsed = self._elapsed()
        self.on_progress(
            Progress(
                step=step,
                n_steps=self.n_steps,
                time=step * self.engine.time_step,
                duration=self.n_steps * self.engine.time_step,
                wall_seconds=elapsed,
                n_ions_followed=self.engine.n_ions if self.engine.species_of_slots.size else 0,
                membrane_potential=membrane_potential,
                first_step=self.plan.first_step,
            )
        )


_OF_POTENTIALS = "a command, a current or a pump far beyond what the membrane can hold, or a grid too coarse"
_OF_CONCENTRATIONS = "a bath or a grid cell that has next to no volume"
_OF_CHARGES = "a permeability, a valence or a current far beyond those of life"


def check_numbers(observation: Observation, now: float) -> None:
    """Raise NumericalError, with the time in ns, the quantity and a likely cause, if a number is not finite.

    Positions may be none, of ions in a reservoir, and so may the command of a clamp. What is along x are the means of
    the maps, and not finite where one of these is not.
    """
    if are_finite(observation):
        return
    looked_at: list[tuple[str, float | NDArray, str]] = [
        ("membrane potential", observation.membrane_potential, _OF_POTENTIALS),
        ("charge on the membrane", observation.charge_separation_potential, _OF_POTENTIALS),
        ("drop across the membrane", observation.field_potential_drop, _OF_POTENTIALS),
        ("potential along x", observation.potential, _OF_POTENTIALS),
        ("potential at the electrodes", observation.electrodes, _OF_POTENTIALS),
        ("concentrations in the bulk", observation.bulk_concentrations, _OF_CONCENTRATIONS),
        ("concentrations along x", observation.cell_concentrations, _OF_CONCENTRATIONS),
        ("permeability", observation.permeability, _OF_CHARGES),
        ("charge through the channels", observation.displaced_charge, _OF_CHARGES),
        ("total charge", observation.total_charge, _OF_CHARGES),
    ]
    for quantity, values, cause in looked_at:
        is_good = np.isfinite(values)
        if not np.all(is_good):
            first = np.asarray(values)[~is_good].flat[0]
            raise NumericalError(f"at {now:g} ns the {quantity} became {first}; a likely cause is {cause}")


def are_finite(observation: Observation) -> bool:
    """Return whether all numbers are finite that `check_numbers` asks to be, of one moment or of several."""
    looked_at: list[float | NDArray] = [
        observation.membrane_potential,
        observation.charge_separation_potential,
        observation.field_potential_drop,
        observation.total_charge,
        observation.potential,
        observation.electrodes,
        observation.bulk_concentrations,
        observation.cell_concentrations,
        observation.permeability,
        observation.displaced_charge,
    ]
    return bool(np.isfinite(np.concatenate(looked_at, axis=None)).all())


@contextmanager
def _listening_to_signals() -> Iterator[list[int]]:
    """Give a list into which SIGINT and SIGTERM are noted, to be heeded after a step; a second one stops at once.

    Elsewhere than in the main thread signals are not ours to take.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: object) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


class _MapMean:
    """Running sums of maps, which are too large to be kept one by one."""

    def __init__(self) -> None:
        self.n = 0
        self.concentrations = self.potential = np.zeros(())

    def add(self, maps: Maps | None) -> None:
        """Add one; None, in one dimension, changes nothing."""
        if maps is None:
            return
        self.n += 1
        if self.n == 1:
            self.concentrations, self.potential = np.array(maps.concentrations), np.array(maps.potential)
        else:
            self.concentrations += maps.concentrations
            self.potential += maps.potential

    def take(self) -> tuple[NDArray, NDArray]:
        """Return the means and begin anew."""
        means = self.concentrations / self.n, self.potential / self.n
        self.n = 0
        self.concentrations = self.potential = np.zeros(())
        return means


def choose_recorded(species_of_slots: NDArray[np.int64], stride: int | None) -> NDArray[np.int64]:
    """Return the slots (recorded,) whose positions are recorded: every `stride`-th, or a fair sample without one."""
    if stride is None:
        return fair_sample(species_of_slots, MOST_RECORDED_IONS, LEAST_OF_A_SPECIES)
    return np.arange(0, species_of_slots.size, stride)


def describe(
    scenario: Scenario,
    engine: Engine,
    seed: int,
    n_steps: int,
    command_line: str,
    clamped_potential: float | None = None,
    branched_from: str = "",
    device: str = "cpu",
) -> RunDescription:
    """Return everything that is known of a run before its first step."""
    composition = engine.composition
    source = scenario.source
    overrides: Sequence[str] = source.overrides if source else ()
    centres, widths, nodes = engine.cells_along_x()
    recorded = choose_recorded(engine.species_of_slots, scenario.recording.positions_stride)
    placement = place(scenario, seed)
    return RunDescription(
        title=scenario.title,
        scenario_json=scenario.to_json(),
        scenario_text=source.text if source else "",
        scenario_path=str(source.path) if source else "",
        overrides=overrides,
        command_line=command_line,
        seed=seed,
        engine=scenario.simulation.engine,
        time_step=engine.time_step,
        n_steps=n_steps,
        clamped_potential=math.nan if clamped_potential is None else clamped_potential,
        temperature=scenario.simulation.temperature,
        area=scenario.geometry.area,
        inside_length=scenario.geometry.inside_length,
        outside_length=scenario.geometry.outside_length,
        thickness=scenario.membrane.thickness,
        capacitance=scenario.membrane.capacitance,
        species=tuple(
            SpeciesDescription(name, int(valence), float(diffusion_coefficient))
            for name, valence, diffusion_coefficient in zip(
                composition.names, composition.valences, composition.diffusion_coefficients, strict=True
            )
        ),
        channels=tuple(
            ChannelDescription(one.name, one.count, one.states, one.permeability) for one in scenario.channels
        ),
        pumps=tuple(
            PumpDescription(one.name, one.count, one.acceleration, one.outward, one.inward)
            for one in scenario.carriers
        ),
        electrodes=tuple(one.name for one in scenario.electrodes),
        n_ions=engine.n_ions,
        recorded_ions=recorded,
        recorded_species=engine.species_of_slots[recorded],
        cell_position=centres,
        cell_width=widths,
        node_position=nodes,
        cell_y=engine.cells_along_y(),
        channel_y=placement.channels,
        pump_y=placement.pumps,
        branched_from=branched_from,
        device=device,
    )
