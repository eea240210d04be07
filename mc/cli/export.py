"""`ionmc export`: a run in the formats of other programs."""

from pathlib import Path

import click

_WRITERS = {
    "csv": ("mc.exports.tables", "write_csv", "csv"),
    "parquet": ("mc.exports.tables", "write_parquet", "parquet"),
    "xyz": ("mc.exports.trajectory", "write_xyz", "ions.xyz"),
    "vtk": ("mc.exports.grids", "write_vtk", "vtk"),
    "nwb": ("mc.exports.physiology", "write_nwb", "run.nwb"),
}
"""Module, function and what is written, in the folder export beside run.h5, for each format."""


@click.command(name="export", short_help="Write a recorded run in the format of another program.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(list(_WRITERS)),
    required=True,
    help="csv or parquet: tables; xyz: ions for OVITO, ASE and VMD; vtk: ions and fields for ParaView; nwb: "
    "the potential as an intracellular recording.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File to write, or folder for csv, parquet and vtk; by default in the folder export beside run.h5.",
)
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
def command(run: Path, file_format: str, output: Path | None, overwrite: bool) -> None:
    """Write RUN, the folder that `ionmc run` wrote or its run.h5, in the format of another program.

    Tables have the series (a row for each record), concentrations and potentials along x, and the events: crossings,
    moves of pumps, gating. Every column tells its unit. The paths of what was written are printed. parquet and nwb
    need libraries that `pip install 'ionmc[export]'` brings.
    """
    import importlib

    from mc.recording.recording import Recording

    module, function, name = _WRITERS[file_format]
    with Recording(run) as recording:
        write = getattr(importlib.import_module(module), function)
        path = output or recording.path.parent / "export" / name
        for written in write(recording, path, overwrite=overwrite):
            click.echo(written)
