"""mini-ImageNet from a folder, in either of the layouts it goes round in.

Course layout: ``train.csv``, ``val.csv`` (``id,filename,label``) beside the folders ``train/`` and
``val/``; ``test.csv`` and ``test/`` if there are any.
Split layout (Ravi & Larochelle 2017): ``train.csv``, ``val.csv``, ``test.csv``
(``filename,label``) beside one folder ``images/``.
"""

from fewshot_lib.data.sources._tables import load_table as load
from fewshot_lib.data.sources._tables import table_fingerprint as fingerprint
from fewshot_lib.data.sources._tables import table_splits as splits

__all__ = ["fingerprint", "load", "splits"]
