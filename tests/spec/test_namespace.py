"""Which names of a notebook count as given, also when its cells are run again."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

LOAD = """from fewshot_lib.spec.namespace import given_names
given = given_names(globals(), "profile")"""
OWN = "profile = 'quick'\nepochs = 3\na, b = 1, 2"
LATER = "rows, setting, epoch = [1], 'text', 4"


@pytest.fixture
def given():
    """Run cells in a shell as a kernel does, return what the last one finds given."""
    shell = InteractiveShell()

    def run(*cells: str) -> dict:
        for cell in cells:
            shell.run_cell(cell, store_history=True).raise_error()
        return shell.user_ns["given"]

    yield run
    shell.history_manager.save_thread.stop()


OWN_VALUES = {"profile": "quick", "epochs": 3, "a": 1, "b": 2}


def test_names_before_the_load_count(given):
    injected = "# Parameters\nprofile = 'paper'\nlr = '1e-3'"
    found = given("import json", OWN, injected, "n: int = 4", LOAD)
    assert found == OWN_VALUES | {"profile": "paper", "lr": "1e-3", "n": 4}


def test_what_later_cells_made_does_not_count_when_all_run_again(given):
    assert given(OWN, LOAD, LATER, OWN, LOAD) == OWN_VALUES
    assert given(LATER, LOAD) == OWN_VALUES


def test_a_line_that_is_taken_out_is_given_no_more(given):
    given(OWN, LOAD)
    assert given("profile = 'quick'", LOAD) == {"profile": "quick"}


def test_without_a_parameters_cell_all_plain_names_count(given):
    assert given("epoch = 5\ndef f(): ...\nimport json\n_x = 1\nN = 2", LOAD) == {"epoch": 5}
