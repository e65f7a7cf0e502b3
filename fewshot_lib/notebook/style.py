"""How all figures look: sizes, fonts, one colour and one marker for each thing."""

import base64
import io
import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns
from IPython.display import display
from matplotlib import get_data_path
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font

WIDTH = 8.0  # inches, the text width of the report
SCREEN_DPI = 100
ASSETS = Path(__file__).parent / "assets"
_LARGEST_SVG = 150_000  # bytes; a larger drawing is shown as pixels if these are fewer

# Told apart by readers with colour-blindness, and dark enough for lines and text on white.
METHODS = {
    "Problem 1": "#0173b2",
    "Problem 2": "#b25e00",
    "Problem 3": "#00805c",
    "AFHN": "#9b4f96",
}
OTHERS = ["#3d3d3d", "#d1335b", "#16808c", "#8a5a2b", "#6a51a3", "#5f7d1f"]  # settings compared
_QUANTITY = ["#c2592e", "#a01a58", "#2d1e6b"]  # from small to large values
CLASSES = ["#0173b2", "#d55e00", "#029e73", "#cc78bc"]
CLASSES += ["#4d4d4d", "#b8860b", "#2a9aa8", "#8a5a2b"]
MARKERS = {"real": "x", "hallucinated": "^", "prototype": "*"}
INK, QUIET, CHANCE = "#1d2430", "#5c6675", "#6b7280"  # text, lesser text, reference lines
_FONTS = ["DejaVu Sans", "Verdana", "Segoe UI", "Helvetica", "Arial"]  # much alike in width


def use_style() -> None:
    """The style of every figure: call it once at the top of a notebook."""
    sns.set_theme(context="notebook", style="whitegrid", palette=OTHERS, font_scale=0.85)
    plt.rcParams |= {
        "figure.dpi": SCREEN_DPI,
        "figure.constrained_layout.use": True,
        "figure.facecolor": "none",  # pages and notebooks may be dark
        "axes.facecolor": "none",
        "font.sans-serif": _FONTS,
        "svg.fonttype": "none",
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "axes.edgecolor": "#c4c9d0",
        "axes.linewidth": 0.8,
        "grid.color": "#e6e9ed",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10.5,
        "lines.linewidth": 1.8,
    }


def drawable(name: str) -> str:
    """The name with what Matplotlib's font cannot draw written as Python would escape it.

    So two classes whose names have no shapes can be told apart.
    """
    glyphs = get_font(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")).get_charmap()
    return "".join(
        c if c.isprintable() and ord(c) in glyphs else c.encode("unicode_escape").decode()
        for c in name
    )


def label(name: str) -> str:
    """The name as a figure's label: drawable, not read as a formula, not left out of a legend."""
    text = drawable(name).replace("$", r"\$")
    return f"\u200b{text}" if text.startswith("_") else text  # Matplotlib hides "_name"


def asset(name: str) -> str:
    """The text of a style sheet, script or drawing in this room's ``assets``."""
    return (ASSETS / name).read_text("utf-8")


def need_alt(alt: str) -> None:
    """Refuse a figure without a description for readers who cannot see it.

    Raises:
        ValueError: there is no alternative text.
    """
    if not alt.strip():
        raise ValueError("a figure needs an alternative text: say what it shows")


def show(figure: Figure, alt: str, caption: str = "") -> None:
    """Display the figure and close it: as SVG if that is small or smaller than the PNG.

    Args:
        alt: what the figure shows, for readers who cannot see it.
        caption: printed below it.

    Raises:
        ValueError: there is no alternative text.
    """
    data, about = mime_bundle(figure, alt, caption)
    display(data, raw=True, metadata=about)


def mime_bundle(figure: Figure, alt: str, caption: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``show`` displays: data and metadata by type."""
    need_alt(alt)
    width = round(figure.get_figwidth() * SCREEN_DPI)
    data, cuts = svg(figure, salt=f"{alt} {caption}"), _cuts(figure)
    size = len(data.encode())
    if size > _LARGEST_SVG and size > 4 / 3 * len(pixels := _png(figure)):  # base64 takes a third
        data = pixels
    plt.close(figure)
    return _bundle(data, width, alt, caption, cuts)


def _cuts(figure: Figure) -> list[float]:
    """Where panels part that may stand below each other on a phone, as shares of the width.

    Colour bars and grids of images stay with what they belong to.
    """
    spans: list[list[float]] = []
    for left, right in sorted(tuple(ax.get_tightbbox().intervalx) for ax in figure.axes):
        if spans and left < spans[-1][1]:
            spans[-1][1] = max(right, spans[-1][1])
        else:
            spans.append([left, right])
    width = figure.bbox.width
    if any(ax.images for ax in figure.axes) or any(b - a < 0.2 * width for a, b in spans):
        return []
    return [round((a[1] + b[0]) / 2 / width, 4) for a, b in pairwise(spans)]


def _bundle(
    data: str | bytes, width: int, alt: str, caption: str, cuts: Sequence[float] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """An SVG or the bytes of a PNG with its words, and metadata by type.

    A page takes the picture and its metadata, JupyterLab the HTML: it shows no captions.
    """
    drawing = isinstance(data, str)
    kind, source = ("image/svg+xml", data.encode()) if drawing else ("image/png", data)
    look = "drawing" if drawing and "<image" not in data else "photograph"
    page = (
        f"<style>{asset('figure.css')}</style>"
        f'<figure class="fewshot"><img class="{look}" alt="{escape(alt)}" width="{width}" '
        f'src="data:{kind};base64,{base64.b64encode(source).decode()}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
    about = {"alt": alt, "caption": caption, "width": width} | ({"cuts": cuts} if cuts else {})
    return {kind: data, "text/html": page, "text/plain": alt}, {kind: about}


def show_drawing(name: str, alt: str, caption: str = "") -> None:
    """Display the drawing ``assets/NAME.svg``; arguments else as of ``show``."""
    text = asset(f"{name}.svg")
    data, about = _bundle(text, int(re.search(r'width="(\d+)"', text)[1]), alt, caption)
    display(data, raw=True, metadata=about)


def svg(figure: Figure, salt: str) -> str:
    """The figure as an ``<svg>`` element to put into a page: the same drawing, the same text.

    Args:
        salt: what the ids are made from, so that those of two figures on a page differ.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with plt.rc_context({"svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    used = set(re.findall(r"#([\w.-]+)", text))
    return re.sub(r' id="([\w.-]+)"', lambda m: m[0] if m[1] in used else "", text)


def _png(figure: Figure) -> bytes:
    """The figure in pixels, at twice its size on screen."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=2 * SCREEN_DPI, metadata={"Software": None})
    return buffer.getvalue()


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name: a method's own, from light to dark for values of one quantity.

    Names like "K = 5" are such values.
    """
    names = list(names)
    if all(re.search(r"= *[\d.]+$", name) for name in names):
        return dict(zip(names, sns.blend_palette(_QUANTITY, len(names)).as_hex(), strict=True))
    others = iter(OTHERS * len(names))
    return {name: METHODS.get(name) or next(others) for name in names}
