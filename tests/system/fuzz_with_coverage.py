"""Scenario files bent by atheris towards code that none has reached yet, and what must hold of each.

    pip install atheris
    python tests/system/fuzz_with_coverage.py -atheris_runs=100000

Begins with the shipped scenarios; further folders of inputs are arguments, as are the options of libFuzzer. What
offends is written where it was started, as crash-*. See `fuzz_scenarios` for what an offence is.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mc.scenario", "mc.units", "tomllib"]):
    from fuzz_scenarios import SOURCES, Input, find_offence


def main() -> None:
    """Fuzz until the options of the command line end it."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, place = Path(folder) / "corpus", Path(folder) / "read"
        corpus.mkdir()
        place.mkdir()
        for i, source in enumerate(SOURCES):
            (corpus / f"{i}.toml").write_text(source, encoding="utf-8")

        def meet(content: bytes) -> None:
            offence = find_offence(Input(content, ()), place)
            if offence is not None:
                raise AssertionError(offence)

        atheris.Setup([*sys.argv, str(corpus)], meet)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
