"""From image files to pixels: any size and kind that Pillow reads, cut square, in colour."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from fewshot_lib.data.folders import readable
from fewshot_lib.errors import InputError

_CHUNK = 64  # images per task
_LARGEST = 100_000_000  # pixels; a file of a few bytes can claim any size
_NAMED = 100  # broken images that one error names

# How each value of Exif's orientation is turned upright; 1 is upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_all(paths: Sequence[Path | str], size: int) -> torch.Tensor:
    """Decode these files: uint8 ``(n, 3, s, s)``.

    The threads pay for photographs in their original size; at 84 px opening a file costs as much
    as decoding it, and that part is Python's own.

    Raises:
        InputError: files are missing, damaged, or no images; names all of them.
    """
    with torch.inference_mode(False):  # the threads could not fill an inference tensor
        images = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)

    def fill(start: int) -> list[str]:
        """Fill a chunk of ``images``; what is wrong with the files of this chunk."""
        pixels, problems = [], []
        for path in paths[start : start + _CHUNK]:
            try:
                pixels.append(_decode(path, size))
            except InputError as error:
                problems.append(str(error))
        if not problems:
            rows = torch.frombuffer(bytearray(b"".join(pixels)), dtype=torch.uint8)
            images[start : start + _CHUNK] = rows.view(-1, size, size, 3).permute(0, 3, 1, 2)
        return problems

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        # Pillow warns of images a little below the limit that is set here, and of odd Exif data.
        warnings.simplefilter("ignore")
        starts = range(0, len(paths), _CHUNK)
        problems = [problem for found in pool.map(fill, starts) for problem in found]
    if problems:
        raise InputError(_in_one_line(problems, len(paths)))
    return images


def _in_one_line(problems: list[str], n_images: int) -> str:
    if len(problems) == 1:
        return problems[0]
    more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    named = "; ".join(problems[:_NAMED])
    return f"{len(problems)} of {n_images} images cannot be used: {named}{more}"


def _decode(path: Path | str, size: int) -> bytes:
    """The RGB pixels of one image file, row by row, ``s * s * 3`` bytes.

    JPEG's own reduced decoding ("draft") saves a sixth of the time at best and gives other pixels
    than ``fit``, so the whole image is decoded.
    """
    name = readable(str(path))
    try:
        with Image.open(path) as file:
            if file.width * file.height > _LARGEST:
                raise Image.DecompressionBombError
            file.load()
            image = to_rgb(_upright(file))
    except FileNotFoundError:
        raise InputError(f"there is no image {name}") from None
    except Image.DecompressionBombError:  # Pillow raises it far above the limit
        raise InputError(f"{name} has more than {_LARGEST:,} pixels: shrink it") from None
    except UnidentifiedImageError:
        raise InputError(f"{name} cannot be decoded, copy it again: it is no image") from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can make Pillow's parsers raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name} cannot be decoded, copy it again: {readable(reason)}") from None
    return fit(image, size).tobytes()


def _upright(image: Image.Image) -> Image.Image:
    """The image as its camera was held; as it is where its Exif data cannot be read."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        turn = _UPRIGHT.get(orientation)
    except Exception:  # of Pillow's parser, for bytes that mean nothing; or no hashable value
        return image
    return image if turn is None else image.transpose(turn)


def fit(image: Image.Image, size: int) -> Image.Image:
    """The middle square of an image, ``size`` pixels a side.

    A larger image is shrunk by a box filter, the mean over the area of each new pixel; a smaller
    one is enlarged by bicubic interpolation, as boxes would show.
    """
    if image.size == (size, size):
        return image
    shrinks = min(image.size) >= size
    resampling = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return ImageOps.fit(image, (size, size), resampling)


def to_rgb(image: Image.Image) -> Image.Image:
    """Colour; what is transparent shows white paper, deep grey keeps its levels in 8 bits."""
    if image.mode.startswith(("I", "F")):  # Pillow's own conversion cuts off at 255
        image = Image.fromarray(_eight_bits(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> np.ndarray:
    """Grey of 16 or 32 bits as uint8 ``(h, w)``.

    16 bits keep the upper byte. No file tells what white is in integers of 32 bits or in floats:
    it is 1 (floats only), 255 or 65535, the first that no level exceeds. Larger levels are shrunk
    to their brightest, negative ones raised from their darkest. What is no number is 0.
    """
    levels = np.asarray(image)
    if image.mode.startswith("I;16"):
        return (levels >> 8).astype(np.uint8)
    levels = np.where(np.isfinite(levels), levels, 0).astype(np.float64)
    low, high = min(levels.min(), 0), max(levels.max(), 0)
    if low == 0 and image.mode == "F" and high <= 1:
        return np.round(255 * levels).astype(np.uint8)
    if low == 0 and high <= 65535:
        return (levels / (1 if high <= 255 else 256)).astype(np.uint8)
    return np.round(255 * (levels - low) / (high - low)).astype(np.uint8)
