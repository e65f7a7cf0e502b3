"""From image files to pixels: any size and kind that Pillow reads, cut square, in colour."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from fewshot_lib.errors import InputError

_CHUNK = 64  # images per task
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
_LARGEST = 100_000_000  # pixels; a file of a few bytes can claim any size


def is_image(path: Path) -> bool:
    """Whether the name is that of an image; hidden files are none."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def images_in(folder: Path, root: Path) -> list[Path]:
    """Images in ``folder`` and below it, sorted by name; hidden ones are passed over.

    Links are followed, each folder is entered once and ``root`` or one above it never: a link that
    leads back there would turn the whole data set into one class.

    Raises:
        InputError: a folder cannot be read.
    """
    files, seen = [], set()
    for where, inner, names in os.walk(folder, onerror=_stop, followlinks=True):
        real = Path(where).resolve()
        if real in seen or root.is_relative_to(real):
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        files += [path for name in names if is_image(path := Path(where, name))]
    return sorted(files, key=Path.as_posix)  # pathlib's own order depends on Python's version


def _stop(error: OSError) -> None:
    raise unreadable(error)


def unreadable(error: OSError) -> InputError:
    return InputError(f"folder {error.filename} cannot be read: {error.strerror}")


def decode_all(paths: Sequence[Path], size: int) -> torch.Tensor:
    """Decode these files: uint8 ``(n, 3, s, s)``.

    The threads pay for photographs in their original size; at 84 px opening a file costs as much
    as decoding it, and that part is Python's own.

    Raises:
        InputError: a file is missing, damaged, or no image.
    """
    with torch.inference_mode(False):  # the threads could not fill an inference tensor
        images = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)

    def fill(start: int) -> None:
        pixels = b"".join(_decode(path, size) for path in paths[start : start + _CHUNK])
        rows = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(-1, size, size, 3)
        images[start : start + _CHUNK] = rows.permute(0, 3, 1, 2)

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        # Pillow warns of images a little below the limit that is set here.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        for _ in pool.map(fill, range(0, len(paths), _CHUNK)):
            pass  # takes the results, so that the first error stops the rest
    return images


def _decode(path: Path, size: int) -> bytes:
    """The RGB pixels of one image file, row by row, ``s * s * 3`` bytes.

    JPEG's own reduced decoding ("draft") saves a sixth of the time at best and gives other pixels
    than ``fit``, so the whole image is decoded.
    """
    try:
        with Image.open(path) as file:
            if file.width * file.height > _LARGEST:
                raise Image.DecompressionBombError
            image = to_rgb(ImageOps.exif_transpose(file))
    except FileNotFoundError:
        raise InputError(f"there is no image {path}") from None
    except Image.DecompressionBombError:  # Pillow raises it far above the limit
        raise InputError(f"{path} has more than {_LARGEST:,} pixels: shrink it") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be decoded, copy it again: {error}") from None
    return fit(image, size).tobytes()


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
    """Colour; what is transparent shows white paper, 16-bit grey keeps its upper byte."""
    if image.mode.startswith("I;16"):  # Pillow's own conversion cuts off at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def file_size(path: str) -> int:
    """Size in bytes, -1 if there is no such file; plain strings, as this runs once per image."""
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return -1
