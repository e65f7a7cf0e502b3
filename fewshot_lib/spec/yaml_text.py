"""YAML as people write it."""

import re
from typing import Any

import yaml

from fewshot_lib.errors import InputError

LISTS_OF_NAMES = {"val_classes", "test_classes"}  # what stands there is text: 007, 1e5, no


class _Loader(yaml.SafeLoader):
    """YAML in which ``1e-3`` is a number, names are text and a key given twice is an error."""

    yaml_implicit_resolvers = {
        first: list(pairs) for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor):
        """Look for repeated keys before merge keys (``<<: *base``) bring those they override."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            name = key.tag, str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key.value}' is given twice", key.start_mark
                )
            seen.add(name)
        for key, value in node.value:
            if key.value in LISTS_OF_NAMES:
                _take_as_written(value)
        return node


def _take_as_written(node: yaml.Node) -> None:
    """Let the values of a list be text, whatever they look like."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                item.tag = "tag:yaml.org,2002:str"


# PyYAML follows YAML 1.1, where a float needs a dot and a signed exponent.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(text: str, name: str, key: str = "") -> Any:
    """Parse ``text``; ``name`` is what an error calls it, ``key`` the parameter it is the value of.

    Raises:
        InputError: the text is not YAML or repeats a key.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if key in LISTS_OF_NAMES:
            _take_as_written(node)
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{name}{line}: {problem}") from None
    except ValueError as error:  # 2020-13-45 has the shape of a date
        raise InputError(f"{name}: {error}") from None
