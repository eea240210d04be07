"""What a run needs of the machine: estimates, what the system says is free, and the refusal."""

from pathlib import Path

import pytest

from mc.errors import ResourceError
from mc.scenario import limits
from mc.scenario.advice import advise
from mc.scenario.reading import read_scenario

SCENARIOS = Path(__file__).parents[3] / "scenarios"


@pytest.fixture(scope="module")
def scenario():
    return read_scenario(SCENARIOS / "resting_potential.toml")


def storage(overrides, name="resting_potential"):
    changed = read_scenario(SCENARIOS / f"{name}.toml", overrides)
    return limits.estimate_storage(changed, advise(changed))


@pytest.mark.parametrize(
    ("overrides", "part", "factor"),
    [
        ({"recording.interval": "10 ns", "recording.profile_interval": "50 ns"}, "series", 2.0),
        ({"recording.profile_interval": "50 ns"}, "profiles", 2.0),
        ({"recording.positions_interval": "0.5 us"}, "positions", 2.0),
        ({"recording.positions_stride": "4"}, "positions", 0.25),
        ({"recording.events": "false"}, "events", 0.0),
    ],
)
def test_each_part_follows_its_own_key(overrides, part, factor):
    usual = {
        "recording.interval": "20 ns",
        "recording.profile_interval": "100 ns",
        "recording.positions_interval": "1 us",
        "recording.positions_stride": "1",
    }
    before, after = storage(usual), storage({**usual, **overrides})
    assert getattr(after, part) == pytest.approx(factor * getattr(before, part), rel=0.06)


def test_counts_have_no_positions_and_no_events_of_single_ions():
    found = storage({"simulation.engine": "lattice"}, "nernst_potassium")
    assert found.positions == found.events == 0.0


def test_in_two_dimensions_maps_are_counted():
    assert storage({}, "patch_2d").maps > storage({}, "patch_2d").profiles
    assert storage({}).maps == 0.0


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ("free_disk", r"are needed in .*run \(.*\), 0\.001 MB are free: .*--output"),
        ("free_memory", r"of memory are needed, 0\.001 MB are free: reduce area"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_estimate(scenario, monkeypatch, resource, message):
    limits.refuse_what_does_not_fit(scenario, advise(scenario), Path("outputs/run"))
    monkeypatch.setattr(limits, resource, lambda *folder: 1e3)
    with pytest.raises(ResourceError, match=message):
        limits.refuse_what_does_not_fit(scenario, advise(scenario), Path("outputs/run"))


def test_where_nothing_is_known_nothing_is_refused(scenario, monkeypatch):
    for resource in ("free_disk", "free_memory"):
        monkeypatch.setattr(limits, resource, lambda *folder: None)
    limits.refuse_what_does_not_fit(scenario, advise(scenario), Path("outputs/run"))


def test_the_remedy_names_the_largest_part(scenario):
    parts = dict.fromkeys(("series", "profiles", "maps", "positions", "events", "checkpoints"), 1.0)
    for part, key in (("series", "recording.interval"), ("events", "recording.events")):
        assert key in limits.Storage(**{**parts, part: 2.0}).remedy


def test_memory_is_what_the_machine_has_available(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:    3 kB\n")
    assert limits._available_memory(tmp_path / "meminfo") == 3072
    (tmp_path / "meminfo").write_text("nonsense\n")
    assert limits._available_memory(tmp_path / "meminfo") is None
    assert limits._available_memory(tmp_path / "none") is None


def test_control_groups_of_both_versions_leave_the_limit_less_what_is_used_but_for_cached_files(tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 600\ninactive_file 100\n")
    assert limits._left_by_control_groups(tmp_path) == [400]
    (tmp_path / "memory.max").write_text("max\n")
    assert limits._left_by_control_groups(tmp_path) == []
    old = tmp_path / "memory"
    old.mkdir()
    (old / "memory.limit_in_bytes").write_text("500\n")
    (old / "memory.usage_in_bytes").write_text("100\n")
    (old / "memory.stat").write_text("cache 5\ntotal_inactive_file 5\n")
    assert limits._left_by_control_groups(tmp_path) == [405]


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_its_parent(tmp_path):
    there, not_yet = limits.free_disk(tmp_path), limits.free_disk(tmp_path / "a" / "b")
    assert there > 0.0
    assert not_yet == pytest.approx(there, rel=0.1)
