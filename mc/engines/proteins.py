"""The proteins of a scenario as arrays, the same for every engine, and what a protocol does to them."""

import numpy as np
from numpy.typing import NDArray

from mc import streams
from mc.constants import thermal_potential
from mc.engines.memory import named
from mc.membrane.gating import CHAIN, FORMS, LAW, Channels, set_level
from mc.membrane.protocols import Amplifier
from mc.membrane.transport import MOST_IONS, PUMP, Pumps
from mc.scenario.carriers import Pump, Transporter
from mc.scenario.channels import Channel
from mc.scenario.gating import TransitionRate
from mc.scenario.schema import Scenario
from mc.streams import stream_key, uniforms
from mc.theory import stationary_distribution

NO_LIGAND = -1


def ligand_index(scenario: Scenario, names: tuple[str, ...], name: str, side: str) -> int:
    """Return where a ligand stands in `Channels.ligands`: species inside and outside, then those of the protocol.

    `names`: of the species in the engine's order.
    """
    if name in names:
        return 2 * names.index(name) + ("inside", "outside").index(side)
    return 2 * len(names) + protocol_ligands(scenario).index(name)


def protocol_ligands(scenario: Scenario) -> list[str]:
    """Return the names of the ligands of the protocol, each once."""
    return list(dict.fromkeys(one.name for one in scenario.protocol.ligands))


def make_channels(
    scenario: Scenario, names: tuple[str, ...], seed: int, potential: float, places: int
) -> Channels:
    """Return all channels in states drawn from their stationary distributions at `potential` in mV.

    `names`: of the species in the engine's order; `places`: at how many sites ligands are sensed, 1 for all channels
    together or their number.
    """
    types, temperature = scenario.channels, scenario.simulation.temperature
    n_states = max((len(one.states) for one in types), default=1)
    laws = np.zeros((len(types), n_states, n_states), dtype=LAW)
    laws["scale"], laws["ligand"] = 1.0, NO_LIGAND
    rates = np.zeros((len(types), n_states, n_states))
    levels = np.zeros((len(types), n_states), dtype=np.uint8)
    chains = np.zeros(sum(one.count for one in types), dtype=CHAIN)
    chains["channel_type"] = np.repeat(np.arange(len(types)), [one.count for one in types])
    chains["remaining"] = -np.log(uniforms(stream_key(seed, streams.WAITING), chains.size, 0))
    draws = uniforms(stream_key(seed, streams.INITIAL_STATE), chains.size, 0)
    for i, one in enumerate(types):
        levels[i, : len(one.levels)] = one.levels
        if one.gating is None:
            continue
        scheme, members = one.gating.scheme, chains["channel_type"] == i
        n = len(scheme.states)
        for source, target, number, law in scheme.transitions:
            laws[i, source, target] = _write_law(
                scenario, names, law, number * one.gating.speed(temperature) * law.rate
            )
        rates[i, :n, :n] = one.gating.rate_matrix(potential, temperature, scenario.ligands_at_start)
        if one.gating.initial is not None:
            chains["state"][members] = scheme.states.index(one.gating.initial)
        else:
            edges = np.cumsum(stationary_distribution(rates[i, :n, :n]))
            chains["state"][members] = np.searchsorted(edges[:-1], draws[members], side="right")
    chains["level"] = levels[chains["channel_type"], chains["state"]]
    n_at_level = np.zeros((len(types), most_levels(types)), dtype=np.int64)
    np.add.at(n_at_level, (chains["channel_type"], chains["level"]), 1)
    has_ligands = np.any(laws["ligand"] != NO_LIGAND, axis=(1, 2))
    n_ligands = 2 * len(names) + len(protocol_ligands(scenario))
    return Channels(
        chains=chains,
        potentials=np.full(chains.size, potential),
        laws=laws,
        is_constant=np.all(laws["form"] == 0, axis=(1, 2)) & ~has_ligands,
        has_ligands=has_ligands,
        ligands=np.zeros((max(places, 1), n_ligands)),
        rates=rates,
        leaving_rates=rates.sum(axis=2),
        found_in=np.full(rates.shape[:2], -1, dtype=np.int64),
        found_at=np.full(rates.shape[:2], potential),
        levels=levels,
        n_at_level=n_at_level,
    )


def _write_law(
    scenario: Scenario, names: tuple[str, ...], law: TransitionRate, rate: float
) -> tuple[float, float, float, int, int]:
    """Return a row of LAW for a transition whose rate, or that of its form, is `rate`."""
    ligand = NO_LIGAND
    if law.ligand is not None and law.per_concentration is not None:
        ligand = ligand_index(scenario, names, law.ligand, law.side)
        rate /= law.per_concentration
    return rate, law.midpoint or 0.0, law.scale or 1.0, ligand, FORMS.index(law.kind)


def most_levels(types: tuple[Channel, ...]) -> int:
    """Return at how many levels the channel type with the most of them may conduct, that of not at all included."""
    return max((len(one.level_permeabilities) for one in types), default=2)


