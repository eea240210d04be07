"""`ionmc proteins`: what the library holds, with its sources."""

import json

import click

from mc.errors import ScenarioError
from mc.scenario.fields import nearest_key_hint
from mc.scenario.library import KINDS, library_names, read_protein


@click.command(name="proteins", short_help="List the library of proteins, or print one of them.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the proteins that a scenario can use by name, or print NAME as it stands in the library.

    A scenario takes one with use = "NAME" under [[channels]], [[pumps]] or [[transporters]]; what else it gives there
    stands in place of the library's. A printed protein can be pasted into a scenario and changed.
    """
    if name is None:
        click.echo(_as_json() if as_json else _as_text())
        return
    try:
        click.echo(read_protein(name).text, nl=False)
    except KeyError:
        known = library_names()
        raise ScenarioError(
            f"no protein of the library is called {name}; there are {', '.join(known)}"
            f"{nearest_key_hint(name, known)}"
        ) from None


def _as_json() -> str:
    proteins = [read_protein(name) for name in library_names()]
    return json.dumps(
        {
            protein.name: {
                "kind": KINDS[protein.table],
                "summary": protein.summary,
                "source": protein.keys["source"],
                "density": protein.keys["density"],
            }
            for protein in proteins
        },
        indent=2,
        ensure_ascii=False,
    )


def _as_text() -> str:
    lines = []
    for table, kind in KINDS.items():
        lines.append(click.style(f"{kind}s, under [[{table}]]", bold=True))
        for name in library_names():
            protein = read_protein(name)
            if protein.table == table:
                lines.append(f"  {click.style(name, bold=True)}: {protein.summary}")
                lines.append(
                    click.wrap_text(
                        protein.keys["source"], 100, initial_indent="    ", subsequent_indent="    "
                    )
                )
        lines.append("")
    return "\n".join(lines).rstrip()
