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
from fewshot_lib.notebook.style import CLASSES

SIDE, MARGIN = 300, 14  # of a panel, in units of its drawing
THUMB, COLUMNS = 48, 10  # pixels of a thumbnail at most, thumbnails in a row of their sheet
SHEET = 110_000  # bytes that all thumbnails may take
SIGNS = {"real": "×", "hallucinated": "▲", "prototype": "★"}
DRAWN = ("hallucinated", "real", "prototype")  # the last lies on top
STAR = " ".join(
    f"{radius * math.sin(math.pi * i / 5):.1f},{-radius * math.cos(math.pi * i / 5):.1f}"
    for i, radius in enumerate((8, 3.4) * 5)
)
SHAPES = {"real": "M-3-3 3 3M-3 3 3-3", "hallucinated": "M0-4 4 3h-8z", "prototype": f"M{STAR}z"}
LOOKS = {
    "real": 'fill="none" stroke="{colour}" stroke-width="2" stroke-linecap="round"',
    "hallucinated": 'fill="{colour}" fill-opacity=".55" stroke="#fff" stroke-width=".5"',
    "prototype": 'fill="{colour}" stroke="#1d2430" stroke-width="1.2" stroke-linejoin="round"',
}


def show_map(
    maps: Mapping[str, pd.DataFrame], bank: ImageBank, alt: str, caption: str = ""
) -> None:
    """Display maps side by side.

    Args:
        maps: panel title to the frame of ``feature_space.tsne``.
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
    kinds = [kind for kind in SIGNS if kind in set(everything["kind"])]
    images = list(dict.fromkeys(everything["image"][everything["image"] >= 0]))
    sheet = thumbnails(bank, images)
    name = name_of(sheet, alt, caption, *(f"{k}\n{frame.to_csv()}" for k, frame in maps.items()))
    panels = "".join(panel(name, *item, classes, images) for item in maps.items())
    return (
        f'<figure class="interactive" id="{name}" data-alt="{escape(alt)}">'
        f"<style>{style(name, kinds, len(classes), sheet)}</style>{switches(kinds)}"
        f"{legend(classes)}{shapes(name)}"
        f'<div class="panels" style="--columns:{3 if len(maps) == 3 else min(2, len(maps))}">'
        f'{panels}</div><div class="tip" role="status" hidden><i></i><span></span></div>'
        f"{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}"
        f"<script>{script(classes)}</script></figure>"
    )


def name_of(*content: str) -> str:
    """An id that depends on the content alone."""
    return "map-" + hashlib.sha256("\n".join(content).encode()).hexdigest()[:10]


def switches(kinds: list[str]) -> str:
    """A checkbox for each kind of feature, to show or hide it."""
    labels = "".join(
        f'<label class="kind"><input type="checkbox" class="{kind}" checked> '
        f"{SIGNS[kind]} {kind}</label>"
        for kind in kinds
    )
    return f'<div class="row" role="group" aria-label="Shown features">{labels}</div>'


def legend(classes: list[str]) -> str:
    """The classes' names; point at one or tick it to see it alone."""
    labels = "".join(
        f'<label class="k k{i}"><input type="checkbox"><svg width="12" height="12" '
        f'viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="6" r="5" fill="{colour(i)}" '
        f'stroke="currentColor" stroke-opacity=".5"/></svg> {escape(name)}</label>'
        for i, name in enumerate(classes)
    )
    return f'<div class="row" role="group" aria-label="Classes to see alone">{labels}</div>'


def colour(i: int) -> str:
    return CLASSES[i % len(CLASSES)]


