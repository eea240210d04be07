"""Many channels of one type, watched one by one: shared by the tests of gating."""

import numpy as np
from membrane_patch import make_patch

from mc.engines.brownian.engine import BrownianEngine


class Gated:
    """Many channels of one type in a box with few ions, run for a while."""

    def __init__(self, gating, time_step, count, duration, initial=None, seed=1, potential=None):
        channel = {
            "name": "channel",
            "count": count,
            "permeability": {"K": 1e-9},
            "gating": gating | ({"initial": initial} if initial else {}),
        }
        patch = make_patch(
            inside={"K": 1.0}, outside={"K": 1.0}, channels=[channel], area=100.0, duration=duration
        )
        engine = BrownianEngine(patch, seed, time_step, threads=1, clamped_potential=potential)
        self.count, self.duration = count, duration
        gating = patch.channels[0].gating
        self.states, self.rates = gating.scheme.states, gating.rate_matrix(potential or 0.0)
        self.initial_states = engine.state.channels.chains["state"].copy()
        self.open, events = [engine.observe().open_channels[0]], []
        while engine.step * time_step < duration - 1e-9:
            engine.advance(max(1, round(1.0 / time_step)))
            self.open.append(engine.observe().open_channels[0])
            events.append(engine.drain_events()["gating"])
        columns = {name: np.concatenate([one[name] for one in events]) for name in events[0]}
        order = np.lexsort((columns["time"], columns["channel"]))
        self.events = {name: column[order] for name, column in columns.items()}

    def dwell_times(self, state):
        """Return the complete visits to a state, ns."""
        events = self.events
        is_pair = events["channel"][1:] == events["channel"][:-1]
        is_visit = is_pair & (events["to_state"][:-1] == state)
        return np.diff(events["time"])[is_visit]

    def states_at(self, time):
        """Return the number of channels in each state at a time."""
        states = self.initial_states.copy()
        is_past = self.events["time"] <= time
        # Events are sorted by channel and time: of several past ones the last is kept.
        states[self.events["channel"][is_past]] = self.events["to_state"][is_past]
        return np.bincount(states, minlength=len(self.rates))
