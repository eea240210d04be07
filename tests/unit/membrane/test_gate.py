import numpy as np
import pytest

from mc.membrane import gating
from mc.membrane.gating import CHAIN, FORMS, LAW, TRANSITION, Channels, Transitions
from mc.streams import stream_key
from mc.theory.gating import VOLTAGE_DEPENDENCES

KEYS = stream_key(1, 4), stream_key(1, 5)


def make_channels(rates, conducts, states):
    """Return channels of one type with the given rate matrix and initial states."""
    rates = np.array([rates], dtype=float)
    chains = np.zeros(len(states), CHAIN).view(np.recarray)
    chains.state, chains.remaining = states, 1.0
    levels = np.array([conducts], dtype=np.uint8)
    chains.level = levels[0][chains.state]
    laws = np.zeros(rates.shape, LAW).view(np.recarray)
    laws.rate, laws.scale, laws.ligand = rates, 1.0, -1
    return Channels(
        chains,
        np.zeros(len(states)),
        laws,
        np.array([True]),
        np.array([False]),
        np.zeros((1, 1)),
        rates,
        rates.sum(axis=2),
        np.full(rates.shape[:2], -1),
        np.zeros(rates.shape[:2]),
        levels,
        np.bincount(chains.level, minlength=levels.max() + 1)[np.newaxis],
    )


def make_transitions(n=1000):
    return Transitions(np.zeros(1, np.int64), np.zeros(n, TRANSITION).view(np.recarray))


def gate(channels, transitions, step=0, time_step=1.0):
    gating.gate.py_func(channels, step, time_step, *KEYS, transitions)


@pytest.mark.parametrize(("draw", "state"), [(0.1, 1), (0.24, 1), (0.26, 3), (0.99, 3)])
def test_choose_state_picks_each_state_in_proportion_to_its_rate(draw, state):
    rates = np.array([0.0, 0.5, 0.0, 1.5])
    assert gating.choose_state(rates, rates.sum(), draw) == state


def test_choose_state_never_picks_a_state_without_a_rate_even_where_rounding_uses_up_the_sum():
    rates = np.array([0.3, 0.0])
    assert gating.choose_state(rates, 0.3 + 1e-9, 1.0 - 1e-12) == 0


def test_a_channel_leaves_its_state_when_its_exponential_number_is_used_up():
    """Rate 0.25/ns and 1 left to use: it leaves after 4 ns, within the step from 3 to 5 ns."""
    channels, transitions = make_channels([[0.0, 0.25], [0.0, 0.0]], [False, True], [0]), make_transitions()
    gate(channels, transitions, step=0, time_step=3.0)
    assert transitions.n[0] == 0
    assert channels.chains[0].remaining == pytest.approx(0.25)
    gate(channels, transitions, step=1, time_step=3.0)
    assert transitions.n[0] == 1
    row = transitions.rows[0]
    assert (row.step, row.channel, row.from_state, row.to_state) == (2, 0, 0, 1)
    assert row.time == pytest.approx(4.0)
    assert channels.chains[0].level == 1
    assert list(channels.n_at_level[0]) == [0, 1]


def test_several_transitions_may_fall_into_one_step_and_their_times_ascend():
    channels, transitions = make_channels([[0.0, 5.0], [5.0, 0.0]], [False, True], [0]), make_transitions()
    gate(channels, transitions, time_step=20.0)
    n = transitions.n[0]
    assert 50 < n < 150
    times = transitions.rows.time[:n]
    assert times[0] > 0.0
    assert times[-1] < 20.0
    assert np.all(np.diff(times) > 0.0)
    np.testing.assert_array_equal(transitions.rows.from_state[1:n], transitions.rows.to_state[: n - 1])


