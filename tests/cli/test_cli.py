"""The command line itself; what ``report`` does is tested in test_report_build."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from fewshot_lib import __version__
from fewshot_lib.cli.main import Commands, main
from fewshot_lib.errors import InputError


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(flag):
    result = run(flag)
    assert result.exit_code == 0
    assert "report" in result.stdout


def test_version():
    assert __version__ in run("--version").stdout


def test_a_summary_of_a_command_fits_its_line():
    for line in run("--help").stdout.partition("Commands:")[2].splitlines():
        assert not line.endswith(("...", "…")), line


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("report", ["quick", "tuned", "n_aug", "tsne_classes", "letters", "[0.001]"]),
        ("data", ["images_per_class", "width and height in pixels", "[32]"]),
        ("sweep", ["hallucinator_lr", "variant"]),
    ],
)
def test_help_explains_profiles_and_parameters(command, names):
    text = run(command, "--help").stdout
    assert [name for name in names if name not in text] == []


HEAVY = {"torch", "papermill", "nbconvert", "pandas", "matplotlib"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "--help"], "--only"),
        (["report", "quikc"], "unknown profile 'quikc' (did you mean 'quick'?)"),
        (["report", "quick", "--only", "problm1"], "(did you mean 'problem1'?)"),
        (["report", "quick", "--set", "epoch=3"], "(did you mean 'epochs'?)"),
        (["verify", "quikc"], "there is no run or report 'quikc'"),
        (["compare", "quikc"], "there is no run or report 'quikc'"),
        (["classify", "--profile=quikc", "--support=s", "--query=q"], "no run or report 'quikc'"),
    ],
)
def test_help_and_misspelt_names_are_answered_without_what_is_heavy(arguments, words):
    code = (
        "import sys\nfrom fewshot_lib.cli.main import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit:\n    pass\n"
        f"print({HEAVY} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert words in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    "arguments", [["reprot"], ["report", "quick", "more"], ["report", "--onyl", "problem1"]]
)
def test_wrong_usage_has_status_2(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("fewshot: ")
    assert line.endswith("--help)")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("n_way=1: too few"), 2, "fewshot: n_way=1: too few\n"),
        (KeyboardInterrupt(), 130, "fewshot: interrupted\n"),
    ],
)
def test_every_command_ends_alike(error, status, line):
    @click.group(cls=Commands)
    def group():
        pass

    @group.command()
    def fails():
        raise error

    result = CliRunner().invoke(group, ["fails"])
    assert (result.exit_code, result.stderr) == (status, line)


def test_unknown_profile(project):
    (project / "params" / "quick").mkdir(parents=True)
    result = run("report", "quik")
    assert result.exit_code == 2
    assert result.stderr == "fewshot: unknown profile 'quik' (did you mean 'quick'?)\n"
