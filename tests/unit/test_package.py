"""The package shows its public names before they are imported."""

import mc


def test_a_prompt_completes_the_public_names():
    assert dir(mc) == sorted(mc.__all__)
    assert all(getattr(mc, name) is not None for name in dir(mc))
