"""Errors that the user can mend."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Wrong input: one line that names the thing and the remedy; commands exit with status 2."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'lr'?)`` if a known word is close, the list of known words otherwise."""
    known = sorted(known)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else f" (known: {', '.join(known)})"
