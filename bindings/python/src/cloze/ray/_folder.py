"""A folder of Parquet files embedded file by file, each written under its name when it is complete."""

from __future__ import annotations

import json
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np

import cloze

from . import Embedder, _check
from ._shared import stamp

#: What the output was made with, in the output folder.
RECORD = "_cloze.json"

#: Rows that are read and written at a time: memory does not depend on the size of files.
ROWS = 4096

#: One text in so many is tokenized once more, to count tokens.
SAMPLED = 64

#: Attempts at a file whose worker dies, before the run ends.
ATTEMPTS = 5


@dataclass
class Done:
    """What was embedded so far."""

    rows: int = 0
    nulls: int = 0
    truncated: int = 0
    #: Estimated from a sample of the texts.
    tokens: float = 0.0

    def __add__(self, other: Done) -> Done:
        return Done(
            self.rows + other.rows, self.nulls + other.nulls, self.truncated + other.truncated,
            self.tokens + other.tokens)


class FileEmbedder:
    """The actor: embeds one file at a time, and says meanwhile how far it is."""

    def __init__(self, options: dict[str, Any], kept: Optional[list[str]]) -> None:
        self._embedder = Embedder(**options, truncated=_CUT)
        self._kept = kept
        self._now = Done()

    def ready(self) -> bool:
        return True

    def progress(self) -> Done:
        return self._now

    def file(self, source: str, target: str) -> Done:
        """Embeds one file. An attempt that is interrupted leaves a file whose name ends with ``.partial``."""
        import pyarrow.parquet as parquet

        self._now = Done()
        part = Path(target).parent / f".{Path(target).name}.{uuid.uuid4().hex}.partial"
        part.parent.mkdir(parents=True, exist_ok=True)
        writer = None
        try:
            with parquet.ParquetFile(source) as reader:
                for batch in _batches(reader, self._embedder.columns, self._kept):
                    result = self._embedder(batch)
                    self._now += self._counted(result)
                    result = result.drop_columns([_CUT])
                    if self._kept is not None:
                        result = result.select([*self._kept, self._embedder.output])
                    if writer is None:
                        writer = parquet.ParquetWriter(part, result.schema)
                    writer.write_table(result)
            if writer is not None:
                writer.close()
            _synchronize(part)
            os.replace(part, target)
        except BaseException:
            if writer is not None:
                writer.close()
            part.unlink(missing_ok=True)
            raise
        return self._now

    def _counted(self, result: Any) -> Done:
        cut = result.column(_CUT)
        nulls = cut.null_count
        texts = result.column(self._embedder.columns[0]).drop_null()
        sample = texts.take(list(range(0, len(texts), SAMPLED))).to_pylist()
        limit = self._embedder.model.info.max_tokens
        tokens = sum(
            len(self._embedder.model.tokenize(text, max_tokens=limit, truncation="longest_first")) for text in sample)
        share = len(texts) / max(len(sample), 1)
        return Done(result.num_rows, nulls, sum(filter(None, cut.to_pylist())), tokens * share)


#: The column that says whether a text was truncated, which is counted and not written.
_CUT = "__cloze_truncated"


def _batches(reader: Any, texts: tuple[str, ...], kept: Optional[list[str]]) -> Any:
    """Tables of some rows, one at least, so that a file without rows has its columns, too."""
    import pyarrow

    columns = None if kept is None else list(dict.fromkeys([*kept, *texts]))
    any_rows = False
    for batch in reader.iter_batches(batch_size=ROWS, columns=columns):
        any_rows = True
        yield pyarrow.Table.from_batches([batch])
    if not any_rows:
        schema = reader.schema_arrow
        names = schema.names if columns is None else columns
        yield pyarrow.schema([schema.field(name) for name in names]).empty_table()


