"""Parameters of a report: a profile's YAML files, with changes from the command line."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.files import project_root
from fewshot_lib.spec.parameters import DataParams
from fewshot_lib.spec.problems import PROBLEMS, ReportParams
from fewshot_lib.spec.yaml_text import read_yaml


def read_params(source: str, data_dir: str | None, settings: Iterable[str]) -> DataParams:
    """Parameters of a source as the command line gives them; folders start at the shell's.

    Args:
        settings: ``key=value`` pairs.

    Raises:
        InputError: source, key or value is wrong.
    """
    known = get_args(DataParams.model_fields["source"].annotation)
    if source not in known:
        raise InputError(f"unknown source '{source}'{did_you_mean(source, known)}")
    values = {} if data_dir is None else {"data_dir": data_dir}
    for setting in settings:
        key, value = read_setting(setting)
        if key in values:
            raise InputError(f"{key} is given twice: give it once")
        values[key] = value
    if isinstance(values.get("data_dir"), str):
        values["data_dir"] = absolute(values["data_dir"], Path.cwd())
    return DataParams.check({"source": source} | values)


def read_setting(setting: str) -> tuple[str, object]:
    """``key=value`` as a name of ``DataParams`` and a value read as YAML."""
    key, equals, text = setting.partition("=")
    key, known = key.strip(), DataParams.model_fields.keys() - {"source"}
    if not equals:
        raise InputError(f"--set {setting}: expected the form key=value")
    if key not in known:
        raise InputError(f"--set {key}: unknown parameter{did_you_mean(key, known)}")
    return key, text.strip() if key == "data_dir" else read_yaml(text, f"--set {key}")


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
    folder = profile_folder(profile)
    changes = read_settings(settings, names)
    return {name: problem_params(folder / f"{name}.yaml", name, changes) for name in names}


def profile_folder(profile: str) -> Path:
    """Folder of a profile's YAML files."""
    root = project_root() / "params"
    profiles = [path.name for path in root.glob("*") if path.is_dir()]
    if profile not in profiles:
        raise InputError(f"unknown profile '{profile}'{did_you_mean(profile, profiles)}")
    return root / profile


def problem_params(path: Path, name: str, changes: dict[str, Any]) -> ReportParams:
    """Parameters of one problem: its file first, then the changes it has fields for."""
    shown = path.relative_to(project_root())
    if not path.is_file():
        raise InputError(f"{shown} is missing: profile '{path.parent.name}' has no {name}")
    values = read_yaml(path.read_text(encoding="utf-8"), str(shown)) or {}
    if not isinstance(values, dict):
        raise InputError(f"{shown}: expected lines of the form 'name: value'")
    if isinstance(values.get("data_dir"), str):
        values["data_dir"] = absolute(values["data_dir"], project_root())
    own = {key: value for key, value in changes.items() if key in PROBLEMS[name].model_fields}
    # Together, not one after the other: a profile may need a data_dir that only --set gives.
    return check(name, values | own, f"{shown} with --set" if own else str(shown))


def check(name: str, values: dict[str, Any], origin: str) -> ReportParams:
    """Validate; the message of an error starts with where the values come from."""
    if not all(isinstance(key, str) for key in values):
        raise InputError(f"{origin}: parameter names must be text")
    try:
        params = PROBLEMS[name].check(values)
        missing = params.data_dir is not None and not Path(params.data_dir).is_dir()
        if missing and not params.download:
            raise InputError(f"data_dir: there is no folder {params.data_dir}")
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None
    return params


def read_settings(settings: Iterable[str], names: list[str]) -> dict[str, Any]:
    """``key=value`` pairs as a dict, the values read as YAML."""
    known = {field for name in names for field in PROBLEMS[name].model_fields}
    changes = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        if not equals:
            raise InputError(f"--set {setting}: expected the form key=value")
        if key not in known:
            raise InputError(f"--set {key}: unknown parameter{did_you_mean(key, known)}")
        value = read_yaml(text, f"--set {key}")
        if key == "data_dir" and value is not None:
            value = absolute(text.strip(), Path.cwd())
        changes[key] = value
    return changes


def absolute(folder: str, base: Path) -> str:
    return str((base / Path(folder).expanduser()).resolve())
