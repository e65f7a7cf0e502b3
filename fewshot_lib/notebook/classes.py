"""What classes are called: short names in place of mini-ImageNet's numbers and long common parts.

``assets/synsets.csv`` has the 100 classes of mini-ImageNet (Vinyals et al. 2016, in the split of
Ravi and Larochelle 2017): their synsets, and of the words that WordNet 3.0 (Princeton University,
2006) has for each the one that says most.
"""

import csv
import io
import unicodedata
from functools import cache
from itertools import takewhile

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.notebook.style import asset


@cache
def _synsets() -> dict[str, str]:
    return {
        row["synset"]: row["words"] for row in csv.DictReader(io.StringIO(asset("synsets.csv")))
    }


def shared_words(bank: ImageBank) -> str:
    """The words that all names of classes begin with: ``Armenian capital letter``; or none."""
    split = [name.split()[:-1] for name in bank.class_names]
    same = takewhile(lambda words: len(set(words)) == 1, zip(*split, strict=False))
    return " ".join(words[0] for words in same)


def class_words(bank: ImageBank) -> dict[str, str]:
    """A short name for each name of a class: ``golden retriever``, ``Ա ayb``."""
    shared = len(shared_words(bank))
    return {
        name: _letter(name) or _synsets().get(name, name[shared:].strip())
        for name in bank.class_names
    }


def _letter(name: str) -> str:
    """The letter of this Unicode name and what it is called; nothing if there is none."""
    try:
        sign = unicodedata.lookup(name)
    except KeyError:
        return ""
    return f"{sign} {name.split('letter')[-1].strip()}" if sign.isalpha() else ""
