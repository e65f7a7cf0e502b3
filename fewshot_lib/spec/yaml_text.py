"""YAML as people write it."""

import re
from typing import Any

import yaml

from fewshot_lib.errors import InputError

_LISTS_OF_NAMES = {"val_classes", "test_classes"}  # what stands there is text: 007, 1e5, no


class _Loader(yaml.SafeLoader):
    """YAML in which ``1e-3`` is a number, names are text and a key given twice is an error."""

    def compose_mapping_node(self, anchor):
        """Look for repeated keys before merge keys (``<<: *base``) bring those they override."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, value in node.value:
            name = key.tag, str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key.value}' is given twice", key.start_mark
                )
            seen.add(name)
            if key.value in _LISTS_OF_NAMES and isinstance(value, yaml.SequenceNode):
                for item in value.value:
                    item.tag = "tag:yaml.org,2002:str"
        return node


# PyYAML follows YAML 1.1, where a float needs a dot and a signed exponent.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(text: str, name: str) -> Any:
    """Parse ``text``; ``name`` is what an error calls it.

    Raises:
        InputError: the text is not YAML or repeats a key.
    """
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # 2020-13-45 has the shape of a date
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{name}{line}: {problem}") from None
