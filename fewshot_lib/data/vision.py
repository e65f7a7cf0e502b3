"""The one place that imports torchvision: ``from fewshot_lib.data.vision import torchvision``.

A CPU-only torch often meets a torchvision that was built for CUDA. Its compiled extension then
cannot load, and ``import torchvision`` dies with ``operator torchvision::nms does not exist``,
although data sets and transforms need no compiled operator. torchvision describes two of its
operators to PyTorch unconditionally; declaring these before it does is all that is missing.
"""

import importlib.util
from importlib.machinery import PathFinder

import torch

# Operators that torchvision._meta_registrations describes without looking whether they exist.
_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

_libraries = []  # a declaration lasts as long as its library object


def _extension_loads() -> bool:
    """Whether torchvision's compiled operators load into this torch; loads them if so.

    Raises:
        ModuleNotFoundError: torchvision is not installed.
    """
    package = importlib.util.find_spec("torchvision")  # finds it, does not import it
    if package is None:
        raise ModuleNotFoundError("No module named 'torchvision'", name="torchvision")
    extension = PathFinder.find_spec("_C", package.submodule_search_locations)
    if extension is None:
        return False
    try:
        torch.ops.load_library(extension.origin)
    except (ImportError, OSError):
        return False
    return True


def _declare_missing_operators() -> list[str]:
    """Declare the operators without which torchvision cannot be imported.

    Returns:
        Names of those declared: none if the extension loads or someone declared them already.
    """
    if _extension_loads():
        return []
    missing = [name for name in _SCHEMAS if not hasattr(torch.ops.torchvision, name)]
    for name in missing:
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define(_SCHEMAS[name])
        _libraries.append(library)
    return missing


declared_operators = _declare_missing_operators()

import torchvision  # noqa: E402

__all__ = ["declared_operators", "torchvision"]
