"""Figures inside a page: vectors that follow its colours, or pixels where vectors would be too many."""

from __future__ import annotations

import base64
import io
import re

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.figure import Figure

from mc.figures import style

MOST_VECTOR_BYTES = 700_000
"""A larger SVG is shown as a PNG."""

WHITE = "#FFFFFF"


def css_variable(colour: str) -> str:
    """Return the name of the variable that holds `colour` (#RRGGBB) or what stands for it on a dark page."""
    return f"--c-{colour[1:].lower()}"


def colour_variables(on_dark: bool) -> str:
    """Return the declarations of the variables of all colours that differ between light and dark pages."""
    return " ".join(
        f"{css_variable(colour)}: {dark if on_dark else colour};" for colour, dark in style.ON_DARK.items()
    )


def css_colour(colour: str) -> str:
    """Return `colour` as style sheets ask for it, so that it follows the page where it must."""
    known = {one.lower() for one in style.ON_DARK}
    return f"var({css_variable(colour)})" if colour.lower() in known else colour


def inline_figure(figure: Figure, name: str, description: str) -> Markup:
    """Return `figure` without its title as an element of a page; `name` keeps its ids apart from those of others."""
    if figure.get_suptitle():
        figure.suptitle("")
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", dpi=130, facecolor="none", metadata={"Date": None})
    if buffer.tell() > MOST_VECTOR_BYTES:
        return _inline_pixels(figure, description)
    return _inline_vectors(buffer.getvalue().decode(), name, description)


def _inline_vectors(text: str, name: str, description: str) -> Markup:
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", body)
    head, body = body.split(">", 1)
    view_box = re.search(r'viewBox="([^"]+)"', head)
    assert view_box is not None
    for colour in style.ON_DARK:
        body = re.sub(f'{colour}(?=[;" ])', css_colour(colour), body, flags=re.IGNORECASE)
    return Markup(  # What matplotlib wrote has all text as paths.
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'class="figure" role="img" aria-label="{escape(description)}" viewBox="{view_box[1]}">{body}'
    )


def _inline_pixels(figure: Figure, description: str) -> Markup:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, facecolor="white")
    content = base64.b64encode(buffer.getvalue()).decode()
    return Markup(
        f'<img class="figure pixels" alt="{escape(description)}" src="data:image/png;base64,{content}">'
    )
