"""Which letters the ``glyphs`` source draws, and their shapes in every face."""

import hashlib
import unicodedata
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont, features
from torch.nn import functional as F

from fewshot_lib.errors import InputError

FACES = tuple(
    f"DejaVu{family}{style}.ttf"
    for family, styles in {
        "Sans": ("", "-Bold", "-Oblique", "-BoldOblique"),
        "SansMono": ("", "-Bold", "-Oblique", "-BoldOblique"),
        "Serif": ("", "-Bold", "-Italic", "-BoldItalic"),
    }.items()
    for style in styles
)

UPRIGHT = ("DejaVuSans.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf")  # that shapes are compared in

# Base letters of each split's scripts, as ranges of code points: no accents, no ligatures.
# Latin, Greek and Cyrillic share many shapes, hence one split; Armenian and Georgian stand alone.
ALPHABETS = {
    "train": ("Az", "ΑΡ", "ΣΩ", "αω", "Ая"),
    "val": ("ԱՖ", "աֆ"),
    "test": ("ႠჅ", "აჰ"),
}
N_CLASSES = {"train": 64, "val": 16, "test": 20}

DRAWN = 160  # font size in pixels that shapes are drawn at, far above what is shown of them
COMPARED = 24  # side in pixels of the rasters that are compared
LOOK_ALIKE = 0.85  # correlation from which two letters count as the same shape


def font_path(face: str) -> Path:
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / face


@cache
def fonts_fingerprint() -> str:
    """Changes with the fonts and with the library that draws them."""
    digest = hashlib.sha256(str(features.version("freetype2")).encode())
    for face in FACES:
        digest.update(font_path(face).read_bytes())
    return digest.hexdigest()


@cache
def open_font(face: str) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(
            str(font_path(face)), DRAWN, layout_engine=ImageFont.Layout.BASIC
        )
    except OSError:
        raise InputError(
            f"Matplotlib's font {face} cannot be read from {font_path(face)}: reinstall matplotlib"
        ) from None


@cache
def faces_of(letter: str) -> tuple[str, ...]:
    """The faces that hold the letter: all twelve, or all but the monospaced ones."""
    return tuple(face for face in FACES if ord(letter) in characters(face))


@cache
def characters(face: str) -> frozenset[int]:
    return frozenset(FT2Font(str(font_path(face))).get_charmap())


def letter_shape(letter: str, face: str, side: int) -> np.ndarray:
    """The letter's ink, 0..1, float32 ``(side, side)``.

    Centred, proportions kept, its longer side filling the square.
    """
    canvas = Image.new("L", (3 * DRAWN, 3 * DRAWN))
    ImageDraw.Draw(canvas).text((DRAWN, DRAWN), letter, fill=255, font=open_font(face))
    box = canvas.getbbox()
    longer = max(box[2] - box[0], box[3] - box[1])
    left, top = (box[0] + box[2] - longer) / 2, (box[1] + box[3] - longer) / 2
    square = (left, top, left + longer, top + longer)
    shape = canvas.resize((side, side), Image.Resampling.BOX, box=square)
    return np.asarray(shape, dtype=np.float32) / 255


def letter_atlas(letter: str, side: int) -> torch.Tensor:
    """The letter in every face that holds it, ``(n_faces, side, side)``."""
    shapes = [letter_shape(letter, face, side) for face in faces_of(letter)]
    return torch.from_numpy(np.stack(shapes))


def base_letters(split: str) -> list[str]:
    """All letters of the split's scripts, in the order of their code points."""
    ranges = (range(ord(first), ord(last) + 1) for first, last in ALPHABETS[split])
    letters = (chr(point) for points in ranges for point in points)
    return [x for x in letters if x.isalpha() and not unicodedata.decomposition(x)]


def similarity(a: list[str], b: list[str]) -> torch.Tensor:
    """How much letters look alike, ``(len(a), len(b))``, 1 = the same shape.

    The correlation of the slightly blurred shapes, the best over the upright faces of either
    and over shifts of up to two pixels.
    """
    a, b = upright_shapes(a), upright_shapes(b)
    shifts = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
    pairs = [a.flatten(0, 1).flatten(1) @ b.roll(shift, (2, 3)).flatten(0, 1).flatten(1).T for shift in shifts]
    best = torch.stack(pairs).amax(0)
    return best.view(len(a), a.shape[1], len(b), b.shape[1]).amax((1, 3))


def upright_shapes(letters: list[str]) -> torch.Tensor:
    """Shapes to compare: mean 0, norm 1, with a margin to be shifted in, ``(n, n_faces, s, s)``.

    A face without the letter stands in with the plain one.
    """
    faces = [[f if f in faces_of(x) else UPRIGHT[0] for f in UPRIGHT] for x in letters]
    shapes = [[letter_shape(x, f, COMPARED) for f in row] for x, row in zip(letters, faces, strict=True)]
    padded = F.pad(torch.from_numpy(np.array(shapes)), (3, 3, 3, 3))
    blurred = F.avg_pool2d(padded, 3, 1, padding=1)
    centred = blurred - blurred.mean((2, 3), keepdim=True)
    return centred / centred.flatten(2).norm(dim=2)[..., None, None]


@cache
def letters_of(split: str) -> tuple[str, ...]:
    """The split's classes: letters that look like no other, in the order of their code points.

    Letters that resemble one of another split leave val, and those that resemble train or val
    leave test. Of the rest, each next choice is the one least like those chosen before.
    """
    candidates = base_letters(split)
    earlier = {"train": [], "val": ["train"], "test": ["train", "val"]}[split]
    for other in earlier:
        nearest = similarity(candidates, base_letters(other)).amax(1)
        candidates = [x for x, near in zip(candidates, nearest, strict=True) if near < LOOK_ALIKE]
    alike = similarity(candidates, candidates)
    chosen = [0]
    while len(chosen) < N_CLASSES[split]:
        nearest = alike[:, chosen].amax(1)
        nearest[chosen] = torch.inf
        chosen.append(int(nearest.argmin()))
    return tuple(sorted(candidates[i] for i in chosen))
