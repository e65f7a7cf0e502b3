"""Which letters the ``glyphs`` source draws, and their shapes in every face."""

import hashlib
import unicodedata
from functools import cache
from itertools import product
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont, features
from torch.nn import functional as F

from fewshot_lib.errors import InputError

_FACES = tuple(
    f"DejaVu{family}{style}.ttf"
    for family, styles in {
        "Sans": ("", "-Bold", "-Oblique", "-BoldOblique"),
        "SansMono": ("", "-Bold", "-Oblique", "-BoldOblique"),
        "Serif": ("", "-Bold", "-Italic", "-BoldItalic"),
    }.items()
    for style in styles
)

_UPRIGHT = ("DejaVuSans.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf")  # to compare shapes in

# Base letters of each split's scripts, as ranges of code points: no accents, no ligatures.
# Latin, Greek and Cyrillic share many shapes, hence one split; Armenian and Georgian stand alone.
_ALPHABETS = {
    "train": ("Az", "ΑΡ", "ΣΩ", "αω", "Ая"),
    "val": ("ԱՖ", "աֆ"),
    "test": ("ႠჅ", "აჰ"),
}
N_CLASSES = {"train": 64, "val": 16, "test": 20}
_EARLIER = {"train": (), "val": ("train",), "test": ("train", "val")}

_DRAWN = 160  # font size in pixels that shapes are drawn at, far above what is shown of them
_COMPARED = 24  # side in pixels of the rasters that are compared
_SHIFT = 2  # pixels that one is moved by to meet the other
_LOOK_ALIKE = 0.85  # correlation from which letters of two splits count as the same shape


@cache
def alphabets_fingerprint() -> str:
    """Changes with the fonts, with the library that draws them and with the choice of letters."""
    choice = (_FACES, _UPRIGHT, _ALPHABETS, N_CLASSES, _DRAWN, _COMPARED, _SHIFT, _LOOK_ALIKE)
    digest = hashlib.sha256(repr((features.version("freetype2"), choice)).encode())
    for face in _FACES:
        digest.update(_font_path(face).read_bytes())
    return digest.hexdigest()


def _font_path(face: str) -> Path:
    """Where Matplotlib keeps the face.

    Raises:
        InputError: it is not there.
    """
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / face
    if not path.is_file():
        raise InputError(f"Matplotlib's font is missing: {path}; reinstall matplotlib")
    return path


@cache
def _open_font(face: str) -> ImageFont.FreeTypeFont:
    # The basic layout is the same whether or not Pillow finds a text-shaping library.
    return ImageFont.truetype(_font_path(face), _DRAWN, layout_engine=ImageFont.Layout.BASIC)


@cache
def _characters(face: str) -> frozenset[int]:
    """Code points that the face has a shape for."""
    return frozenset(FT2Font(str(_font_path(face))).get_charmap())


def _faces_of(letter: str) -> list[str]:
    """The faces that hold the letter: all twelve, or all but the monospaced ones."""
    return [face for face in _FACES if ord(letter) in _characters(face)]


def _letter_shape(letter: str, face: str, side: int) -> np.ndarray:
    """The letter's ink, 0..1, float32 ``(side, side)``.

    Centred, proportions kept, its longer side filling the square.
    """
    canvas = Image.new("L", (3 * _DRAWN, 3 * _DRAWN))
    ImageDraw.Draw(canvas).text((_DRAWN, _DRAWN), letter, fill=255, font=_open_font(face))
    box = canvas.getbbox()
    longer = max(box[2] - box[0], box[3] - box[1])
    left, top = (box[0] + box[2] - longer) / 2, (box[1] + box[3] - longer) / 2
    square = (left, top, left + longer, top + longer)
    shape = canvas.resize((side, side), Image.Resampling.BOX, box=square)
    return np.asarray(shape, dtype=np.float32) / 255


def letter_atlas(letter: str, side: int) -> torch.Tensor:
    """The letter in every face that holds it, ``(n_faces, side, side)``."""
    shapes = [_letter_shape(letter, face, side) for face in _faces_of(letter)]
    return torch.from_numpy(np.stack(shapes))


def _base_letters(split: str) -> list[str]:
    """All letters of the split's scripts, in the order of their code points."""
    ranges = (range(ord(first), ord(last) + 1) for first, last in _ALPHABETS[split])
    letters = (chr(point) for points in ranges for point in points)
    return [x for x in letters if x.isalpha() and not unicodedata.decomposition(x)]


def _similarity(a: list[str], b: list[str]) -> torch.Tensor:
    """How much letters look alike, ``(len(a), len(b))``, 1 = the same shape.

    The correlation of their slightly blurred shapes, the best over the upright faces of either
    and over small shifts.
    """
    a, b = _upright_shapes(a), _upright_shapes(b)
    flat = a.flatten(2).flatten(0, 1)
    best = torch.full((len(flat), b.shape[:2].numel()), -1.0)
    for shift in product(range(-_SHIFT, _SHIFT + 1), repeat=2):
        moved = b.roll(shift, (2, 3)).flatten(2).flatten(0, 1)
        best = torch.maximum(best, flat @ moved.T)
    return best.view(*a.shape[:2], *b.shape[:2]).amax((1, 3))


def _upright_shapes(letters: list[str]) -> torch.Tensor:
    """Shapes to compare: mean 0, norm 1, with a margin to be shifted in, ``(n, n_faces, s, s)``.

    The plain face stands in for one that lacks the letter.
    """
    shapes = []
    for letter in letters:
        held = _faces_of(letter)
        faces = [face if face in held else _UPRIGHT[0] for face in _UPRIGHT]
        shapes.append([_letter_shape(letter, face, _COMPARED) for face in faces])
    padded = F.pad(torch.from_numpy(np.array(shapes)), (_SHIFT + 1,) * 4)
    blurred = F.avg_pool2d(padded, 3, 1, padding=1)
    centred = blurred - blurred.mean((2, 3), keepdim=True)
    return F.normalize(centred.flatten(2), dim=2).view_as(centred)


@cache
def letters_of(split: str) -> tuple[str, ...]:
    """The split's classes, in the order of their code points.

    Letters that look like one of train leave val, and those that look like one of train or val
    leave test. Of the rest, each next choice is the one least like those chosen before.
    """
    candidates = _base_letters(split)
    for other in _EARLIER[split]:
        nearest = _similarity(candidates, _base_letters(other)).amax(1)
        candidates = [x for x, near in zip(candidates, nearest, strict=True) if near < _LOOK_ALIKE]
    alike = _similarity(candidates, candidates)
    chosen = [0]
    while len(chosen) < N_CLASSES[split]:
        nearest = alike[chosen].amax(0)
        nearest[chosen] = torch.inf
        chosen.append(int(nearest.argmin()))
    return tuple(candidates[i] for i in sorted(chosen))
