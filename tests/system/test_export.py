"""Each export is opened by a reader that others wrote, and has the numbers of the run."""

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from synthetic_run import THICKNESS, describe_synthetic_run, write_synthetic_run

from mc.cli import cli
from mc.recording.layout import RunDescription
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording


@pytest.fixture(scope="module")
def recording(synthetic_run):
    return Recording(synthetic_run)


def export(run, file_format, output, *options):
    return CliRunner().invoke(
        cli, ["export", str(run), "--format", file_format, "--output", str(output), *options]
    )


def exported(run, file_format, output):
    """Return the paths that an export printed."""
    result = export(run, file_format, output)
    assert result.exit_code == 0, result.output
    return result.stdout.split()


def write_plane(path) -> RunDescription:
    """Write a run in two dimensions of 3 frames, an ion of which is nowhere, and 2 maps."""
    generator = np.random.default_rng(4)
    description = describe_synthetic_run(cell_y=np.arange(8) * 10.0 + 5.0)
    n_cells, n_nodes = len(description.cell_position), len(description.node_position)
    with Recorder(path, description) as recorder:
        for i in range(3):
            recorder.record_series(i, 10.0 * i, np.ones(len(recorder.columns)))
            x, y = generator.uniform(-25, 0, 50), generator.uniform(0, 80, 50)
            x[7] = np.nan
            recorder.record_positions(i, 10.0 * i, x, y)
            if i:
                recorder.record_profile(10.0 * i, np.ones((5, n_cells)), np.ones(n_nodes))
                recorder.record_map(
                    10.0 * i,
                    generator.random((5, n_cells, 8)),
                    generator.random((n_nodes, 1)) * np.ones(8),
                )
        recorder.finish("completed", 1.0)
    return description


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_pandas_reads_the_tables(recording, tmp_path, file_format):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    if file_format == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    paths = exported(recording.path, file_format, tmp_path / "tables")
    read = pandas.read_csv if file_format == "csv" else pandas.read_parquet
    names = ["series", "concentrations", "potentials", "crossings"]
    assert paths == [str(tmp_path / "tables" / f"{name}.{file_format}") for name in names]
    series, concentrations, _, crossings = map(read, paths)
    unit = " (mV)" if file_format == "csv" else ""
    np.testing.assert_array_equal(series[f"membrane_potential{unit}"], recording["membrane_potential"])
    assert next(iter(series)) == ("time (ns)" if file_format == "csv" else "time")
    assert len(series.columns) == len(recording.columns) + 1
    potassium = concentrations[concentrations["species"] == "K"].iloc[:, -1].to_numpy()
    np.testing.assert_allclose(
        potassium.reshape(len(recording.profiles.time), -1), recording.profiles.concentration[:, 0], rtol=1e-6
    )
    assert list(crossings["species"]) == ["K", "Na", "K"]
    assert list(crossings["channel_type"]) == ["K leak", "Na leak", "K leak"]


