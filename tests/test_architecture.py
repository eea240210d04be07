"""The import promises of the package: layers import downwards only, and some libraries live in one place."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mc"

LAYERS = [
    {"constants", "errors", "compilation", "formatting"},
    {"theory", "streams", "units", "sampling"},
    {"scenario"},
    {"membrane", "field", "recording"},
    {"engines", "analysis"},
    {"simulation", "comparison", "digest"},
    {"ensemble", "figures", "exports", "lineage"},
    {"validation"},
    {"cli"},
]
"""From the ground up. A room imports from rooms below its own layer, never from beside or above."""

HOMES = {
    "h5py": "recording",
    "matplotlib": "figures",
    "click": "cli",
    "rich": "cli",
    "pint": "units",
    "pyarrow": "exports",
    "pynwb": "exports",
}
"""Libraries that one room keeps to itself."""

LEVEL_OF = {room: level for level, layer in enumerate(LAYERS) for room in layer}
DOORS = {"__init__", "__main__"}
"""The package's own front doors may lead anywhere."""


def room_of(path: Path) -> str:
    """Return the first part below the package: a module's stem or a folder's name."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_modules(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of every import in `source`, also those inside functions.

    `package` is the dotted name that relative imports start from.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{origin}.{alias.name}"


def violations(source: str, path: Path) -> list[str]:
    """Return what in `source`, taken to be the file at `path` in the package, breaks a promise."""
    room = room_of(path)
    package = ".".join(["mc", *path.relative_to(PACKAGE).parts[:-1]])
    found = []
    for line, module in imported_modules(source, package):
        top, *rest = module.split(".")
        if top in HOMES and room != HOMES[top]:
            found.append(f"{path.name}:{line} imports {top}, which lives in mc.{HOMES[top]}")
        if top != "mc" or room in DOORS:
            continue
        target = rest[0] if rest else ""
        if target not in LEVEL_OF:
            found.append(f"{path.name}:{line} imports {module}, which is in no layer")
        elif target != room and LEVEL_OF[target] >= LEVEL_OF[room]:
            found.append(f"{path.name}:{line} imports {module}: mc.{target} is not below mc.{room}")
        elif room == "theory" and target not in ("theory", "constants"):
            found.append(f"{path.name}:{line} imports {module}: theory knows mc.constants alone")
    return found


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_keep_the_layers(path):
    assert room_of(path) in LEVEL_OF.keys() | DOORS, f"{path.name} belongs to no layer: add it to LAYERS"
    assert violations(path.read_text(encoding="utf-8"), path) == []


def test_only_one_module_configures_numba():
    configuring = [path.name for path in SOURCES if "CACHE_DIR" in path.read_text(encoding="utf-8")]
    assert configuring == ["compilation.py"]


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        ("analysis/potential.py", "from mc.engines import base", "mc.engines is not below mc.analysis"),
        ("analysis/potential.py", "import mc.simulation", "mc.simulation is not below mc.analysis"),
        ("field/poisson.py", "from mc import scenario, membrane", "mc.membrane is not below mc.field"),
        ("field/poisson.py", "from ..membrane.gating import Gates", "mc.membrane is not below mc.field"),
        ("theory/noise.py", "from mc.units import parse_quantity", "mc.units is not below mc.theory"),
        ("theory/noise.py", "from mc import errors", "theory knows mc.constants alone"),
        ("streams.py", "from mc import cli", "mc.cli is not below mc.streams"),
        ("engines/base.py", "def late():\n    import h5py.h5", "h5py, which lives in mc.recording"),
        ("__init__.py", "from matplotlib import pyplot", "matplotlib, which lives in mc.figures"),
        ("recording/layout.py", "from pint import Unit", "pint, which lives in mc.units"),
        ("figures/traces.py", "import click", "click, which lives in mc.cli"),
        ("figures/traces.py", "from rich.table import Table", "rich, which lives in mc.cli"),
        ("cli/run.py", "from mc.helpers import shortcut", "mc.helpers.shortcut, which is in no layer"),
    ],
)
def test_a_planted_violation_is_caught(file, source, message):
    found = violations(source, PACKAGE / file)
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("engines/brownian/engine.py", "from mc.field.poisson import solve\nfrom .motion import move"),
        ("recording/recorder.py", "import h5py\nfrom mc.recording import layout"),
        ("__init__.py", "from mc.simulation import simulate"),
    ],
)
def test_what_is_allowed_is_no_violation(file, source):
    assert violations(source, PACKAGE / file) == []


HELP = """
import runpy, sys
sys.argv = ["ionmc", "--help"]
try:
    runpy.run_module("mc", run_name="__main__", alter_sys=True)
except SystemExit as stop:
    assert not stop.code, stop.code
"""
HEAVY = {"matplotlib", "scipy", "numba", "pint", "h5py", "distributed"}


@pytest.mark.parametrize("program", [HELP, "import mc.theory"], ids=["help", "theory"])
def test_help_and_theory_are_not_slowed_down_by_heavy_libraries(program):
    listing = f"\nimport sys\nprint('heavy:', sorted({HEAVY} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", program + listing], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    assert program != HELP or "Usage" in result.stdout
    assert result.stdout.splitlines()[-1] == "heavy: []"
