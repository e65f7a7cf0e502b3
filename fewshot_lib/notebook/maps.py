"""Maps of features to point at: inline SVG, style and a few lines of script, nothing fetched.

Without script the drawing is complete and the switches work; with it, pointing at a mark tells its
class and shows the image it was made from, and marks of the same image light up in all panels.
"""

import base64
import hashlib
import io
import json
import math
from collections.abc import Mapping
from html import escape

import pandas as pd
import torch
from IPython.display import display
from PIL import Image

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.notebook.style import CLASSES, asset

_SIDE, _MARGIN = 300, 14  # of a panel, in units of its drawing
_THUMB, _COLUMNS = 48, 10  # pixels of a thumbnail at most, thumbnails in a row of their sheet
_SHEET = 110_000  # bytes that all thumbnails may take
_SIGNS = {"real": "×", "hallucinated": "▲", "prototype": "★"}
_DRAWN = ("hallucinated", "real", "prototype")  # the last lies on top
_STAR = " ".join(
    f"{radius * math.sin(math.pi * i / 5):.1f},{-radius * math.cos(math.pi * i / 5):.1f}"
    for i, radius in enumerate((8, 3.4) * 5)
)
_SHAPES = {"real": "M-3-3 3 3M-3 3 3-3", "hallucinated": "M0-4 4 3h-8z", "prototype": f"M{_STAR}z"}
_LOOKS = {
    "real": 'fill="none" stroke="{colour}" stroke-width="2" stroke-linecap="round"',
    "hallucinated": 'fill="{colour}" fill-opacity=".55" stroke="#fff" stroke-width=".5"',
    "prototype": 'fill="{colour}" stroke="#1d2430" stroke-width="1.2" stroke-linejoin="round"',
}


def show_map(
    maps: Mapping[str, pd.DataFrame], bank: ImageBank, alt: str, caption: str = ""
) -> None:
    """Display maps side by side.

    Args:
        maps: panel title to the frame of ``features.tsne``.
        bank: the images that the features were made from.
        alt: what the maps show, for readers who cannot see them.
        caption: printed below them.
    """
    html = map_html(maps, bank, alt, caption)
    display({"text/html": html, "text/plain": alt}, raw=True)


def map_html(maps: Mapping[str, pd.DataFrame], bank: ImageBank, alt: str, caption: str) -> str:
    """The ``<figure>`` of ``show_map``; the same maps, the same text.

    Raises:
        ValueError: there is no alternative text.
    """
    if not alt.strip():
        raise ValueError("a figure needs an alternative text: say what it shows")
    everything = pd.concat(maps.values())
    classes = list(dict.fromkeys(everything["class"]))
    kinds = [kind for kind in _SIGNS if kind in set(everything["kind"])]
    images = list(dict.fromkeys(everything["image"][everything["image"] >= 0]))
    sheet = _thumbnails(bank, images)
    name = _name_of(sheet, alt, caption, *(f"{k}\n{frame.to_csv()}" for k, frame in maps.items()))
    panels = "".join(_panel(name, *item, classes, images) for item in maps.items())
    return (
        f'<figure class="interactive" id="{name}" data-alt="{escape(alt)}">'
        f"<style>{_style(name, kinds, len(classes), sheet)}</style>{_switches(kinds)}"
        f"{_legend(classes)}{_shapes(name)}"
        f'<div class="panels" style="--columns:{3 if len(maps) == 3 else min(2, len(maps))}">'
        f'{panels}</div><div class="tip" role="status" hidden><i></i><span></span></div>'
        f"{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}"
        f"<script>{_script(classes)}</script></figure>"
    )


def _name_of(*content: str) -> str:
    """An id that depends on the content alone."""
    return "map-" + hashlib.sha256("\n".join(content).encode()).hexdigest()[:10]


def _switches(kinds: list[str]) -> str:
    """A checkbox for each kind of feature, to show or hide it."""
    labels = "".join(
        f'<label class="kind"><input type="checkbox" class="{kind}" checked> '
        f"{_SIGNS[kind]} {kind}</label>"
        for kind in kinds
    )
    return f'<div class="row" role="group" aria-label="Shown features">{labels}</div>'


