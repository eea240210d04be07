"""Render pages of runs in a browser, as wide as a desk's screen and as a telephone's, to be looked at.

    python tests/system/render_pages.py outputs/*/report.html [--output outputs/pages] [--browser PATH]

Writes a picture of each whole page at each width, and prints errors of its scripts and whether anything is wider than
the window; the exit status is 1 if there was any. Needs playwright and a Chromium.
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

WIDTHS = (1400, 390)
"""Of the window in pixels."""

MOMENT = "600"
"""Of a thousand on the slider: where the picture of the player is taken."""


def render(browser: Any, page: Path, width: int, picture: Path) -> list[str]:
    """Write the picture of a page at a width and return what is wrong with it."""
    tab = browser.new_page(viewport={"width": width, "height": 900})
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    tab.goto(page.absolute().as_uri())
    tab.wait_for_function("document.documentElement.dataset.ready", timeout=30_000)
    if tab.locator("#scrub").count():
        tab.locator("#scrub").fill(MOMENT)
    # What is out of sight is drawn when it comes into sight.
    for top in range(0, tab.evaluate("document.documentElement.scrollHeight"), 700):
        tab.evaluate(f"window.scrollTo(0, {top})")
        tab.wait_for_timeout(30)
    tab.evaluate("window.scrollTo(0, 0)")
    tab.screenshot(path=picture, full_page=True)
    extent = tab.evaluate("document.documentElement.scrollWidth")
    if extent > width:
        wrong.append(f"{extent} pixels wide in a window of {width}")
    tab.close()
    return wrong


def main() -> int:
    """Render all pages; return the exit status."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=Path("outputs/pages"))
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    n_wrong = 0
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=arguments.browser, args=["--no-sandbox"])
        for page in arguments.pages:
            for width in WIDTHS:
                picture = arguments.output / f"{page.absolute().parent.name}-{width}.png"
                wrong = render(browser, page, width, picture)
                n_wrong += len(wrong)
                print(f"{picture}: {'; '.join(wrong) or 'no errors'}", flush=True)
        browser.close()
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
