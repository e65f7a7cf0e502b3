"""Figures of HTML: a filled template with its style and images inside, nothing fetched."""

import base64
import hashlib
import io
from typing import Any

from IPython.display import display
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.notebook.style import ASSETS, asset, need_alt

_TEMPLATES = Environment(
    loader=FileSystemLoader(ASSETS),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


def html_figure(kind: str, alt: str, caption: str, **content: Any) -> str:
    """``assets/KIND.html.j2`` filled in, with the style ``KIND.css`` for it alone.

    The figure's id depends on what it shows: the same content, the same text.

    Args:
        alt: what it shows, for readers who cannot see it.
        content: what the template asks for.

    Raises:
        ValueError: there is no alternative text.
    """
    need_alt(alt)
    shown = repr((alt, caption, content))
    name = f"{kind}-{hashlib.sha256(shown.encode()).hexdigest()[:10]}"
    style = Markup(asset(f"{kind}.css").replace("&", f"#{name}"))
    template = _TEMPLATES.get_template(f"{kind}.html.j2")
    return template.render(content, name=name, style=style, alt=alt, caption=caption)


def show_html(html: str, alt: str) -> None:
    display({"text/html": html, "text/plain": alt}, raw=True)


def picture(bank: ImageBank, i: int, size: int) -> Image.Image:
    """An image of the bank, no larger than this."""
    image = Image.fromarray(bank.images[i].permute(1, 2, 0).contiguous().numpy())
    return image if image.width <= size else image.resize((size, size), Image.Resampling.BOX)


def data_uri(image: Image.Image, quality: int) -> str:
    """The image as a JPEG that stands in the page."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