def test_parquet_keeps_the_units(recording, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    exported(recording.path, "parquet", tmp_path / "tables")
    schema = parquet.read_schema(tmp_path / "tables" / "series.parquet")
    assert schema.field("membrane_potential").metadata[b"unit"] == b"mV"
    assert b"A made-up neuron" in schema.metadata[b"ionmc"]


def test_names_with_commas_and_quotes_survive_csv(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    name = 'a "fast", large\none'
    description = describe_synthetic_run()
    channels = (description.channels[0].__class__(name, 400, ("closed", "open"), {"K": 0.037}),)
    with Recorder(tmp_path / "run.h5", describe_synthetic_run(channels=channels)) as recorder:
        for i in range(3):
            recorder.record_series(i, 10.0 * i, np.full(len(recorder.columns), 0.1 * i))
    exported(tmp_path, "csv", tmp_path / "tables")
    series = pandas.read_csv(tmp_path / "tables" / "series.csv")
    np.testing.assert_array_equal(series[f"open_channels.{name}"], [0.0, 0.1, 0.2])


def test_ase_reads_the_ions(recording, tmp_path):
    ase_io = pytest.importorskip("ase.io", reason="ASE is not installed")
    [path] = exported(recording.path, "xyz", tmp_path / "ions.xyz")
    frames = ase_io.read(path, index=":", format="extxyz")
    positions = recording.positions
    assert len(frames) == len(positions.time)
    for frame, x in zip(frames, positions.x, strict=True):
        np.testing.assert_allclose(frame.positions[:, 0], 10 * x, atol=1e-3)
        assert list(frame.arrays["ion"]) == list(np.array(recording.species_names)[positions.species])
        np.testing.assert_array_equal(frame.arrays["id"], positions.ion)
    assert frames[1].get_chemical_symbols()[:5] == ["K", "Na", "Cl", "Ca", "X"]
    assert frames[-1].info["Time"] == positions.time[-1]
    assert frames[0].cell.volume == pytest.approx(1e3 * 20_000 * 54, rel=1e-4)


def test_an_ion_that_is_nowhere_is_in_no_frame(tmp_path):
    ase_io = pytest.importorskip("ase.io", reason="ASE is not installed")
    write_plane(tmp_path / "run.h5")
    exported(tmp_path, "xyz", tmp_path / "ions.xyz")
    frame = ase_io.read(tmp_path / "ions.xyz", index=0, format="extxyz")
    assert len(frame) == 49
    with Recording(tmp_path) as recording:
        there = np.isfinite(recording.positions.x[0])
        np.testing.assert_allclose(frame.positions[:, 1], 10 * recording.positions.y[0, there], atol=1e-3)


def test_meshio_reads_ions_and_profiles(recording, tmp_path):
    meshio = pytest.importorskip("meshio", reason="meshio is not installed")
    lists = exported(recording.path, "vtk", tmp_path / "vtk")
    assert lists == [str(tmp_path / "vtk" / name) for name in ("ions.pvd", "fields.pvd")]
    ions = meshio.read(tmp_path / "vtk" / "ions_00002.vtu")
    np.testing.assert_allclose(ions.points[:, 0], recording.positions.x[2])
    np.testing.assert_array_equal(ions.point_data["species"], recording.positions.species)
    last = len(recording.profiles.time) - 1
    fields = meshio.read(tmp_path / "vtk" / f"fields_{last:05d}.vtu")
    [cells] = fields.cells
    assert cells.type == "line"
    centres = fields.points[cells.data, 0].mean(axis=1)
    np.testing.assert_allclose(centres, recording.profiles.position)
    np.testing.assert_allclose(
        fields.cell_data["K (mM)"][0], recording.profiles.concentration[last, 0], rtol=1e-6
    )
    x = recording.profiles.node_position
    np.testing.assert_allclose(fields.points[:, 0], x, atol=1e-9)
    np.testing.assert_allclose(
        fields.point_data["potential (mV)"], recording.profiles.potential[last], atol=1e-6
    )


def test_meshio_reads_maps_as_squares(tmp_path):
    meshio = pytest.importorskip("meshio", reason="meshio is not installed")
    description = write_plane(tmp_path / "run.h5")
    exported(tmp_path, "vtk", tmp_path / "vtk")
    fields = meshio.read(tmp_path / "vtk" / "fields_00001.vtu")
    [cells] = fields.cells
    assert cells.type == "quad"
    assert cells.data.shape == (120 * 8, 4)
    corners = fields.points[cells.data]
    # No cell lies in the slab, and all are as large as the grid's.
    assert not ((corners[..., 0].mean(axis=1) > 0) & (corners[..., 0].mean(axis=1) < THICKNESS)).any()
    areas = np.ptp(corners[..., 0], axis=1) * np.ptp(corners[..., 1], axis=1)
    np.testing.assert_allclose(areas, description.cell_width[0] * 10.0)
    with Recording(tmp_path) as recording:
        np.testing.assert_allclose(
            fields.cell_data["Na (mM)"][0], recording.maps.concentration[1, 1].ravel(), rtol=1e-6
        )


def test_the_lists_of_moments_name_files_that_exist(recording, tmp_path):
    from xml.etree import ElementTree

    for path in exported(recording.path, "vtk", tmp_path / "vtk"):
        moments = ElementTree.parse(path).getroot().findall("Collection/DataSet")
        times = recording.positions.time if "ions" in path else recording.profiles.time
        np.testing.assert_allclose([float(one.get("timestep")) for one in moments], times)
        assert all((tmp_path / "vtk" / one.get("file")).exists() for one in moments)


def test_nwb_is_valid_and_has_the_potential_in_volts(recording, tmp_path):
    pynwb = pytest.importorskip("pynwb", reason="pynwb is not installed")
    [path] = exported(recording.path, "nwb", tmp_path / "run.nwb")
    with pynwb.NWBHDF5IO(path, "r") as file:
        assert pynwb.validate(io=file) == []
    with pynwb.NWBHDF5IO(path, "r") as file:
        session = file.read()
        series = session.acquisition["membrane_potential"]
        np.testing.assert_allclose(
            series.data[:] * series.conversion, 1e-3 * recording["membrane_potential"], rtol=1e-12
        )
        assert series.unit == "volts"
        assert 1.0 / series.rate == pytest.approx(1e-9 * (recording.time[1] - recording.time[0]))
        assert session.session_description == "A made-up neuron"
        opened = session.processing["membrane"]["open K leak"]
        np.testing.assert_array_equal(opened.data[:], recording["open_channels.K leak"])


def test_what_is_in_the_way_is_kept(recording, tmp_path):
    path = tmp_path / "ions.xyz"
    path.write_text("mine")
    refused = export(recording.path, "xyz", path)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert path.read_text() == "mine"
    assert export(recording.path, "xyz", path, "--overwrite").exit_code == 0
    assert path.read_text() != "mine"
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    assert export(recording.path, "csv", folder).exit_code == 2
    assert export(recording.path, "csv", folder, "--overwrite").exit_code == 0
    # Only files of the same names are replaced, whatever else a folder holds.
    assert (folder / "mine.txt").read_text() == "mine"
    assert (folder / "series.csv").exists()


def test_a_run_without_positions_has_no_trajectory(tmp_path):
    write_synthetic_run(tmp_path / "run.h5", recorded_ions=np.arange(0), recorded_species=np.arange(0))
    result = export(tmp_path, "xyz", tmp_path / "ions.xyz")
    assert result.exit_code == 2
    assert "holds no positions" in result.stderr
    assert not (tmp_path / "ions.xyz").exists()
    assert export(tmp_path, "vtk", tmp_path / "vtk").stdout == f"{tmp_path / 'vtk' / 'fields.pvd'}\n"


@pytest.mark.parametrize(("file_format", "library"), [("parquet", "pyarrow"), ("nwb", "pynwb")])
def test_a_missing_library_is_named_with_what_brings_it(recording, tmp_path, file_format, library):
    program = (
        f"import sys; sys.modules[{library!r}] = None\n"
        f"sys.argv = ['ionmc', 'export', {str(recording.path)!r}, '--format', {file_format!r}, '--output', "
        f"{str(tmp_path / 'x')!r}]\n"
        "import runpy; runpy.run_module('mc', run_name='__main__', alter_sys=True)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert f"needs {library}" in result.stderr
    assert "pip install 'ionmc[export]'" in result.stderr
    assert result.stderr.count("\n") == 1
