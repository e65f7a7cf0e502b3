"""The controls of ``explore.ipynb``: each one changes a setting and has the figures redrawn."""

import contextlib
import html
from collections.abc import Iterator
from typing import get_args

import ipywidgets as widgets
from IPython.display import display
from matplotlib.figure import Figure

from fewshot_lib.errors import InputError
from fewshot_lib.learning.weights import load_trained
from fewshot_lib.notebook import style
from fewshot_lib.notebook.explore import figures as explore_figures
from fewshot_lib.notebook.explore.choices import Settings, finished_networks, images_for
from fewshot_lib.notebook.explore.episode import STEPS, Answer, Explorer
from fewshot_lib.spec.parameters import DataParams
from fewshot_lib.spec.words import run_title

_WIDE = widgets.Layout(width="46em", max_width="100%")
_STYLE = {"description_width": "7em"}


class Panel:
    """Controls and figures that belong together.

    A notebook shows them part by part: ``network``, ``episode``, ``distances`` and ``movement``,
    in this order. All of them follow every control.

    Raises:
        InputError: there is no trained network.
    """

    def __init__(self, settings: Settings):
        self.settings, self.explorer = settings, None
        self.networks = finished_networks()
        self._make_controls(settings)
        self.message, self.result, self.line = (widgets.HTML() for _ in range(3))
        self.figures = {name: _Place() for name in ("episode", "distances", "movement")}
        self._connect()

    def _make_controls(self, settings: Settings) -> None:
        fitting = [one for one in self.networks if one.fits(settings.source)]
        first = self.networks.index((fitting or self.networks)[0])
        names = [(network.name, i) for i, network in enumerate(self.networks)]
        self.net = _dropdown("network", names, first)
        sources = get_args(DataParams.model_fields["source"].annotation)
        self.source = _dropdown("images", sources, settings.source)
        self.data_dir = widgets.Text(
            settings.data_dir or "",
            placeholder="folder of the images, Enter to read it",
            description="data_dir",
            continuous_update=False,
            layout=_WIDE,
            style=_STYLE,
        )
        self.n_way = _slider("n_way", settings.n_way, 2, 10)
        self.n_shot = _slider("n_shot", settings.n_shot, 1, 10)
        self.n_query = _slider("n_query", settings.n_query, 1, 10)
        self.n_aug = _slider("M", settings.n_aug, 0, STEPS[-1])
        self.seed = widgets.BoundedIntText(
            settings.seed, 0, 10**9, description="seed", style=_STYLE, layout={"width": "14em"}
        )
        self.new = widgets.Button(description="New episode", icon="refresh", button_style="primary")

    def _connect(self) -> None:
        for control in (self.net, self.source):
            control.observe(lambda _: self._load(), "value")
        self.data_dir.observe(lambda _: self._use_folder(), "value")
        for control in (self.n_way, self.n_shot, self.n_query, self.seed):
            control.observe(lambda _: self._draw(), "value")
        self.n_aug.observe(lambda _: self._refresh(), "value")
        self.new.on_click(lambda _: self._next_episode())

    # What a notebook's cells show.

    def network(self) -> None:
        """Show which network and which images are used."""
        display(widgets.VBox([self.net, self.source, self.data_dir, self.line, self.message]))
        self._load()

    def episode(self) -> None:
        shape = [self.n_way, self.n_shot, self.n_query]
        rows = [*shape, self.n_aug, widgets.HBox([self.seed, self.new]), self.message, self.result]
        display(widgets.VBox(rows))
        self.figures["episode"].open()

    def distances(self) -> None:
        self.figures["distances"].open()

    def movement(self) -> None:
        display(widgets.VBox([widgets.HBox([self.n_aug, self.new]), self.result]))
        self.figures["movement"].open()

    # What the controls do.

    def _load(self) -> None:
        """Get network and images as chosen, then draw an episode."""
        _, spec, weights = self.networks[self.net.value]
        with self._telling():
            data = self.settings.data(self.source.value, self.data_dir.value)
            explorer = Explorer(load_trained(weights), images_for(spec, data))
            self._draw_with(explorer)
            self.n_aug.disabled = not explorer.hallucinates
            classes, images = len(explorer.bank.class_names), len(explorer.bank.labels)
            self.line.value = html.escape(
                f"{run_title(spec)}, trained on {spec.source}. Episodes come from {classes} "
                f"classes with {images:,} images that it has not seen."
            )

    def _use_folder(self) -> None:
        """A folder was named: its images are meant, whatever the source was."""
        if self.source.value == "glyphs" and self.data_dir.value.strip():
            self.source.value = "folder"  # loads them
        else:
            self._load()

    def _next_episode(self) -> None:
        self.seed.value += 1  # draws it

    def _draw(self) -> None:
        """Draw the episode of these numbers."""
        if self.explorer is None:
            return  # what is wrong with the images stays on screen
        with self._telling():
            self._draw_with(self.explorer)

    def _draw_with(self, explorer: Explorer) -> None:
        """Draw from these images; they are kept only if they suffice."""
        shape = (control.value for control in (self.n_way, self.n_shot, self.n_query))
        explorer.draw(*shape, self.seed.value)
        self.explorer = explorer
        self._refresh()

    def _refresh(self) -> None:
        """Classify the episode's queries and update all figures."""
        if self.explorer is None:
            return  # nothing could be loaded yet
        answer = self.explorer.classify(self._m)
        self.result.value = f"M = {self._m}: <b>{answer.score}</b>, "
        self.result.value += f"M = 0: {self.explorer.classify(0).score}"
        if not self.explorer.hallucinates:
            self.result.value = f"<b>{answer.score}</b>. This network hallucinates nothing."
        self._show_episode(answer)
        self._show_distances(answer)
        self._show_movement()

    def _show_episode(self, answer: Answer) -> None:
        shown, names = self.explorer, self.explorer.names
        self.figures["episode"].show(
            explore_figures.episode(shown.bank, shown.episode, shown.n_shot, names, answer),
            f"Episode with seed {shown.seed}: support and query images of {len(names)} classes. "
            f"With M = {self._m}, {answer.score}.",
            "Each query with the class it is taken for: ✓ right, ✗ wrong.",
        )

    def _show_distances(self, answer: Answer) -> None:
        names, distance = self.explorer.names, self.explorer.trained.spec.distance
        self.figures["distances"].show(
            explore_figures.distances(names, answer, distance),
            f"Distances of {answer.correct.numel()} queries to {len(names)} prototypes; "
            f"{answer.score}.",
            "A row for each query, a column for each prototype. The frame marks the nearest.",
        )

    def _show_movement(self) -> None:
        move, names = self.explorer.move(self._m), self.explorer.names
        right = {m: self.explorer.classify(m).correct for m in move.steps}
        scores = ", ".join(f"{int(correct.sum())} at {m}" for m, correct in right.items())
        self.figures["movement"].show(
            explore_figures.movement(names, move),
            f"Episode in two dimensions: supports, queries, hallucinated features, and the paths "
            f"of {len(names)} prototypes from M = 0 to {self._m}. Right answers: {scores}.",
            f"Right answers along the path, of {right[0].numel()}: {scores}.",
        )

    @property
    def _m(self) -> int:
        return self.n_aug.value if self.explorer.hallucinates else 0

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell the user what went wrong, and keep what is on screen.

        What a control's change raises is shown nowhere else. Errors that are not the user's go
        on, so that a notebook that is run without a frontend fails.
        """
        self.message.value = ""
        try:
            yield
        except InputError as error:
            self._tell(str(error))
        except Exception as error:
            self._tell(f"{type(error).__name__}: {error}")
            raise

    def _tell(self, what: str) -> None:
        kept = " What you see below is as before." if self.explorer is not None else ""
        self.message.value = f'<p role="alert">⚠ {html.escape(what)}.{kept}</p>'


class _Place:
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


def _dropdown(description: str, options, value) -> widgets.Dropdown:
    return widgets.Dropdown(
        options=options, value=value, description=description, layout=_WIDE, style=_STYLE
    )


def _slider(description: str, value: int, low: int, high: int) -> widgets.IntSlider:
    return widgets.IntSlider(
        value,
        low,
        max(high, value),
        description=description,
        continuous_update=False,
        style=_STYLE,
    )
