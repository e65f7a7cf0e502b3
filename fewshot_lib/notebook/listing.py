"""A network's parts as text, without what says nothing."""

import re

from torch import nn

# Arguments with PyTorch's own values, or of no consequence for what is computed.
_USUAL = re.compile(
    r"(?:, |(?<=\())(?:eps=1e-05|momentum=0\.1|affine=True|bias=True|track_running_stats=True"
    r"|inplace=(?:True|False)|padding=0|dilation=1|ceil_mode=False|stride=\(1, 1\))"
)
_FIRST = re.compile(r"\b(?:in_features|out_features|kernel_size)=")  # arguments known by place
_SQUARE = re.compile(r"(?<=[ =])\((\d+), \1\)")
# Layers one after another, each on a line of its own.
_LAYERS = re.compile(r"Sequential\(\n((?: *\(\d+\): \w+\(.*\)\n)+) *\)")
# A block of several lines, then others like it, at the same depth.
_REPEATED = re.compile(
    r"^(?P<depth> *)\((?P<first>\d+)\): (?P<block>\w+\(\n(?:(?P=depth) .*\n)+(?P=depth)\))\n"
    r"(?:(?P=depth)\(\d+\): (?P=block)\n)+",
    re.M,
)


def listing(network: nn.Module) -> str:
    """The network as PyTorch prints it, without usual arguments.

    Layers that follow one another share a line; equal blocks appear once.
    """
    text = _SQUARE.sub(r"\1", _FIRST.sub("", _USUAL.sub("", f"{network}\n")))
    return _REPEATED.sub(_once, _LAYERS.sub(_in_a_row, text)).rstrip()


def _in_a_row(match: re.Match) -> str:
    return " → ".join(re.findall(r"\(\d+\): (.*)", match[1]))


def _once(match: re.Match) -> str:
    depth, first, block = match["depth"], int(match["first"]), match["block"]
    count = match[0].count(block)
    return f"{depth}({first}-{first + count - 1}): {count} x {block}\n"
