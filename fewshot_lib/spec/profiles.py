"""Parameters of a report: a profile's files, and what is given on top of them by name.

``params/PROFILE/common.yaml`` is read by all problems, ``problemN.yaml`` by one. Both say only what
differs from the models' defaults.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.files import from_root, project_root
from fewshot_lib.spec.namespace import given_names
from fewshot_lib.spec.parameters import DataParams
from fewshot_lib.spec.problems import PROBLEMS, ReportParams
from fewshot_lib.spec.yaml_text import read_yaml

_COMMON = "common.yaml"


def load_params(
    profile: str, names: list[str], settings: Iterable[str] = ()
) -> dict[str, ReportParams]:
    """Validated parameters of each named problem.

    Args:
        profile: a folder in ``params/``.
        names: keys of ``PROBLEMS``.
        settings: ``key=value`` pairs; each applies to every named problem that has the key.

    Raises:
        InputError: profile, key or value is wrong; names the file it comes from.
    """
    changes = _read_settings(settings)
    return {name: _problem_params(profile, name, _own(name, changes, names)) for name in names}


def notebook_params(name: str, namespace: Mapping[str, Any]) -> ReportParams:
    """Parameters of a problem as its notebook gives them, over those of the profile it names.

    None stands for the profile's value, except where None is a value of its own.

    Args:
        name: key of ``PROBLEMS``.
        namespace: the notebook's ``globals()``.

    Raises:
        InputError: a name is unknown or a value impossible.
    """
    given, fields = given_names(namespace, first="profile"), PROBLEMS[name].model_fields
    profile = given.pop("profile", None)
    no_value = {key for key, field in fields.items() if field.default is not None} | {"data_dir"}
    changes = {k: v for k, v in given.items() if v is not None or k not in no_value}
    return _problem_params(profile, name, changes)


def problem_names(only: Iterable[str]) -> list[str]:
    """Names of the problems to run, in the report's order; all of them when none is named.

    Raises:
        InputError: there is no such problem.
    """
    names = [name.strip() for item in only for name in item.split(",") if name.strip()]
    for name in names:
        if name not in PROBLEMS:
            raise InputError(f"unknown problem '{name}'{did_you_mean(name, PROBLEMS)}")
    return [name for name in PROBLEMS if name in names or not names]


def read_params(source: str, data_dir: str | None, settings: Iterable[str]) -> DataParams:
    """Parameters of a source as the command line gives them; folders start at the shell's.

    Args:
        settings: ``key=value`` pairs.

    Raises:
        InputError: source, key or value is wrong.
    """
    folder = [] if data_dir is None else [f"data_dir={data_dir}"]
    return DataParams.check(_read_settings([f"source={source}", *folder, *settings]))


def _problem_params(profile: str, name: str, changes: dict[str, Any]) -> ReportParams:
    """The profile's values and the changes, validated together.

    Together, not one after the other: a profile may need a data_dir that only the changes give.
    """
    root = project_root() / "params"
    profiles = [path.name for path in root.glob("*") if path.is_dir()]
    if profile not in profiles:
        raise InputError(f"unknown profile '{profile}'{did_you_mean(str(profile), profiles)}")
    folder = root / profile
    own = _read_file(folder / f"{name}.yaml")
    if own.pop("profile", profile) != profile:
        raise InputError(f"params/{profile}/{name}.yaml names another profile: profile: {profile}")
    common = _read_file(folder / _COMMON) if (folder / _COMMON).is_file() else {}
    values = _own(name, common, PROBLEMS) | own | changes
    if isinstance(values.get("data_dir"), str):
        values["data_dir"] = str(from_root(values["data_dir"]).resolve())
    try:
        params = PROBLEMS[name].check(values)
        missing = params.data_dir is not None and not Path(params.data_dir).is_dir()
        if missing and not params.download:
            raise InputError(f"data_dir: there is no folder {params.data_dir}")
    except InputError as error:
        origin = f"params/{profile}, {name}" + (" and what is given by name" if changes else "")
        raise InputError(f"{origin}: {error}") from None
    return params


def _own(name: str, values: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Values that the problem has, and those that none of the names has: they are refused later."""
    others = {field for other in names for field in PROBLEMS[other].model_fields}
    return {k: v for k, v in values.items() if k in PROBLEMS[name].model_fields or k not in others}


def profile_titles() -> dict[str, str]:
    """Every profile with the first line of its file, which says what it is for."""
    files = sorted((project_root() / "params").glob(f"*/{_COMMON}"))
    return {
        path.parent.name: path.read_text("utf-8").partition("\n")[0].lstrip("# ") for path in files
    }


def _read_file(path: Path) -> dict[str, Any]:
    """Names and values of a profile's file."""
    shown = f"params/{path.parent.name}/{path.name}"
    if not path.is_file():
        raise InputError(f"{shown} is missing: profile '{path.parent.name}' has no {path.stem}")
    values = read_yaml(path.read_text(encoding="utf-8"), shown) or {}
    if not isinstance(values, dict):
        raise InputError(f"{shown}: expected lines of the form 'name: value'")
    return values


def _read_settings(settings: Iterable[str]) -> dict[str, str]:
    """``key=value`` pairs as a dict, the values still text; folders start at the shell's.

    Raises:
        InputError: names all that are given twice or have no value.
    """
    changes, wrong = {}, []
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals:
            wrong.append(f"--set {setting}: expected the form key=value")
        elif key in changes:
            wrong.append(f"{key} is given twice: give it once")
        elif key == "data_dir":
            changes[key] = str(Path(text).expanduser().resolve())
        else:
            changes[key] = text
    if wrong:
        raise InputError("; ".join(wrong))
    return changes
