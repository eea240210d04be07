"""Finding the laws: one in each file of the folder laws/, and a user's own."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

from mc.errors import McError
from mc.validation import laws as package
from mc.validation.law import Law


class ValidationError(McError):
    """A law that does not exist, or a file of laws that cannot be used."""


def find_laws(files: Sequence[Path] = ()) -> dict[str, Law]:
    """Return all laws by name: those of the package, and of `files` of the user's, each with a `LAW`."""
    found = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
        law = importlib.import_module(f"{package.__name__}.{module.name}").LAW
        found[law.name] = law
    for path in files:
        law = _read(path)
        if law.name in found:
            raise ValidationError(f"{path}: there is a law {law.name} already; give it another name")
        found[law.name] = law
    return found


def choose(laws: dict[str, Law], names: Sequence[str]) -> list[Law]:
    """Return the laws of these names, all without any. ValidationError with the nearest name for another one."""
    for name in names:
        if name not in laws:
            near = difflib.get_close_matches(name, laws, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else "ionmc validate --list shows all"
            raise ValidationError(f"there is no law {name}; {hint}")
    return [law for law in laws.values() if not names or law.name in names]


def _read(path: Path) -> Law:
    """Return the law of a file."""
    spec = importlib.util.spec_from_file_location(f"law_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ValidationError(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up there.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValidationError(f"{path}: cannot be imported: {type(error).__name__}: {error}") from error
    law = getattr(module, "LAW", None)
    if not isinstance(law, Law):
        raise ValidationError(f"{path}: holds no LAW = Law(...), see docs/validation.md")
    return law
