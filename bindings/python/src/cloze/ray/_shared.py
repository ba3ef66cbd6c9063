"""One prepared model for all workers of a host."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Optional

import cloze


def prepared(path: Optional[str], precision: Optional[str]) -> str:
    """The path of a ``.cloze`` file of the model, which all workers of a host map, so that its weights are in memory
    once. Made by whoever comes first, in a cache folder: ``CLOZE_CACHE``, else ``cloze`` in ``XDG_CACHE_HOME`` or
    ``~/.cache``.

    path  as in ``cloze.load``; a ``.cloze`` file is its own

    Raises Error: as ``cloze.convert``.
    """
    if path is not None and path.endswith(".cloze"):
        return path
    folder = Path(
        os.environ.get("CLOZE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloze")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{stamp(path, precision)}.cloze"
    with open(target.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            cloze.convert(path, target, precision=precision)
    return str(target)


def stamp(path: Optional[str], precision: Optional[str]) -> str:
    """A digest of the names, sizes and times of the model's files, the precision, and the version of the library."""
    digest = hashlib.sha256(f"{cloze.__version__}\0{precision or 'int8'}\0".encode())
    if path is None:
        digest.update(b"built in")
    else:
        root = Path(path).resolve()
        # Settings are in folders below a model's own.
        files = sorted(file for file in root.rglob("*") if file.is_file()) if root.is_dir() else sorted(
            file for file in root.parent.iterdir() if file.is_file())
        for file in [root, *files]:
            status = file.stat() if file.exists() else None
            times = f"{status.st_size}\0{status.st_mtime_ns}" if status else "missing"
            digest.update(f"{file}\0{times}\0".encode())
    return digest.hexdigest()[:32]