def panel(name: str, title: str, frame: pd.DataFrame, classes: list[str], images: list[int]) -> str:
    """One map: a group of marks for each kind and class."""
    frame, places, groups = fitted(frame), {image: i for i, image in enumerate(images)}, []
    for kind in DRAWN:
        for k, class_name in enumerate(classes):
            rows = frame[(frame["kind"] == kind) & (frame["class"] == class_name)]
            marks = "".join(
                f'<use href="#{name}-{kind}" x="{x:.1f}" y="{y:.1f}"'
                + (f' data-i="{places[image]}"/>' if image in places else "/>")
                for x, y, image in zip(rows["x"], rows["y"], rows["image"], strict=True)
            )
            look = LOOKS[kind].format(colour=colour(k))
            words = f"<title>{escape(class_name)}, {kind}</title>"
            groups.append(f'<g class="{kind} k{k}" data-k="{k}" {look}>{words}{marks}</g>')
    what = f"{title}: map of {len(frame)} features. The arrow keys walk through them."
    return (
        f'<div class="panel"><b>{escape(title)}</b><svg viewBox="0 0 {SIDE} {SIDE}" role="img" '
        f'tabindex="0" aria-label="{escape(what)}">{"".join(groups)}</svg></div>'
    )


def fitted(frame: pd.DataFrame) -> pd.DataFrame:
    """The map stretched over its panel: t-SNE's axes have no unit and no direction."""
    points = frame[["x", "y"]]
    span = (points.max() - points.min()).clip(lower=1e-9)
    scaled = (points - points.min()) / span * (SIDE - 2 * MARGIN) + MARGIN
    return frame.assign(x=scaled["x"], y=scaled["y"])


def shapes(name: str) -> str:
    """The marks that all panels use."""
    paths = "".join(f'<path id="{name}-{kind}" d="{d}"/>' for kind, d in SHAPES.items())
    return f'<svg class="shapes" width="0" height="0" aria-hidden="true"><defs>{paths}</defs></svg>'