def test_channels_at_each_level_are_counted_as_states_change():
    rates = [[0.0, 2.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    channels, transitions = make_channels(rates, [0, 1, 2], [0, 1, 2, 0, 1] * 4), make_transitions()
    for step in range(20):
        gate(channels, transitions, step)
        np.testing.assert_array_equal(channels.chains.level, channels.levels[0][channels.chains.state])
        np.testing.assert_array_equal(channels.n_at_level[0], np.bincount(channels.chains.level, minlength=3))


def test_channels_without_transitions_stay_as_they_are():
    channels, transitions = make_channels([[0.0]], [True], [0, 0]), make_transitions()
    gate(channels, transitions, time_step=1e9)
    assert transitions.n[0] == 0
    assert list(channels.n_at_level[0]) == [0, 2]


def test_the_length_of_a_step_does_not_change_when_channels_move():
    """The same chains in steps of 1 ns and of 10 ns: the same transitions at the same times."""
    rates = [[0.0, 0.3, 0.1], [0.5, 0.0, 0.2], [0.1, 0.1, 0.0]]
    found = []
    for time_step in (1.0, 10.0):
        channels, transitions = make_channels(rates, [False, True, False], [0] * 5), make_transitions()
        for step in range(round(100 / time_step)):
            gate(channels, transitions, step, time_step)
        rows = transitions.rows[: transitions.n[0]]
        found.append(rows[np.lexsort((rows.time, rows.channel))])
    assert found[0].size > 50
    np.testing.assert_array_equal(found[0].to_state, found[1].to_state)
    np.testing.assert_allclose(found[0].time, found[1].time, atol=1e-9)


def law(kind, rate, midpoint, scale):
    one = np.zeros(1, LAW).view(np.recarray)[0]
    one.rate, one.midpoint, one.scale, one.form = rate, midpoint, scale, FORMS.index(kind)
    one.ligand = -1
    return one


@pytest.mark.parametrize("kind", list(VOLTAGE_DEPENDENCES))
@pytest.mark.parametrize("potential", [-120.0, -40.0 - 1e-7, -40.0, -40.0 + 1e-3, 0.0, 60.0])
def test_rates_are_those_of_the_named_forms(kind, potential):
    for scale in (10.0, -18.0):
        expected = VOLTAGE_DEPENDENCES[kind](potential, 0.1, -40.0, scale)
        assert gating.rate_at(law(kind, 0.1, -40.0, scale), potential) == pytest.approx(expected, rel=1e-9)


def test_rates_stay_finite_at_any_potential():
    steep = law("HHExpRate", 1.0, 0.0, 5.0)
    assert gating.rate_at(steep, 1e6) == gating.rate_at(steep, 150.0) < np.inf
    assert gating.rate_at(law("constant", 0.25, 0.0, 1.0), 1e6) == 0.25


def test_a_channel_follows_the_potential_at_its_own_place():
    """Of two channels of a type one is depolarised: only that one leaves, at its rate."""
    channels, transitions = make_channels([[0.0, 1.0], [0.0, 0.0]], [False, True], [0, 0]), make_transitions()
    channels.laws[0, 0, 1].form = FORMS.index("HHExpRate")
    channels.laws[0, 0, 1].scale = 10.0
    channels.is_constant[0] = False
    channels.potentials[:] = [-100.0, 10.0]
    gate(channels, transitions, time_step=0.5)
    assert list(channels.chains.state) == [0, 1]
    assert transitions.rows[0].time == pytest.approx(np.exp(-1.0))


def test_a_rate_is_proportional_to_its_ligand():
    """0.5/ns for each mM and 4 mM of it: the exponential number 1 is used up after 0.5 ns."""
    channels, transitions = make_channels([[0.0, 0.5], [0.0, 0.0]], [False, True], [0]), make_transitions()
    channels.laws[0, 0, 1].ligand = 0
    channels.is_constant[0], channels.has_ligands[0] = False, True
    gate(channels, transitions, time_step=1e6)
    assert transitions.n[0] == 0
    channels.ligands[0, 0] = 4.0
    gate(channels, transitions, step=1, time_step=1.0)
    assert transitions.rows[0].time == pytest.approx(1.5)


def test_each_channel_meets_the_ligands_at_its_own_place():
    channels, transitions = make_channels([[0.0, 1.0], [0.0, 0.0]], [False, True], [0, 0]), make_transitions()
    channels = channels._replace(ligands=np.array([[0.0], [2.0]]))
    channels.laws[0, 0, 1].ligand = 0
    channels.is_constant[0], channels.has_ligands[0] = False, True
    gate(channels, transitions, time_step=1.0)
    assert list(channels.chains.state) == [0, 1]


def test_a_blocked_channel_changes_its_state_but_does_not_conduct():
    channels, transitions = make_channels([[0.0, 2.0], [0.0, 0.0]], [False, True], [0, 0]), make_transitions()
    channels.chains.is_blocked = [True, False]
    gate(channels, transitions, time_step=100.0)
    assert list(channels.chains.state) == [1, 1]
    assert list(channels.n_at_level[0]) == [1, 1]
    channels.chains.is_blocked[0] = False
    gating.set_level.py_func(channels, 0)
    assert list(channels.n_at_level[0]) == [0, 2]


def test_rates_follow_the_potential_of_each_channel_and_what_is_known_of_another_is_not_looked_up_again():
    """Two channels in one state: at one potential the law is asked once, at two potentials for each of them."""
    channels = make_channels([[0.0, 0.5], [0.5, 0.0]], [0, 1], [0, 0])
    channels.is_constant[:] = False
    channels.laws["form"][0, 0, 1], channels.laws["scale"] = 1, 10.0

    def leaving_rate(channel, step):
        return gating.find_leaving_rate(channels, channel, 0, 0, step)

    assert leaving_rate(0, 0) == pytest.approx(0.5)
    channels.rates[0, 0, 1], channels.leaving_rates[0, 0] = 7.0, 7.0
    assert leaving_rate(1, 0) == 7.0
    assert leaving_rate(1, 1) == pytest.approx(0.5)
    channels.potentials[1] = 10.0
    assert leaving_rate(1, 1) == pytest.approx(0.5 * np.e)
    assert leaving_rate(0, 1) == pytest.approx(0.5)
    # Ligands of its own keep a channel from sharing even at the same potential.
    channels.has_ligands[:] = True
    separate = channels._replace(ligands=np.array([[2.0], [3.0]]))
    channels.laws["ligand"][0, 0, 1] = 0
    assert gating.find_leaving_rate(separate, 0, 0, 0, 2) == pytest.approx(0.5 * 2.0)
    channels.potentials[1] = 0.0
    assert gating.find_leaving_rate(separate, 1, 0, 0, 2) == pytest.approx(0.5 * 3.0)
