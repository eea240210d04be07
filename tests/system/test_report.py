"""`ionmc report` writes a page whose player works in a browser, or says in one line what is wrong."""

import shutil

import pytest
from click.testing import CliRunner

from mc.cli import cli

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def report(*arguments):
    return CliRunner().invoke(cli, ["report", *map(str, arguments)])


def test_the_page_is_written_and_its_path_printed(synthetic_run, tmp_path):
    path = tmp_path / "page.html"
    result = report(synthetic_run, "--output", path)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{path}\n"
    content = path.read_text(encoding="utf-8")
    assert content.startswith("<!DOCTYPE html>")
    assert content.count('<svg xmlns="http://www.w3.org/2000/svg"') >= 4
    assert report(synthetic_run, "--output", path, "--no-figures").exit_code == 0
    assert path.read_text(encoding="utf-8").count('<svg xmlns="http://www.w3.org/2000/svg"') == 0


def test_what_is_no_run_gets_one_clear_error(tmp_path):
    result = report(tmp_path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "does not exist" in result.stderr


@pytest.fixture(scope="module")
def page(synthetic_run, tmp_path_factory):
    """The page of the made-up run, open in a browser; errors of its scripts are in `page.errors`."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH")
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert report(synthetic_run, "--output", path, "--no-figures").exit_code == 0
    with playwright.sync_playwright() as session:
        browser = session.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1000, "height": 900})
        opened.errors = []
        opened.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.on(
            "console", lambda message: opened.errors.append(message.text) if message.type == "error" else None
        )
        opened.goto(path.as_uri())
        opened.wait_for_function("document.documentElement.dataset.ready", timeout=20_000)
        yield opened
        browser.close()


def picture(page):
    return page.evaluate("['cells', 'ions'].map((id) => document.getElementById(id).toDataURL()).join()")


def moment(page):
    return float(page.inner_text("#moment").split()[0])


# Observers are told in the order in which they were made: the page's own, which draws, before this one.
IN_SIGHT = """Promise.all(['cells', 'ions'].map((id) => new Promise((done) => {
  new IntersectionObserver((entries, observer) => {
    if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); done(); }
  }).observe(document.getElementById(id));
})))"""


@pytest.fixture
def at_start(page):
    """The page, rewound, with the ions in sight: what is out of sight is not drawn."""
    page.locator("#cells").scroll_into_view_if_needed()
    page.evaluate(IN_SIGHT)
    page.locator("#scrub").fill("0")
    return page


def test_the_page_opens_without_errors(page):
    assert page.evaluate("document.documentElement.dataset.ready") == "true"
    assert page.errors == []


def test_it_plays_and_pauses(at_start):
    at_start.click("#play")
    before = picture(at_start)
    at_start.wait_for_function("Number(document.getElementById('scrub').value) > 5")
    assert picture(at_start) != before
    at_start.click("#play")
    stopped = moment(at_start)
    at_start.wait_for_timeout(200)
    assert 0 < moment(at_start) == stopped
    assert at_start.get_attribute("#play", "aria-label") == "play"


def test_scrubbing_shows_another_moment_and_back(at_start):
    before = picture(at_start)
    at_start.locator("#scrub").fill("1000")
    assert picture(at_start) != before
    assert moment(at_start) == pytest.approx(5.0, abs=0.01)
    at_start.locator("#scrub").fill("0")
    assert picture(at_start) == before


def test_all_sliders_follow_one_clock(at_start):
    at_start.locator("#scrub").fill("500")
    middle = moment(at_start)
    assert float(at_start.inner_text("#profile-moment").split()[0]) == middle
    at_start.locator("#profile-scrub").fill("1000")
    assert moment(at_start) > middle


def test_species_are_switched_off_and_on(at_start):
    before = picture(at_start)
    chip = at_start.locator("#species .chip").first
    chip.click()
    assert chip.get_attribute("aria-pressed") == "false"
    assert picture(at_start) != before
    chip.click()
    assert picture(at_start) == before


def test_frames_far_apart_are_not_joined_by_lines(at_start):
    # Ions wander through the whole bath between the six frames: each is where it was seen, and nowhere in between.
    assert "stays where it was seen" in at_start.inner_text("#player .note >> nth=0")
    ions = []
    for slider in ("1", "2", "100"):
        at_start.locator("#scrub").fill(slider)
        ions.append(at_start.evaluate("document.getElementById('ions').toDataURL()"))
    # None of the fifty is due within a thousandth of the run, half of them are within a tenth: half a frame.
    assert ions[0] == ions[1] != ions[2]


def test_keys_step_and_play(at_start):
    at_start.focus("#scrub")
    at_start.keyboard.press("End")
    end = moment(at_start)
    at_start.keyboard.press("ArrowLeft")
    # Six frames, so that one of them is a fifth of the whole.
    assert moment(at_start) == pytest.approx(0.8 * end, rel=0.02)
    at_start.keyboard.press("Space")
    assert at_start.get_attribute("#play", "aria-label") == "pause"
    at_start.keyboard.press("Space")
    assert at_start.get_attribute("#play", "aria-label") == "play"
    before = picture(at_start)
    at_start.keyboard.press("1")
    assert picture(at_start) != before
    at_start.keyboard.press("1")


def test_pointing_at_a_channel_tells_its_state(at_start):
    box = at_start.locator("#cells").bounding_box()
    texts = set()
    for share in range(2, 99, 2):
        at_start.mouse.move(box["x"] + box["width"] * share / 100, box["y"] + box["height"] / 2)
        if not at_start.locator("#tooltip").is_hidden():
            texts.add(at_start.inner_text("#tooltip"))
    assert any("K leak" in text and "of 400 open" in text for text in texts), texts
    assert any("Na/K-ATPase" in text and "cycles" in text for text in texts), texts
    at_start.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
    assert at_start.locator("#tooltip").is_hidden()


def test_paper_shows_the_end(at_start):
    at_start.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert at_start.locator("#scrub").input_value() == "1000"


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_window(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1000, "height": 900})
    assert page.errors == []
