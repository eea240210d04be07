import pytest


def test_substates_are_open_states_with_species_that_pass(read, fault_of):
    steps = ", ".join(f'"{step}"="1 /ms"' for step in ("c->s", "s->o", "o->s", "s->c"))
    gate = f'{{states=["c","s","o"], open=["s","o"], rates={{{steps}}}}}'
    channel = read(f"channels.0.gating={gate}", "channels.0.substates={s={K=0.5}}").channels[0]
    assert channel.levels == (0, 2, 1)
    assert channel.level_permeabilities[2]["K"] == pytest.approx(0.5 * channel.permeability["K"])
    # A third in each state: (1 + 0.5)/3 of what an open one lets through.
    assert channel.mean_permeability()["K"] == pytest.approx(0.5 * channel.permeability["K"])
    fault = fault_of(f"channels.0.gating={gate}", "channels.0.substates={c={K=0.5}}")
    assert '"c" is not an open state of the gating: s, o' in fault
    fault = fault_of(f"channels.0.gating={gate}", "channels.0.substates={s={Ca=0.5}}")
    assert "the channel does not let Ca through" in fault
