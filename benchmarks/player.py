"""How large the page of a run is with 5,000 ions in 400 frames, and how smoothly a browser plays it.

    python benchmarks/player.py [--seconds 5] [--browser PATH]

Needs playwright and a Chromium. Two runs of the neuron at rest: in one the ions walk, a step from frame to frame,
and glide on the screen; in the other frames lie so far apart that each ion has wandered through much of its bath,
which compresses worst. A page is to stay under 10 MB and at the pace of the screen, 60 pictures a second. A browser
without a graphics card draws with the processor, so that these are lower bounds.
"""

import argparse
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import mc
from mc.figures.page.page import write_report

SCENARIO = Path(__file__).parents[1] / "scenarios" / "resting_potential.toml"

RUNS = {
    "frames of 1 ns": ("400 ns", "1 ns"),
    "frames of 20 ns": ("8 us", "20 ns"),
}
"""Duration and time between frames of each run."""

COUNT = """
(seconds) => new Promise((done) => {
  document.getElementById("play").click();
  const times = [];
  const count = (now) => {
    times.push(now);
    if (now - times[0] < 1000 * seconds) requestAnimationFrame(count);
    else done(times);
  };
  requestAnimationFrame(count);
})
"""
"""Play, and return when each picture was drawn, in ms."""


def write_page(folder: Path, duration: str, interval: str) -> Path:
    """Simulate and return the page of the run, with its figures."""
    scenario = mc.read_scenario(
        SCENARIO, {"simulation.duration": duration, "recording.positions_interval": interval}
    )
    with mc.simulate(scenario, folder) as recording:
        return write_report(recording, folder / "report.html")


def play(page: Path, browser: str, seconds: float) -> tuple[int, int, float, float]:
    """Return frames, drawn ions, pictures per second and the longest time between two pictures in ms."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as session:
        opened = session.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = opened.new_page(viewport={"width": 1400, "height": 900})
        tab.goto(page.as_uri())
        tab.wait_for_function("document.documentElement.dataset.ready")
        scene = tab.evaluate("JSON.parse(document.getElementById('scene-data').textContent)")
        tab.locator("#cells").scroll_into_view_if_needed()
        times = tab.evaluate(COUNT, seconds)
        opened.close()
    gaps = [later - earlier for earlier, later in pairwise(times)]
    n_ions = sum(one["shown"] for one in scene["species"])
    return len(scene["time"]), n_ions, 1000 * len(gaps) / (times[-1] - times[0]), max(gaps)


def main() -> None:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"))
    arguments = parser.parse_args()
    print("run               frames    ions   page   pictures/s   longest gap")
    for name, (duration, interval) in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            page = write_page(Path(folder), duration, interval)
            frames, ions, rate, longest = play(page, arguments.browser, arguments.seconds)
            size = page.stat().st_size / 1e6
        print(f"{name:16}  {frames:6}  {ions:6}  {size:.2f} MB  {rate:6.1f}  {longest:8.0f} ms")


if __name__ == "__main__":
    main()
