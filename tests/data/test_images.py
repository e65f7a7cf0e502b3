"""Image files of every kind: what becomes of them, and what is said of those that are broken."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fewshot_lib.data.folders import is_image
from fewshot_lib.data.images import _CHUNK, decode_all
from fewshot_lib.data.listing import file_size
from fewshot_lib.errors import InputError

SIZE = 24
INK, PAPER = 0, 255


def decode(path: Path, size: int = SIZE) -> torch.Tensor:
    """One file's pixels, ``(3, size, size)``."""
    return decode_all([path], size)[0]


def save(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


def left_half(image: Image.Image, colour) -> Image.Image:
    """The image with its left half painted."""
    image.paste(colour, (0, 0, image.width // 2, image.height))
    return image


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", True),
        ("a.JPEG", True),
        ("a.b.png", True),
        ("._a.jpg", False),
        (".jpg", False),
        ("jpg", False),
        ("a.txt", False),
        ("a.jpg.zip", False),
    ],
)
def test_an_image_is_known_by_its_name(name, expected):
    assert is_image(Path("x.png", name)) is expected


def test_many_files_keep_their_order(tmp_path):
    n = 2 * _CHUNK + 3
    paths = [save(Image.new("L", (4, 4), i), tmp_path / f"{i}.png") for i in range(n)]
    images = decode_all(paths[::-1], 2)
    assert images.dtype == torch.uint8
    assert images.shape == (n, 3, 2, 2)
    assert images[:, 1, 1, 1].tolist() == list(range(n))[::-1]


def test_no_files_give_no_images():
    assert decode_all([], SIZE).shape == (0, 3, SIZE, SIZE)


def test_shrinking_takes_the_mean_over_each_new_pixel(tmp_path):
    stripes = Image.new("RGB", (64, 64))
    stripes.paste((200, 100, 40), (0, 0, 64, 2))
    image = decode(save(stripes, tmp_path / "a.png"), 16)
    assert image[:, 0, 5].tolist() == [100, 50, 20]
    assert image[:, 1:].count_nonzero() == 0


@pytest.mark.parametrize("turned", [False, True])
def test_an_oblong_image_loses_its_ends_and_keeps_its_proportions(tmp_path, turned):
    wide = Image.new("L", (48, 16), INK)
    wide.paste(PAPER, (16, 0, 32, 16))
    path = save(wide.transpose(Image.Transpose.ROTATE_90) if turned else wide, tmp_path / "a.png")
    assert decode(path, 16).min() == PAPER


def test_the_content_decides_and_not_the_name(tmp_path):
    image = decode(
        save(Image.new("RGB", (SIZE, SIZE), (1, 2, 3)), tmp_path / "a.jpg", format="PNG")
    )
    assert image[:, 0, 0].tolist() == [1, 2, 3]


def test_a_drawing_in_one_bit_is_shrunk_to_greys(tmp_path):
    ink = left_half(Image.new("1", (105, 105), 1), 0)  # 52 of 105 columns
    image = decode(save(ink, tmp_path / "a.png"), 28)
    assert image[:, :, :13].max() == INK
    assert image[:, :, 15:].min() == PAPER
    assert image[0, 0, 13] == round(PAPER / 4)  # columns 49 to 52, the last of them paper


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_levels_of_opaque_images_are_kept(tmp_path, mode):
    picture = left_half(Image.new("L", (SIZE, SIZE), 200), 30).convert(mode)
    image = decode(save(picture, tmp_path / "a.png"))
    assert (image[:, :, : SIZE // 2] == 30).all()
    assert (image[:, :, SIZE // 2 :] == 200).all()


def test_sixteen_bit_grey_keeps_its_upper_byte(tmp_path):
    levels = np.array([[0, 255, 256, 40 * 256 + 7, 65535]], dtype=np.uint16)
    picture = Image.fromarray(np.repeat(levels, 5, axis=0))
    image = decode(save(picture, tmp_path / "a.png"), 5)
    assert image[2, 3].tolist() == [0, 0, 1, 40, 255]


@pytest.mark.parametrize(("mode", "ink"), [("LA", (0, 255)), ("RGBA", (0, 0, 0, 255))])
def test_white_shows_through_what_is_transparent(tmp_path, mode, ink):
    clear = (0,) * (len(mode) - 1) + (0,)  # black, but not to be seen
    image = decode(save(left_half(Image.new(mode, (SIZE, SIZE), clear), ink), tmp_path / "a.png"))
    assert image[:, :, : SIZE // 2].max() == INK
    assert image[:, :, SIZE // 2 :].min() == PAPER


def test_what_is_half_transparent_is_half_white(tmp_path):
    veil = Image.new("RGBA", (SIZE, SIZE), (255, 0, 0, 51))  # a fifth red, four fifths white
    assert decode(save(veil, tmp_path / "a.png"))[:, 5, 5].tolist() == [255, 204, 204]


@pytest.mark.parametrize("kind", ["one colour", "a level for each colour"])
def test_a_transparent_palette_shows_white_and_raises_no_warning(tmp_path, recwarn, kind):
    picture = left_half(Image.new("P", (SIZE, SIZE), 1), 0)
    picture.putpalette([10, 20, 30, 0, 0, 0])
    transparency = 1 if kind == "one colour" else bytes([255, 0])
    image = decode(save(picture, tmp_path / "a.png", transparency=transparency))
    assert image[:, 0, 0].tolist() == [10, 20, 30]
    assert image[:, 0, -1].tolist() == [PAPER] * 3
    assert not recwarn.list


def test_print_colours_become_screen_colours(tmp_path):
    picture = left_half(Image.new("CMYK", (SIZE, SIZE), (0, 0, 0, 0)), (0, 255, 255, 0))
    image = decode(save(picture, tmp_path / "a.jpg", quality=95)).int()
    red, white = image[:, 5, 3], image[:, 5, -3]
    assert (red - torch.tensor([255, 0, 0])).abs().max() < 12
    assert white.min() > 243


def test_an_animation_gives_its_first_picture(tmp_path):
    frames = [Image.new("L", (SIZE, SIZE), level) for level in (90, 200)]
    path = save(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (decode(path) == 90).all()


# Where the corner that is seen at the top left lies in the file, (right?, bottom?), and which
# corner is seen at the top right: what the eight values of the Exif standard mean.
ORIENTATIONS = {
    1: ((0, 0), (1, 0)),
    2: ((1, 0), (0, 0)),
    3: ((1, 1), (0, 1)),
    4: ((0, 1), (1, 1)),
    5: ((0, 0), (0, 1)),
    6: ((0, 1), (0, 0)),
    7: ((1, 1), (1, 0)),
    8: ((1, 0), (1, 1)),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_camera_s_orientation_is_applied(tmp_path, orientation, suffix):
    half = SIZE // 2
    picture = Image.new("L", (SIZE, SIZE), 0)
    for (right, bottom), level in zip(ORIENTATIONS[orientation], (240, 120), strict=True):
        corner = (half * right, half * bottom, half * (right + 1), half * (bottom + 1))
        picture.paste(level, corner)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode(save(picture, tmp_path / f"a{suffix}", exif=exif, quality=95))[0].int()
    seen = [image[y, x].item() for y in (3, -4) for x in (3, -4)]
    assert seen == pytest.approx([240, 120, 0, 0], abs=4)


def whole_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((SIZE, SIZE), 80).save(buffer, "JPEG")
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes with a correct header, and no pixels to speak of."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + png_chunk(b"IEND", b"")


BROKEN = {
    "truncated": (whole_jpeg()[:-100], "copy it again"),
    "cut in its header": (whole_jpeg()[:20], "copy it again"),
    "text": (b"not an image\n", "copy it again"),
    "empty": (b"", "copy it again"),
    "no pixels": (png_that_claims(SIZE, SIZE), "copy it again"),
    "absurdly large": (png_that_claims(50_000, 50_000), "shrink it"),
    "too large": (png_that_claims(10_000, 10_001), "shrink it"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_in_one_line_without_a_warning(tmp_path, case, recwarn):
    content, remedy = BROKEN[case]
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError) as caught:
        decode(tmp_path / "a.jpg")
    message = str(caught.value)
    assert str(tmp_path / "a.jpg") in message
    assert remedy in message
    assert "\n" not in message
    assert not recwarn.list


def test_a_large_photograph_raises_no_warning(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow warns above, refuses twice it
    path = save(Image.new("L", (12, 12), PAPER), tmp_path / "a.png")
    assert decode(path, 2).min() == PAPER
    assert not recwarn.list


def test_a_folder_is_no_image(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(InputError, match=r"a\.jpg cannot be decoded"):
        decode(tmp_path / "a.jpg")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"^there is no image .*a\.jpg$"):
        decode(tmp_path / "a.jpg")


def test_one_broken_file_among_many_is_found(tmp_path):
    paths = [save(Image.new("L", (4, 4)), tmp_path / f"{i}.png") for i in range(_CHUNK + 2)]
    paths[_CHUNK].write_bytes(b"")
    with pytest.raises(InputError, match=f"{_CHUNK}\\.png cannot be decoded"):
        decode_all(paths, SIZE)


def test_the_size_of_a_missing_file_is_minus_one(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    assert file_size(str(tmp_path / "a")) == 3
    assert file_size(str(tmp_path / "b")) == -1


RAMP = np.linspace(0, 1, SIZE * SIZE).reshape(SIZE, SIZE)
DEEP = {
    "16-bit PNG": (np.uint16, 65535, "a.png"),
    "16-bit TIFF": (np.uint16, 65535, "a.tif"),
    "32-bit TIFF": (np.int32, 65535, "a.tif"),
    "32-bit TIFF of 8 bits": (np.int32, 255, "a.tif"),
    "large numbers": (np.int32, 2**30, "a.tif"),
    "floats to 1": (np.float32, 1, "a.tif"),
    "floats to 255": (np.float32, 255, "a.tif"),
}


@pytest.mark.parametrize("case", DEEP)
def test_deep_grey_keeps_its_levels(tmp_path, case):
    kind, white, name = DEEP[case]
    image = decode(save(Image.fromarray((white * RAMP).astype(kind)), tmp_path / name))
    assert (image[0].float() - torch.from_numpy(255 * RAMP)).abs().max() < 2


def test_16_bit_pgm_keeps_its_levels(tmp_path):
    levels = (65535 * RAMP).astype(">u2").tobytes()
    (tmp_path / "a.pgm").write_bytes(b"P5\n%d %d\n65535\n" % (SIZE, SIZE) + levels)
    image = decode(tmp_path / "a.pgm")[0].float()
    assert (image - torch.from_numpy(255 * RAMP)).abs().max() < 2


def test_negative_levels_and_what_is_no_number(tmp_path):
    levels = (RAMP - 0.5).astype(np.float32)
    levels[0, 0] = np.nan
    image = decode(save(Image.fromarray(levels), tmp_path / "a.tif"))[0]
    assert (image[0, 1], image[-1, -1]) == (0, 255)


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16"]


@pytest.mark.parametrize("mode", MODES)
def test_any_mode_becomes_colour(tmp_path, mode):
    assert decode(save(Image.new(mode, (SIZE, SIZE)), tmp_path / "a.tif")).shape == (3, SIZE, SIZE)


def exif_of(entries: list[bytes], rest: bytes = b"") -> bytes:
    """An Exif block of these twelve-byte entries."""
    head = b"II*\0" + struct.pack("<LH", 8, len(entries))
    return b"Exif\0\0" + head + b"".join(entries) + struct.pack("<L", 0) + rest


def jpeg_of(exif: bytes) -> bytes:
    """Its left half is black and its right half white."""
    buffer = io.BytesIO()
    left_half(Image.new("L", (SIZE, SIZE), PAPER), INK).save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def test_an_image_is_upright_although_its_resolution_is_nonsense(tmp_path):
    upside_down = struct.pack("<HHLHH", 0x0112, 3, 1, 6, 0)
    resolution = struct.pack("<HHLL", 0x011A, 10, 1, 38)  # a signed fraction, -1/0
    exif = exif_of([upside_down, resolution], struct.pack("<ll", -1, 0))
    (tmp_path / "a.jpg").write_bytes(jpeg_of(exif))
    image = decode(tmp_path / "a.jpg")[0]
    assert image[2].max() < 20 < 230 < image[-2].min()  # what was left is above


@settings(max_examples=200, deadline=None)
@given(
    entries=st.lists(st.binary(min_size=12, max_size=12), max_size=4),
    tag=st.sampled_from([0x0112, 0x011A, 0x8769, 0x8825, 0x010F]),
    kind=st.integers(0, 13),
    count=st.integers(0, 2**32 - 1),
    rest=st.binary(max_size=40),
)
def test_no_exif_data_keeps_an_image_from_being_read(
    tmp_path_factory, entries, tag, kind, count, rest
):
    odd = struct.pack("<HHLL", tag, kind, count, 38)
    file = tmp_path_factory.mktemp("exif") / "a.jpg"
    file.write_bytes(jpeg_of(exif_of([odd, *entries], rest)))
    assert decode(file).shape == (3, SIZE, SIZE)


@settings(max_examples=100, deadline=None)
@given(block=st.binary(max_size=80))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_any_bytes_may_stand_for_exif(tmp_path_factory, suffix, block):
    file = tmp_path_factory.mktemp("exif") / f"a.{suffix}"
    Image.new("L", (SIZE, SIZE), PAPER).save(file, exif=b"Exif\0\0" + block)
    assert decode(file).min() > 250
