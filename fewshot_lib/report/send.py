"""A finished report, copied to a storage: S3, Google Cloud, Azure and whatever else is known.

fsspec does it for the kinds of address that it knows, papermill's handlers for others, of which
``abs://`` is one and packages may register more.
"""

import mimetypes
from collections.abc import Callable
from pathlib import Path

from fewshot_lib.errors import InputError
from fewshot_lib.report.pages import INDEX

PROBE = ".fewshot-probe"
NOTEBOOK = "application/x-ipynb+json"

Put = Callable[[Path, str], None]  # copies a file to this name below the address


def is_address(output: object) -> bool:
    """Whether this names a storage rather than a folder."""
    return isinstance(output, str) and "://" in output


class Destination:
    """A folder behind an address, found out to be writable.

    Raises:
        InputError: nobody knows this kind of address, its package is missing, or it cannot be
            written to.
    """

    def __init__(self, url: str):
        import fsspec

        self.url = url.rstrip("/")
        scheme = url.partition("://")[0]
        try:
            known = scheme in fsspec.available_protocols()
            self.put = through_fsspec(self.url) if known else through_papermill(self.url)
        except Exception as error:  # every storage has its own kinds
            raise InputError(f"output {url} cannot be written to: {reason(error)}") from None

    def send(self, folder: Path) -> str:
        """Copy the report, its front page last: who finds that one finds all.

        Returns:
            The address of the front page.

        Raises:
            InputError: a file cannot be sent.
        """
        files = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
        try:
            for path in sorted(files, key=lambda p: (p.name == INDEX, p.name)):
                self.put(path, path.name)
        except Exception as error:
            raise InputError(
                f"the report is in {folder}, but cannot be sent to {self.url}: {reason(error)}"
            ) from None
        return f"{self.url}/{INDEX}"


def reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def through_fsspec(url: str) -> Put:
    """Raises whatever the storage raises if it cannot be written to."""
    import fsspec

    mimetypes.add_type(NOTEBOOK, ".ipynb")  # browsers open pages that come with their type
    files, root = fsspec.core.url_to_fs(url)
    if root.startswith("/"):  # elsewhere it begins with a bucket: a misspelt one is not made
        files.makedirs(root, exist_ok=True)
    files.pipe_file(f"{root}/{PROBE}", b"")
    files.rm_file(f"{root}/{PROBE}")

    def put(path: Path, name: str) -> None:
        files.put_file(str(path), f"{root}/{name}")

    return put


def through_papermill(url: str) -> Put:
    """Raises an InputError if papermill does not know the kind, else what its handler raises."""
    from papermill.iorw import LocalHandler, papermill_io

    handler = papermill_io.get_handler(url)
    if isinstance(handler, LocalHandler):
        raise InputError("no such kind of address is known (s3://, gs://, abs://, …)")
    handler.listdir(url)  # fails now rather than in the end

    def put(path: Path, name: str) -> None:
        handler.write(path.read_text("utf-8"), f"{url}/{name}")

    return put
