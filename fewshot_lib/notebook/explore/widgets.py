"""Small parts of the panel: a figure's place, controls of one look."""

import ipywidgets as widgets
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
        self.content, about = style.mime_bundle(figure, alt, caption)
        if self.handle is not None:
            self.handle.update(self.content, raw=True, metadata=about)


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
