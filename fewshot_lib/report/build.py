"""A whole report: check everything, run the notebooks, render the pages."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.ledger import COMPLETE, FAILED, INTERRUPTED, WAITING, Results, Status
from fewshot_lib.experiments.provenance import provenance
from fewshot_lib.files import hold_lock, output_folder, project_root
from fewshot_lib.progress import REPORT, announce
from fewshot_lib.report.display import Display
from fewshot_lib.report.execute import NotebookError, check_notebook, notebook_path, run_notebook
from fewshot_lib.report.pages import INDEX, Page, write_index
from fewshot_lib.report.render import notebook_title, render_notebook
from fewshot_lib.report.send import require_writable, send
from fewshot_lib.spec.problems import NOTEBOOKS, PROBLEMS, ReportParams
from fewshot_lib.spec.profiles import load_params, problem_names

_SUMMARY = "summary"  # the notebook that becomes the front page, if there is one
INTERRUPT_STATUS = 130


def make_report(
    profile: str, only: Iterable[str], settings: Iterable[str], output: str | Path | None
) -> tuple[int, Path | str]:
    """Run and render the notebooks of a profile.

    Args:
        profile: folder of ``params/``.
        only: problems to run, all if empty.
        settings: ``key=value`` changes of the parameters.
        output: folder of the report; ``reports/<profile>`` by default. An address like
            ``s3://bucket/folder`` gets a copy of what is made there.

    Returns:
        Exit status (0 complete, 1 a notebook failed, 2 it failed for wrong input, 130
        interrupted) and the path of the front page.

    Raises:
        InputError: something is wrong that can be known before anything runs, or the report
            cannot be sent to its address.
    """
    names = problem_names(only)
    params = load_params(profile, names, settings)
    for name in names:
        check_notebook(name)
    _look_at_data(params)
    remote = "://" in str(output)
    if remote:
        require_writable(output)
    own = project_root() / "reports" / profile
    folder = output_folder(own if remote or not output else Path(output))
    with hold_lock(folder / ".lock", f"report {folder}"):
        made = {"profile": profile} | provenance()
        report = _Report(folder, params, Status(folder, profile, made))
        status = report.run()
        if remote and status != INTERRUPT_STATUS:
            return status, send(folder, output)
        return status, folder / INDEX


def _look_at_data(params: dict[str, ReportParams]) -> None:
    """Say what of the data is passed over, and refuse data that is too small for the report."""
    from fewshot_lib.data.bank import data_remarks
    from fewshot_lib.data.fit import require_fit  # torch takes a second

    require_fit(params)
    for line in dict.fromkeys(line for p in params.values() for line in data_remarks(p)):
        announce(line)


class _Report:
    """The notebooks of one output folder, run one after another."""

    def __init__(self, folder: Path, params: dict[str, ReportParams], status: Status):
        self.folder, self.params, self.status = folder, params, status
        self.results = Results(folder)
        summary = project_root() / "notebooks" / f"{NOTEBOOKS[_SUMMARY]}.ipynb"
        self.names = [*params, *([_SUMMARY] if summary.is_file() else [])]
        self.wrong_input: set[str] = set()

    def run(self) -> int:
        """Run all; a notebook that fails does not keep the others from running."""
        for name in self.names:
            self.status.entries[name] = {"state": WAITING}
        self.status.entries = {n: self.status.entries[n] for n in self.reading_order()}
        self.refresh()
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            with Display(len(self.names)) as display:
                for name in self.names:
                    if name == _SUMMARY and not self.anything_finished():
                        self.drop_summary()
                    else:
                        self.run_one(name, display)
        except KeyboardInterrupt:
            self.mark_interrupted()
            return INTERRUPT_STATUS
        finally:
            signal.signal(signal.SIGTERM, before)
        entries = self.status.entries
        failed = {n for n in self.names if n in entries and entries[n]["state"] != COMPLETE}
        return 0 if not failed else 2 if failed <= self.wrong_input else 1

    def anything_finished(self) -> bool:
        """Whether there is a problem to sum up, of this or of an earlier call."""
        entries = self.status.entries
        return any(entries.get(name, {}).get("state") == COMPLETE for name in PROBLEMS)

    def drop_summary(self) -> None:
        """Leave the overview as the front page."""
        self.status.entries.pop(_SUMMARY)
        self.refresh()

    def reading_order(self) -> list[str]:
        """Notebooks of this and of earlier calls, as the report lists them."""
        return [n for n in NOTEBOOKS if n in self.status.entries]

    def run_one(self, name: str, display: Display) -> None:
        """Execute and render one notebook; its entry says how it went."""
        target = self.folder / f"{NOTEBOOKS[name]}.ipynb"
        params = self.params.get(name)
        values = params.model_dump() if params else {}
        self.status.start(name, notebook=target.name, parameters=values)
        self.refresh()
        display.start(name)

        os.environ[REPORT] = str(self.folder)  # where the summary finds run.json
        try:
            with self.results.collected(name):
                given = {"profile": self.status.profile, **values}
                run_notebook(notebook_path(name), target, given, display.on_cell, display)
        except NotebookError as error:
            if error.is_input:
                self.wrong_input.add(name)
            self.status.finish(name, FAILED, str(error))
            display.end(f"failed: {error} - see {_shown_path(target)}")
        else:
            self.status.finish(name, COMPLETE, runs=self.results.trainings(name))
            display.end("complete")
        try:
            self.render(name, target)
        except InputError as error:  # a figure without alternative text
            self.status.finish(name, FAILED, str(error), page=None)
            display.end(f"failed: {error}")
            self.refresh()

    def render(self, name: str, executed: Path) -> None:
        """Write the notebook's page and bring the front page up to date."""
        entry = self.status.entries[name]
        if name == _SUMMARY and entry["state"] == COMPLETE:
            return self.write_page(name, executed, INDEX, self.missing())
        if name != _SUMMARY and executed.is_file():
            self.status.update(name, page=f"{NOTEBOOKS[name]}.html")
            page = self.status.entries[name]["page"]
            self.write_page(name, executed, page, entry["error"])
        return self.refresh()

    def write_page(self, name: str, executed: Path, page: str, notice: str | None) -> None:
        images, params = notebook_path(name).parent, self.params.get(name)
        footer = self.footer(name)
        render_notebook(executed, self.folder / page, self.pages(), footer, notice, images, params)

    def missing(self) -> str | None:
        """One sentence that names what is not there."""
        states = {name: entry["state"] for name, entry in self.status.entries.items()}
        odd = [f"{name} ({state})" for name, state in states.items() if state != COMPLETE]
        return f"Missing: {', '.join(odd)}." if odd else None

    def footer(self, name: str) -> dict[str, str]:
        entry = self.status.entries[name]
        return self.status.provenance | {
            "made": entry["ended"].replace("T", " ").replace("+00:00", " UTC"),
            "duration": f"{entry['seconds']:.0f} s",
        }

    def pages(self) -> list[Page]:
        """Front page first, then one per problem."""
        names = [name for name in self.reading_order() if name in PROBLEMS]
        return [
            Page(INDEX, "Summary"),
            *(
                Page(f"{NOTEBOOKS[name]}.html", notebook_title(notebook_path(name)))
                for name in names
            ),
        ]

    def refresh(self) -> None:
        """Bring ``run.json`` and the front page up to date."""
        self.status.save()
        write_index(self.folder, self.pages(), self.status)

    def mark_interrupted(self) -> None:
        for name, entry in self.status.entries.items():
            if "started" in entry and "ended" not in entry:
                self.status.finish(name, INTERRUPTED)
            elif entry["state"] == WAITING:
                entry["state"] = INTERRUPTED
        self.refresh()


def _shown_path(path: Path) -> str:
    """Relative to the shell's folder where that is shorter."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _interrupt(*_) -> None:
    """A polite request to end is treated like Ctrl-C."""
    raise KeyboardInterrupt