def thumbnails(bank: ImageBank, images: list[int]) -> str:
    """All images on one sheet, as a data URI; the quality is what fits into ``SHEET``."""
    size = min(THUMB, bank.image_size)
    sheet = Image.new("RGB", (COLUMNS * size, -(-len(images) // COLUMNS) * size), "white")
    for place, i in enumerate(images):
        pixels = bank.images[i].permute(1, 2, 0).contiguous().to(torch.uint8).numpy()
        small = Image.fromarray(pixels).resize((size, size), Image.Resampling.BOX)
        sheet.paste(small, (place % COLUMNS * size, place // COLUMNS * size))
    for quality in (85, 75, 60, 45, 30):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= SHEET:
            break
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def script(classes: list[str]) -> str:
    """The figure's script; no class name can end it."""
    values = {"SIDE": str(SIDE), "MARGIN": str(MARGIN)}
    values["NAMES"] = json.dumps(classes).replace(
        "<", "\\u003c"
    )  # last: names are left as they are
    text = SCRIPT
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def style(name: str, kinds: list[str], n_classes: int, sheet: str) -> str:
    """The figure's style, for it alone."""
    rules = [STYLE.replace("SHEET", sheet)]
    rules += [f"&:has(input.{kind}:not(:checked)) g.{kind}{{display:none}}" for kind in kinds]
    rules += [
        f"&:has(.k{i} input:checked) g.k{i},&:has(.k{i}:hover) g.k{i}{{opacity:1}}"
        for i in range(n_classes)
    ]
    return "\n".join(rules).replace("&", f"#{name}")


STYLE = """
&{position:relative;margin:1.6em 0}
& .row{display:flex;flex-wrap:wrap;gap:.3em .5em;justify-content:center;margin-bottom:.6em;
font-size:.85em;line-height:1.5}
& .shapes{position:absolute}
& label{display:inline-flex;align-items:center;gap:.35em;padding:0 .55em;cursor:pointer;
border:1px solid #8a8f9866;border-radius:99px}
& .k input{position:absolute;opacity:0;width:1px;height:1px;margin:0}
& .k:has(:checked){box-shadow:inset 0 0 0 1.5px currentColor}
& label:focus-within{outline:2px solid #4a90d9;outline-offset:1px}
& .kind input{margin:0}
& .panels{display:grid;gap:1em;
grid-template-columns:repeat(auto-fit,minmax(max(12rem,100%/var(--columns) - 1em),1fr))}
& .panel b{display:block;font-size:.9em;font-weight:600;text-align:center;margin-bottom:.3em}
& .panel svg{display:block;width:100%;max-width:30rem;margin:auto;background:#fff;
border:1px solid #dfe3e8;border-radius:6px;touch-action:pan-y}
& g{transition:opacity .15s}
& use.on{filter:drop-shadow(0 0 1px #000) drop-shadow(0 0 .5px #000);fill-opacity:1}
& .panel svg:focus-visible{outline-offset:-2px}
& .tip{position:absolute;z-index:1;pointer-events:none;width:9rem;padding:6px;text-align:center;
font-size:.8rem;line-height:1.3;background:#fff;color:#1d2430;border:1px solid #c4c9d0;
border-radius:6px;box-shadow:0 2px 10px #0003}
& .tip[hidden]{display:none}
& .tip i{display:block;width:96px;height:96px;margin:0 auto 4px;background:url(SHEET);
background-size:960px auto}
& .tip i[hidden]{display:none}
&:has(.k input:checked) g,&:has(.k:hover) g{opacity:.1}
@media print{& .panel{break-inside:avoid}& .kind input,& .tip{display:none}}
"""

SCRIPT = """(() => {
const figure = document.currentScript.closest("figure"), tip = figure.querySelector(".tip");
const [picture, words] = tip.children, names = NAMES;
const all = [...figure.querySelectorAll("use")];
const place = mark => [+mark.getAttribute("x"), +mark.getAttribute("y")];
const first = new Map(all.map(mark => [mark, place(mark)]));
const seen = svg => [...svg.querySelectorAll("use")].filter(
  mark => getComputedStyle(mark.parentNode).display != "none");
const pointable = svg => {  // all, or those of the ticked classes
  const ticked = [...figure.querySelectorAll(".k")].map(k => k.firstChild.checked);
  return seen(svg).filter(mark => !ticked.includes(true) || ticked[mark.parentNode.dataset.k]);
};
const fit = svg => [0, 1].forEach(axis => {  // what is shown fills the panel
  const marks = seen(svg), at = mark => first.get(mark)[axis];
  const low = Math.min(...marks.map(at)), span = Math.max(...marks.map(at)) - low || 1;
  marks.forEach(mark => mark.setAttribute(
    "xy"[axis], MARGIN + (SIDE - 2 * MARGIN) * (at(mark) - low) / span));
});
const show = mark => {
  const group = mark?.parentNode, i = mark?.dataset.i;
  all.forEach(m => m.classList.toggle("on", m == mark || i != null && m.dataset.i == i));
  if (tip.hidden = !mark) return;
  picture.hidden = i == null;
  picture.style.backgroundPosition = `${-96 * (i % 10)}px ${-96 * Math.floor(i / 10)}px`;
  words.textContent = names[group.dataset.k] + ", " + group.classList[0];
  const at = mark.getBoundingClientRect(), frame = figure.getBoundingClientRect();
  const left = at.x - frame.x + at.width / 2 - tip.offsetWidth / 2;
  tip.style.left = Math.max(0, Math.min(left, frame.width - tip.offsetWidth)) + "px";
  const above = at.y - frame.y - tip.offsetHeight - 8, below = at.bottom - frame.y + 8;
  tip.style.top = (above > 0 && at.y - tip.offsetHeight > 60 ? above : below) + "px";
};
figure.querySelectorAll("g > title").forEach(title => title.remove());  // the tip takes over
figure.querySelectorAll(".panel svg").forEach(svg => {
  let current = null;
  figure.querySelectorAll(".kind input").forEach(
    input => input.addEventListener("change", () => fit(svg)));
  const point = event => {
    const p = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(svg.getScreenCTM().inverse());
    let best = 12;
    current = null;
    for (const mark of pointable(svg)) {
      const [x, y] = place(mark), far = Math.hypot(x - p.x, y - p.y);
      if (far < best) [best, current] = [far, mark];
    }
    show(current);
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", event => event.pointerType == "touch" || show(null));
  svg.addEventListener("blur", () => show(null));
  svg.addEventListener("keydown", event => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (event.key == "Escape") show(current = null);
    if (!step) return;
    event.preventDefault();
    const marks = pointable(svg), n = marks.length;
    if (!n) return;
    const now = marks.indexOf(current);
    show(current = marks[now < 0 ? (step > 0 ? 0 : n - 1) : (now + step + n) % n]);
  });
});
})();"""
