"""Maps of features to point at: inline SVG, style and a few lines of script, nothing fetched.

Without script the drawing is complete and the switches work; with it, pointing at a mark tells its
class and shows the image it was made from, and marks of the same image light up in all panels.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup
from PIL import Image

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.notebook.interactive import data_uri, html_figure, picture, show_html
from fewshot_lib.notebook.style import CLASSES, asset

_SIDE, _MARGIN = 300, 14  # of a panel, in units of its drawing
_THUMB, _COLUMNS = 48, 10  # pixels of a thumbnail at most, thumbnails in a row of their sheet
_SHEET = 147_000  # characters that all thumbnails may take
_DRAWN = ("hallucinated", "real", "prototype")  # the last lies on top


def show_map(
    maps: Mapping[str, pd.DataFrame], bank: ImageBank, alt: str, caption: str = ""
) -> None:
    """Display maps side by side.

    Args:
        maps: panel title to the frame of ``features.tsne``.
        bank: the images that the features were made from.
        alt: what the maps show, for readers who cannot see them.
    """
    show_html(_map_html(maps, bank, alt, caption), alt)


def _map_html(maps: Mapping[str, pd.DataFrame], bank: ImageBank, alt: str, caption: str) -> str:
    """The ``<figure>`` of ``show_map``; the same maps, the same text."""
    everything = pd.concat(maps.values())
    classes = list(dict.fromkeys(everything["class"]))
    images = list(dict.fromkeys(everything["image"][everything["image"] >= 0]))
    panels = [
        {"title": title, "n": len(frame), "groups": _groups(_fitted(frame), classes, images)}
        for title, frame in maps.items()
    ]
    return html_figure(
        "map",
        alt,
        caption,
        kinds=set(everything["kind"]),
        classes=classes,
        colours=[CLASSES[k % len(CLASSES)] for k in range(len(classes))],
        side=_SIDE,
        panels=panels,
        sheet=_thumbnails(bank, images),
        script=Markup(asset("map.js")),
    )


def _groups(frame: pd.DataFrame, classes: list[str], images: list[int]) -> list[dict[str, Any]]:
    """The marks of each kind and class: x, y and the place of their image on the sheet."""
    places = {image: place for place, image in enumerate(images)}
    found = []
    for kind in _DRAWN:
        for k, name in enumerate(classes):
            rows = frame[(frame["kind"] == kind) & (frame["class"] == name)]
            points = rows[["x", "y"]].round(1).to_numpy().tolist()
            marks = [(*p, places.get(i)) for p, i in zip(points, rows["image"], strict=True)]
            found.append({"kind": kind, "k": k, "marks": marks})
    return found


def _fitted(frame: pd.DataFrame) -> pd.DataFrame:
    """The map stretched over its panel: t-SNE's axes have no unit and no direction."""
    points = frame[["x", "y"]]
    span = (points.max() - points.min()).clip(lower=1e-9)
    scaled = (points - points.min()) / span * (_SIDE - 2 * _MARGIN) + _MARGIN
    return frame.assign(x=scaled["x"], y=scaled["y"])


def _thumbnails(bank: ImageBank, images: list[int]) -> str:
    """All images on one sheet, as a data URI; the quality is what fits into ``_SHEET``."""
    size = min(_THUMB, bank.image_size)
    sheet = Image.new("RGB", (_COLUMNS * size, -(-len(images) // _COLUMNS) * size), "white")
    for place, i in enumerate(images):
        sheet.paste(picture(bank, i, size), (place % _COLUMNS * size, place // _COLUMNS * size))
    for quality in (85, 75, 60, 45, 30):
        if len(uri := data_uri(sheet, quality)) <= _SHEET:
            break
    return uri
