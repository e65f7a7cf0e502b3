"""A network's parts as text, without what says nothing."""

import re

from torch import nn

# Arguments with PyTorch's own values, or of no consequence for what is computed.
_USUAL = re.compile(
    r"(?:, |(?<=\())(?:eps=1e-05|momentum=0\.1|affine=True|bias=True|track_running_stats=True"
    r"|inplace=(?:True|False)|padding=0|dilation=1|ceil_mode=False|stride=\(1, 1\))"
)
# A block of several lines, then others like it, at the same depth.
_REPEATED = re.compile(
    r"^(?P<depth> *)\((?P<first>\d+)\): (?P<block>\w+\(\n(?:(?P=depth) .*\n)+(?P=depth)\))\n"
    r"(?:(?P=depth)\(\d+\): (?P=block)\n)+",
    re.M,
)


def listing(network: nn.Module) -> str:
    """The network as PyTorch prints it, without usual arguments; equal blocks appear once."""
    return _REPEATED.sub(_once, _USUAL.sub("", f"{network}\n")).rstrip()


def _once(match: re.Match) -> str:
    depth, first, block = match["depth"], int(match["first"]), match["block"]
    count = match[0].count(block)
    return f"{depth}({first}-{first + count - 1}): {count} x {block}\n"
