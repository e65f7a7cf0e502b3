"""Figures as parts of a page."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)
# "#name" as a link, in url(…) or in a style sheet; colours look alike, but no element has their id.
_REFERENCE = re.compile(r"#([\w.:-]+)")


class FigureError(ValueError):
    """A figure that a page cannot show to everybody."""


def figure_element(
    kind: str, data: str, about: Mapping[str, Any], anchor: str, name: str, caption: str = ""
) -> str:
    """An image in a box of its own to scroll in.

    Args:
        kind: ``image/png``, ``image/jpeg`` or ``image/svg+xml``.
        data: base64, or the SVG document.
        about: ``alt``, and if known ``width`` in pixels and ``cuts`` into panels.
        anchor: the figure's id; a drawing's own ids begin with it, its styles hold for it alone.
        name: of the box.
        caption: HTML.

    Raises:
        FigureError: the SVG cannot be read.
    """
    width = f' style="--width:{float(about["width"]):g}px"' if about.get("width") else ""
    if kind == "image/svg+xml":
        picture = _inline_svg(data, anchor, about["alt"], about.get("cuts") or ())
    else:
        source = "".join(data.split())
        picture = f'<img src="data:{kind};base64,{source}" alt="{escape(about["alt"])}">'
    box = f'<div class="plate" tabindex="0" role="group" aria-label="{name}"{width}>'
    caption = caption and f"<figcaption>{caption}</figcaption>"
    return f'<figure id="{anchor}">{box}{picture}</div>{caption}</figure>'


def _inline_svg(source: str, anchor: str, alt: str, cuts: Sequence[float] = ()) -> str:
    """A drawing as part of the page: as wide as its box, ids and styles its own, no scripts.

    Args:
        cuts: where it may be cut into panels that a narrow page shows below each other, as shares
            of the width.

    Raises:
        FigureError: the SVG cannot be read.
    """
    try:
        root = ElementTree.fromstring(source)
    except ElementTree.ParseError as error:
        raise FigureError(f"is SVG that cannot be read ({error})") from None
    for parent in root.iter():
        for child in [c for c in parent if c.tag in (f"{{{_SVG}}}script", f"{{{_SVG}}}metadata")]:
            parent.remove(child)
    _rename_ids(root, anchor)
    size = [root.attrib.pop(name, "") for name in ("width", "height")]
    numbers = [re.match(r"[\d.]+(?=(px|pt)?$)", value) for value in size]
    if "viewBox" not in root.attrib and all(numbers):
        root.set("viewBox", f"0 0 {numbers[0][0]} {numbers[1][0]}")
    root.attrib |= {"role": "img", "aria-label": alt}
    panels = _panels(root, f"{anchor}-drawing", cuts) if cuts and "viewBox" in root.attrib else ""
    return ElementTree.tostring(root, encoding="unicode") + panels


def _panels(root: ElementTree.Element, anchor: str, cuts: Sequence[float]) -> str:
    """The same drawing in pieces; each looks at its part of the whole, which gets the anchor."""
    whole = ElementTree.Element(f"{{{_SVG}}}g", {"id": anchor})
    whole.extend(list(root))
    root[:] = [whole]
    x, y, width, height = map(float, root.get("viewBox").split())
    pieces = "".join(
        f'<svg viewBox="{x + left * width:g} {y:g} {(right - left) * width:g} {height:g}" '
        f'style="--share:{right - left:g}"><use href="#{anchor}"/></svg>'
        for left, right in pairwise([0, *cuts, 1])
    )
    alt = escape(root.get("aria-label"))
    return f'<div class="panels" role="img" aria-label="{alt}">{pieces}</div>'


def _rename_ids(root: ElementTree.Element, anchor: str) -> None:
    """Set the anchor before every id and what refers to it, and confine style sheets to it."""
    ids = {element.get("id") for element in root.iter()}

    def renamed(text: str) -> str:
        return _REFERENCE.sub(lambda m: f"#{anchor}-{m[1]}" if m[1] in ids else m[0], text)

    for element in root.iter():
        for name in [name for name in element.attrib if name.startswith("on")]:
            del element.attrib[name]
        element.attrib |= {name: renamed(value) for name, value in element.attrib.items()}
        if "id" in element.attrib:
            element.set("id", f"{anchor}-{element.get('id')}")
        if element.tag == f"{{{_SVG}}}style":
            element.text = f"#{anchor} {{{renamed(element.text or '')}}}"
