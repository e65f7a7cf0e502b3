"""A finished report, copied to a storage that fsspec knows: S3, Google Cloud, Azure and others."""

from pathlib import Path

from fewshot_lib.errors import InputError
from fewshot_lib.report.pages import INDEX

_PROBE = ".fewshot-probe"


def require_writable(url: str) -> None:
    """Write to this address and remove it again.

    Raises:
        InputError: nobody knows this kind of address, its package is missing, or it cannot be
            written to.
    """
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(url.rstrip("/"))
        if root.startswith("/"):  # elsewhere it begins with a bucket: a misspelt one is not made
            files.makedirs(root, exist_ok=True)
        files.pipe_file(f"{root}/{_PROBE}", b"")
        files.rm_file(f"{root}/{_PROBE}")
    except Exception as error:  # every storage has its own kinds
        raise InputError(f"output {url} cannot be written to: {_reason(error)}") from None


def send(folder: Path, url: str) -> str:
    """Copy the report.

    Returns:
        The address of the front page.

    Raises:
        InputError: a file cannot be sent.
    """
    import fsspec

    names = [p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
    try:
        files, root = fsspec.core.url_to_fs(url.rstrip("/"))
        files.put([str(folder / name) for name in names], [f"{root}/{name}" for name in names])
    except Exception as error:
        raise InputError(
            f"the report is in {folder}, but cannot be sent to {url}: {_reason(error)}"
        ) from None
    return f"{url.rstrip('/')}/{INDEX}"


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