def _legend(classes: list[str]) -> str:
    """The classes' names; point at one or tick it to see it alone."""
    labels = "".join(
        f'<label class="k k{i}"><input type="checkbox"><svg width="12" height="12" '
        f'viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="6" r="5" fill="{_colour(i)}" '
        f'stroke="currentColor" stroke-opacity=".5"/></svg> {escape(name)}</label>'
        for i, name in enumerate(classes)
    )
    return f'<div class="row" role="group" aria-label="Classes to see alone">{labels}</div>'


def _colour(i: int) -> str:
    return CLASSES[i % len(CLASSES)]


def _panel(
    name: str, title: str, frame: pd.DataFrame, classes: list[str], images: list[int]
) -> str:
    """One map: a group of marks for each kind and class."""
    frame, places, groups = _fitted(frame), {image: i for i, image in enumerate(images)}, []
    for kind in _DRAWN:
        for k, class_name in enumerate(classes):
            rows = frame[(frame["kind"] == kind) & (frame["class"] == class_name)]
            marks = "".join(
                f'<use href="#{name}-{kind}" x="{x:.1f}" y="{y:.1f}"'
                + (f' data-i="{places[image]}"/>' if image in places else "/>")
                for x, y, image in zip(rows["x"], rows["y"], rows["image"], strict=True)
            )
            look = _LOOKS[kind].format(colour=_colour(k))
            words = f"<title>{escape(class_name)}, {kind}</title>"
            groups.append(f'<g class="{kind} k{k}" data-k="{k}" {look}>{words}{marks}</g>')
    what = f"{title}: map of {len(frame)} features. The arrow keys walk through them."
    return (
        f'<div class="panel"><b>{escape(title)}</b><svg viewBox="0 0 {_SIDE} {_SIDE}" role="img" '
        f'tabindex="0" aria-label="{escape(what)}">{"".join(groups)}</svg></div>'
    )


def _fitted(frame: pd.DataFrame) -> pd.DataFrame:
    """The map stretched over its panel: t-SNE's axes have no unit and no direction."""
    points = frame[["x", "y"]]
    span = (points.max() - points.min()).clip(lower=1e-9)
    scaled = (points - points.min()) / span * (_SIDE - 2 * _MARGIN) + _MARGIN
    return frame.assign(x=scaled["x"], y=scaled["y"])


def _shapes(name: str) -> str:
    """The marks that all panels use."""
    paths = "".join(f'<path id="{name}-{kind}" d="{d}"/>' for kind, d in _SHAPES.items())
    return f'<svg class="shapes" width="0" height="0" aria-hidden="true"><defs>{paths}</defs></svg>'


def _thumbnails(bank: ImageBank, images: list[int]) -> str:
    """All images on one sheet, as a data URI; the quality is what fits into ``_SHEET``."""
    size = min(_THUMB, bank.image_size)
    sheet = Image.new("RGB", (_COLUMNS * size, -(-len(images) // _COLUMNS) * size), "white")
    for place, i in enumerate(images):
        pixels = bank.images[i].permute(1, 2, 0).contiguous().to(torch.uint8).numpy()
        small = Image.fromarray(pixels).resize((size, size), Image.Resampling.BOX)
        sheet.paste(small, (place % _COLUMNS * size, place // _COLUMNS * size))
    for quality in (85, 75, 60, 45, 30):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= _SHEET:
            break
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _script(classes: list[str]) -> str:
    """The figure's script; no class name can end it."""
    names = json.dumps(classes).replace("<", "\\u003c")
    text = asset("map.js").replace("SIDE", str(_SIDE)).replace("MARGIN", str(_MARGIN))
    return text.replace("NAMES", names)  # last: names are left as they are


def _style(name: str, kinds: list[str], n_classes: int, sheet: str) -> str:
    """The figure's style, for it alone."""
    rules = [asset("map.css").replace("SHEET", sheet)]
    rules += [f"&:has(input.{kind}:not(:checked)) g.{kind}{{display:none}}" for kind in kinds]
    rules += [
        f"&:has(.k{i} input:checked) g.k{i},&:has(.k{i}:hover) g.k{i}{{opacity:1}}"
        for i in range(n_classes)
    ]
    return "\n".join(rules).replace("&", f"#{name}")