def _synchronize(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def plan(source: Path, target: Path, options: dict[str, Any], kept: Optional[list[str]]) -> tuple[list[str], list[str]]:
    """The files to embed and those that are complete, by their names in the folders, after everything was checked that
    can be checked before hours are spent.

    Raises cloze.Error, KeyError or TypeError: no files, a column that is missing or is not text in one of them, an
    output folder that has something else in it or was begun with other options.
    """
    import pyarrow.parquet as parquet

    if not source.is_dir():
        raise cloze.Error("not_found", f"{source}: there is no such folder")
    if target.resolve() == source.resolve():
        raise cloze.ArgumentError("invalid_argument", f"{target} is the folder of the input")
    names = sorted(str(path.relative_to(source)) for path in source.rglob("*.parquet") if path.is_file())
    if not names:
        raise cloze.Error("not_found", f"{source}: no .parquet files in this folder")
    texts = [options["text"]] if isinstance(options["text"], str) else list(options["text"])
    for name in names:
        try:
            schema = parquet.read_schema(source / name)
        except Exception as failure:  # pyarrow's own errors and those of the file system
            raise cloze.Error("io", f"{source / name}: {failure}") from None
        try:
            for column in texts:
                _check(schema.names, schema.types, column)
            for column in kept or []:
                if column not in schema.names:
                    raise KeyError(f"there is no column {column!r}; there are {', '.join(map(repr, schema.names))}")
        except (KeyError, TypeError) as failure:
            raise type(failure)(f"{source / name}: {failure.args[0]}") from None
        if kept is None and options["output"] in schema.names:
            raise cloze.ArgumentError(
                "invalid_argument", f"{source / name}: there is a column {options['output']!r} already")
    _begin(target, {"version": cloze.__version__, "columns": kept, **_recorded(options)})
    remove_unfinished(target)
    complete = [name for name in names if (target / name).exists()]
    return [name for name in names if not (target / name).exists()], complete


def _recorded(options: dict[str, Any]) -> dict[str, Any]:
    path = options.get("path")
    ranges = options.get("ranges")
    return {
        **{name: value for name, value in options.items() if name not in ("ranges", "threads", "isa")},
        "ranges": None if ranges is None else np.asarray(ranges).tolist(),
        "model": stamp(path, options.get("precision")),
    }


def _begin(target: Path, record: dict[str, Any]) -> None:
    """Makes the output folder, or checks that it was begun in the same way."""
    path = target / RECORD
    record = json.loads(json.dumps(record))
    if path.exists():
        before = json.loads(path.read_text())
        differing = sorted(name for name in {*before, *record} if before.get(name) != record.get(name))
        if differing:
            said = "; ".join(f"{name} was {before.get(name)!r}, is {record.get(name)!r}" for name in differing)
            raise cloze.ArgumentError("invalid_argument", f"{target} was begun with other options: {said}")
        return
    if target.exists() and any(target.iterdir()):
        raise cloze.ArgumentError("invalid_argument", f"{target} is not empty, and has no {RECORD}: not a folder of ours")
    target.mkdir(parents=True, exist_ok=True)
    part = target / f".{RECORD}.{uuid.uuid4().hex}.partial"
    part.write_text(json.dumps(record, indent=2) + "\n")
    os.replace(part, path)


def run(
    source: Path, target: Path, names: list[str], options: dict[str, Any], kept: Optional[list[str]],
    report: Callable[[Done, int], None],
) -> Done:
    """Embeds files with one actor for each CPU of the cluster. A file whose worker dies is begun again by another one.

    report  called about twice a second with what is done, and the number of files that are complete
    """
    import ray

    actors = ray.remote(num_cpus=1, max_concurrency=2)(FileEmbedder)
    count = min(max(1, int(ray.cluster_resources().get("CPU", 1))), len(names))
    waiting = list(reversed(names))
    attempts: dict[str, int] = {}
    running: dict[Any, tuple[Any, str]] = {}
    total, complete, shown = Done(), 0, 0.0

    def start(actor: Any) -> None:
        if waiting:
            name = waiting.pop()
            attempts[name] = attempts.get(name, 0) + 1
            running[actor.file.remote(str(source / name), str(target / name))] = (actor, name)

    first = [actors.remote(options, kept) for _ in range(count)]
    ray.get(first[0].ready.remote())  # a model that cannot be loaded ends the run here
    for actor in first:
        start(actor)
    while running:
        finished, _ = ray.wait(list(running), timeout=0.5)
        for reference in finished:
            actor, name = running.pop(reference)
            try:
                total += ray.get(reference)
                complete += 1
                start(actor)
            except (ray.exceptions.RayActorError, ray.exceptions.NodeDiedError, ray.exceptions.ObjectLostError):
                if attempts[name] >= ATTEMPTS:
                    raise cloze.Error("internal", f"{source / name}: {ATTEMPTS} workers died with this file") from None
                waiting.append(name)
                start(actors.remote(options, kept))
        if time.monotonic() - shown >= 0.5:
            shown = time.monotonic()
            report(total + _under_way([actor for actor, _ in running.values()]), complete)
    remove_unfinished(target)
    return total


def remove_unfinished(target: Path) -> None:
    """Removes what workers that died had begun to write."""
    for part in target.rglob(".*.partial"):
        part.unlink(missing_ok=True)


def _under_way(actors: list[Any]) -> Done:
    """What actors have of their current files; nothing of those that do not answer at once."""
    import ray

    references = [actor.progress.remote() for actor in actors]
    answered, _ = ray.wait(references, num_returns=len(references), timeout=0.2) if references else ([], [])
    total = Done()
    for reference in answered:
        try:
            total += ray.get(reference)
        except ray.exceptions.RayError:
            pass  # found out again by the wait for its file
    return total
