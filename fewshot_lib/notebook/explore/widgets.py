"""Small parts of the panel: a figure's place, controls of one look."""

import base64
import html

import ipywidgets as widgets
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

from fewshot_lib.notebook import style

WIDE = widgets.Layout(width="46em", max_width="100%")
STYLE = {"description_width": "7em"}


class Place:
    """Where one figure stands in the notebook; the next one takes its place."""

    def __init__(self):
        self.handle, self.content = None, {"text/plain": ""}

    def open(self) -> None:
        """Show it in the cell that is being run."""
        self.handle = display(self.content, raw=True, display_id=True)

    def show(self, figure: Figure, alt: str, caption: str) -> None:
        self.content = as_html(figure, alt, caption)
        plt.close(figure)
        if self.handle is not None:
            self.handle.update(self.content, raw=True)


def as_html(figure: Figure, alt: str, caption: str) -> dict[str, str]:
    """The figure with its words: JupyterLab leaves them out when it shows a picture by itself."""
    source = f"data:image/png;base64,{base64.b64encode(style.png(figure)).decode()}"
    width, height = (round(inches * style.SCREEN_DPI) for inches in figure.get_size_inches())
    look = "max-width:100%;height:auto;background:white"
    image = f'<img src="{source}" alt="{html.escape(alt)}" style="{look}"'
    words = f"<figcaption>{html.escape(caption)}</figcaption>"
    page = f'<figure style="margin:0">{image} width="{width}" height="{height}">{words}</figure>'
    return {"text/html": page, "text/plain": alt}


def dropdown(description: str, options, value) -> widgets.Dropdown:
    return widgets.Dropdown(
        options=options, value=value, description=description, layout=WIDE, style=STYLE
    )


def slider(description: str, value: int, low: int, high: int) -> widgets.IntSlider:
    return widgets.IntSlider(
        value,
        low,
        max(high, value),
        description=description,
        continuous_update=False,
        style=STYLE,
    )