def level_permeabilities(scenario: Scenario, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the permeability of one channel in nm3/ns, (types, levels, species)."""
    types = scenario.channels
    permeability = np.zeros((len(types), most_levels(types), len(names)))
    for i, one in enumerate(types):
        for level, passing in enumerate(one.level_permeabilities):
            permeability[i, level] = [passing.get(name, 0.0) for name in names]
    return permeability


def make_pumps(scenario: Scenario, names: tuple[str, ...], valences: NDArray, seed: int) -> Pumps:
    """Return all pumps and transporters; `names` and `valences` of the species in the engine's order."""
    types = scenario.carriers
    each = np.zeros(sum(one.count for one in types), dtype=PUMP)
    each["pump_type"] = np.repeat(np.arange(len(types)), [one.count for one in types])
    each["remaining"] = -np.log(uniforms(stream_key(seed, streams.PUMP_WAITING), each.size, 0))
    stoichiometry = np.zeros((len(types), len(names), 2), dtype=np.int64)
    exponents = np.zeros((len(types), len(names), 2))
    half_saturation = np.ones((len(types), len(names), 2))
    laws = np.zeros(len(types), dtype=LAW)
    laws["rate"], laws["scale"], laws["ligand"] = 1.0, 1.0, NO_LIGAND
    for i, one in enumerate(types):
        for side, moved in enumerate((one.outward, one.inward)):
            for name, ions in moved.items():
                species = names.index(name)
                stoichiometry[i, species, side] = exponents[i, species, side] = ions
                half_saturation[i, species] = one.half_saturation[name]
                if isinstance(one, Transporter):
                    half_saturation[i, species, 1 - side] = one.half_saturation_opposite.get(
                        name, one.half_saturation[name]
                    )
                elif name in one.hill:
                    exponents[i, species, side] = one.hill[name]
        if isinstance(one, Pump) and one.voltage_dependence is not None:
            law = one.voltage_dependence
            laws[i] = (1.0, law.midpoint, law.scale, NO_LIGAND, FORMS.index(law.kind))
    charges = np.einsum("tsd,s,d->t", stoichiometry, valences, np.array([1, -1]))
    return Pumps(
        each=each,
        turnover=np.array([one.turnover * one.acceleration for one in types], dtype=np.float64),
        stoichiometry=stoichiometry,
        exponents=exponents,
        half_saturation=half_saturation,
        laws=laws,
        is_reversible=np.array([isinstance(one, Transporter) for one in types], dtype=np.bool_),
        exponent_per_potential=charges / thermal_potential(scenario.simulation.temperature),
        cycles=np.zeros((len(types), 2), dtype=np.int64),
        potentials=np.zeros(each.size),
        concentrations=np.zeros((len(names), 2)),
        nearest=np.zeros((len(names), 2, MOST_IONS), dtype=np.int64),
    )


def find_sensed(channels: Channels, pumps: Pumps, n_species: int) -> NDArray[np.bool_]:
    """Return whether the cycles of pumps or the gates of channels depend on the ions of each species, (species,)."""
    is_sensed = np.zeros(n_species, dtype=np.bool_)
    is_sensed[np.any(pumps.exponents > 0.0, axis=(0, 2))] = True
    ligands = channels.laws["ligand"]
    # Of each species that inside and that outside; those of the protocol come after them.
    is_sensed[ligands[(ligands != NO_LIGAND) & (ligands < 2 * n_species)] // 2] = True
    return is_sensed


def remember(channels: Channels, pumps: Pumps, amplifier: Amplifier) -> dict[str, NDArray]:
    """Return the arrays of proteins and amplifier that change as steps are made, by name."""
    return {
        **named("channels", channels, "chains", "potentials", "ligands", "n_at_level"),
        **named("pumps", pumps, "each", "cycles"),
        **named("amplifier", amplifier, *amplifier._fields),
    }


def block(
    scenario: Scenario, channels: Channels, pumps: Pumps, seed: int, protein: str, fraction: float
) -> None:
    """Block a share of the proteins of one type, always the same ones, and free the others of the type."""
    for types, each, stream in (
        (scenario.channels, channels.chains, streams.BLOCK),
        (scenario.carriers, pumps.each, streams.BLOCK_OF_PUMPS),
    ):
        kind = "channel_type" if each is channels.chains else "pump_type"
        names = [one.name for one in types]
        if protein not in names:
            continue
        members = np.flatnonzero(each[kind] == names.index(protein))
        # Which are blocked is drawn once for all: a larger share blocks the same ones and more.
        order = np.argsort(uniforms(stream_key(seed, stream), each.size, 0)[members])
        blocked = members[order[: round(fraction * members.size)]]
        each["is_blocked"][members] = False
        each["is_blocked"][blocked] = True
        if each is channels.chains:
            for channel in members:
                set_level(channels, channel)
