"""The table at the end of a run."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mc.analysis.statistics import RELIABLE_SAMPLES
from mc.cli.formatting import show_time

_PLAIN_WIDTH = 120


def print_summary(summary: dict[str, Any]) -> None:
    """Print the numbers of summary.json on stdout as a table."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    console.print(_potential_table(summary) if summary["free"] else _phase_table(summary))
    console.print(_species_table(summary))
    for line in _remarks(summary):
        console.print(line, soft_wrap=True, markup=False)


def find_doubts(summary: dict[str, Any]) -> list[str]:
    """Return what limits the worth of a run's averages, one sentence each."""
    doubts: list[str] = []
    if not summary["free"]:
        return doubts
    if not summary["long_enough"]:
        lasted = summary["averaged_to_ns"] - summary["averaged_from_ns"]
        doubts.append(
            f"only {show_time(lasted)} could be averaged, with a charging time of "
            f"{show_time(summary['charging_time_ns'])}: too short to judge the difference from theory; run longer"
        )
    elif not summary["settled"]:
        doubts.append("the membrane was still charging in the averaged part: run longer")
    elif summary["independent_samples"] < RELIABLE_SAMPLES:
        doubts.append(
            f"only {summary['independent_samples']:.0f} independent samples: the standard errors are uncertain"
        )
    return doubts


def _potential_table(summary: dict[str, Any]) -> Table:
    table = Table(
        title=escape(summary["title"]) or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold"
    )
    table.add_column(f"mean from {show_time(summary['averaged_from_ns'])} on")
    table.add_column("mV", justify="right")
    table.add_column("standard error", justify="right")
    for name, key in (
        ("membrane potential (electrodes)", "membrane_potential_mV"),
        ("GHK of the same moments", "ghk_potential_mV"),
        ("GHK with the pumps' current", "ghk_potential_with_pump_mV"),
        ("membrane potential minus GHK", "difference_mV"),
        ("membrane potential minus GHK with pumps", "difference_with_pump_mV"),
        ("standard deviation at the electrodes", "standard_deviation_mV"),
    ):
        if "with_pump" in key and not summary["pump_cycles"]:
            continue
        estimate = summary[key]
        if estimate is None:
            table.add_row(name, "-", "no open channel")
        else:
            table.add_row(name, f"{estimate['mean']:.2f}", f"{estimate['standard_error']:.2f}")
    charge_noise = summary["charge_separation_standard_deviation_mV"]
    table.add_row("standard deviation of charge/C", f"{charge_noise:.2f}", "")
    table.add_row("thermal noise sqrt(kT/C)", f"{summary['capacitance_noise_mV']:.2f}", "")
    difference = summary["difference_in_standard_errors"]
    if difference is not None:
        table.add_section()
        table.add_row("difference from the prediction", f"{difference:+.1f}", "standard errors")
    return table


def _phase_table(summary: dict[str, Any]) -> Table:
    """Return what the membrane did in each phase of a protocol: one mean over all of them would mean nothing."""
    table = Table(
        title=escape(summary["title"]) or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold"
    )
    for heading in ("from", "to"):
        table.add_column(heading, justify="right")
    table.add_column("protocol; means over the second half")
    for heading in ("membrane potential mV", "GHK mV", "channels pA outward", "injected pA"):
        table.add_column(heading, justify="right")
    for phase in summary["phases"]:
        potential, ghk = phase["membrane_potential_mV"], phase["ghk_potential_mV"]
        table.add_row(
            show_time(phase["from_ns"]),
            show_time(phase["to_ns"]),
            escape(phase["what"]),
            f"{potential['mean']:.2f} ± {potential['standard_error']:.2f}",
            "-" if ghk is None else f"{ghk:.2f}",
            f"{phase['channel_current_pA']:.3g}",
            f"{phase['injected_current_pA']:.3g}",
        )
    return table


def _species_table(summary: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("ion")
    for heading in (
        "reversal potential mV",
        "crossed outward",
        "crossed inward",
        "inside at start",
        "at end",
        "outside at start",
        "at end",
        "from the baths" if summary["ledger"]["open_ends"] else "lost or made",
    ):
        table.add_column(heading, justify="right")
    ions, ledger = summary["ions"], summary["ledger"]
    for name, crossings in summary["crossings"].items():
        reversal = summary["reversal_potential_mV"].get(name)
        table.add_row(
            escape(name),
            "-" if reversal is None else f"{reversal:.1f}",
            f"{crossings['outward']:,}",
            f"{crossings['inward']:,}",
            f"{ions['inside_at_start'][name]:,}",
            f"{ions['inside_at_end'][name]:,}",
            f"{ions['outside_at_start'][name]:,}",
            f"{ions['outside_at_end'][name]:,}",
            f"{ledger['ions_gained'][name]:,}",
        )
    return table


def _show_pace(summary: dict[str, Any]) -> str:
    if summary["engine"] == "brownian":
        return f"{summary['ion_steps_per_second'] / 1e6:.0f} million ion-steps/s"
    return f"{summary['steps'] / summary['wall_seconds']:.0f} steps/s, whatever the number of ions"


def _remarks(summary: dict[str, Any]) -> list[str]:
    remarks = []
    for name, cycles in summary["pump_cycles"].items():
        acceleration = summary["acceleration"][name]
        faster = f", turning {acceleration:g} times faster than in life" if acceleration != 1.0 else ""
        charge = summary["pump_charge_per_cycle_e"][name]
        remarks.append(f"{name}: {cycles:,} cycles, {charge:+d} e outward each{faster}")
    ledger = summary["ledger"]
    balance = "balanced at every record" if ledger["balanced"] else "NOT balanced"
    remarks.append(f"ledger: {balance}; total charge {ledger['charge_e']:g} e")
    pace = summary["ion_steps_per_second"]
    remarks.append(
        f"{summary['ions']['total']:,} ions, {summary['steps']:,} steps of {show_time(summary['time_step_ns'])} in "
        f"{summary['wall_seconds']:.1f} s"
        + (f" ({_show_pace(summary)})" if pace else "")
        + f", seed {summary['seed']}, engine {summary['engine']}"
    )
    return remarks
