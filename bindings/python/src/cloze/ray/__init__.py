"""Cloze in Ray Data: texts of Arrow tables to columns of vectors, scores or labels.

    >>> import ray, cloze.ray
    >>> dataset = ray.data.read_parquet("texts")
    >>> cloze.ray.embed(dataset, "minilm", text="body").write_parquet("vectors")

``python -m cloze.ray IN OUT`` embeds a folder of Parquet files, and resumes where it was interrupted.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np

import cloze
from cloze._arrow import TextColumn, vectors
from cloze._embedder import DOCUMENT

from ._shared import prepared

if TYPE_CHECKING:
    import pyarrow
    import ray.data

__all__ = ["Embedder", "embed"]

#: What an Embedder can do with texts.
TASKS = ("embed", "predict", "rerank")


class Embedder:
    """A class for ``Dataset.map_batches`` with ``batch_format="pyarrow"``: a table in, the table with columns added out.

    One model an actor, mapped from a prepared file that the actors of a host share; as many threads as the actor has
    CPUs. A row's result is the same bits in any batch, on any worker. Rows whose text is null get nulls.

    Outside of Ray it is a function of tables, for other engines that pass Arrow.

    path       as in ``cloze.load``; a path must exist on every worker
    text       the column of texts; two columns are pairs, for ``"rerank"`` query and document
    output     the column that is added: ``"embed"``: fixed-size lists; ``"predict"``: the label, or the number, beside
               it ``OUTPUT_probability``; ``"rerank"``: the score of each pair
    truncated  a column of booleans to add: whether a text was truncated
    task       ``"embed"``, ``"predict"`` or ``"rerank"``
    head       for ``"predict"``, as in ``cloze.load``
    options    ``precision``, ``threads`` and ``isa`` of ``cloze.load``, and for ``"embed"`` ``pooling``, ``normalize``,
               ``dimensions``, ``max_tokens``, ``truncation``, ``prompt``, ``dtype`` and ``ranges`` of ``Model.embed``.
               Without ``prompt``, the one that the model's files have for documents is taken

    Raises Error: a model that this worker cannot load, with the worker's name. KeyError: a column that is not there.
    TypeError: a column that is not text.
    """

    def __init__(
        self, path: Union[str, "os.PathLike[str]", None] = None, text: Union[str, tuple[str, str]] = "text",
        output: str = "embedding", *, truncated: Optional[str] = None, task: str = "embed",
        head: Union[str, "os.PathLike[str]", None] = None, **options: Any,
    ) -> None:
        if task not in TASKS:
            raise cloze.ArgumentError("invalid_argument", f"task is {task!r}; known are {', '.join(map(repr, TASKS))}")
        self.columns = (text,) if isinstance(text, str) else tuple(text)
        if len(self.columns) not in (1, 2) or task == "rerank" and len(self.columns) == 1:
            needed = "two columns, of queries and documents," if task == "rerank" else "one column, or two for pairs,"
            raise cloze.ArgumentError("invalid_argument", f"text is {text!r}; {needed} are needed")
        self.output, self.truncated, self.task = output, truncated, task
        threads = options.pop("threads", None) or _assigned_cpus()
        precision, isa = options.pop("precision", None), options.pop("isa", None)
        try:
            source = prepared(None if path is None else os.path.abspath(os.fspath(path)), precision)
            self.model = cloze.load(source, threads=threads, isa=isa, head=head)
        except (cloze.Error, OSError) as failure:
            status = failure.status if isinstance(failure, cloze.Error) else "io"
            raise cloze.Error(status, f"on {socket.gethostname()}: {failure}") from None
        if options and task != "embed":
            raise TypeError(f"{', '.join(options)}: for task \"embed\", not \"{task}\"")
        if task == "embed" and "prompt" not in options:
            prompts = self.model.info.prompts
            options["prompt"] = next((name for name in DOCUMENT if name in prompts), None)
        self.options = options

    def __call__(self, table: pyarrow.Table) -> pyarrow.Table:
        """Adds the columns to a table."""
        for name in self.columns:
            if name not in table.column_names:
                raise KeyError(f"there is no column {name!r}; there are {', '.join(map(repr, table.column_names))}")
        given = [table.column(name) for name in self.columns]
        valid = _valid(given)
        columns = given if valid is None else [_kept(column, valid) for column in given]
        added, cut = getattr(self, f"_{self.task}")(columns, valid)
        if self.truncated is not None:
            added[self.truncated] = _scattered(cut, valid)
        for name, column in added.items():
            table = table.drop_columns([name]) if name in table.column_names else table
            table = table.append_column(name, column)
        return table

    def _embed(self, columns: list[Any], valid: Optional[np.ndarray]) -> tuple[dict[str, Any], np.ndarray]:
        texts = TextColumn(*columns, names=(self.columns[0], self.columns[-1]))
        values, cut = self.model.embed(texts, return_truncated=True, **self.options)  # type: ignore[call-overload]
        return {self.output: vectors(values, valid)}, cut

    def _predict(self, columns: list[Any], valid: Optional[np.ndarray]) -> tuple[dict[str, Any], np.ndarray]:
        texts = columns[0].to_pylist() if len(columns) == 1 else list(zip(*(part.to_pylist() for part in columns)))
        found = self.model.predict(texts)
        cut = np.array([one.truncated for one in found], bool)
        task, labels = self.model.info.task, self.model.info.labels
        if task == "regress" or task == "regress-pairs":
            return {self.output: _scattered([one.value for one in found], valid)}, cut
        if task == "multilabel":
            return {self.output: _scattered([list(one.labels) for one in found], valid)}, cut
        if task not in ("classify", "classify-pairs", "nsp"):
            raise cloze.Error("no_head", f"the head is for {task}; a column of its predictions is not supported")
        shares = [one.probabilities[labels.index(one.label)] for one in found]  # type: ignore[arg-type]
        return {
            self.output: _scattered([one.label for one in found], valid),
            f"{self.output}_probability": _scattered(shares, valid),
        }, cut

    def _rerank(self, columns: list[Any], valid: Optional[np.ndarray]) -> tuple[dict[str, Any], np.ndarray]:
        queries, documents = (column.to_pylist() for column in columns)
        rows: dict[str, list[int]] = {}
        for row, query in enumerate(queries):
            rows.setdefault(query, []).append(row)
        scores = np.zeros(len(queries), np.float32)
        for query, places in rows.items():
            for index, score in self.model.rerank(query, [documents[row] for row in places]):
                scores[places[index]] = score
        return {self.output: _scattered(scores, valid)}, np.zeros(len(queries), bool)


def embed(
    dataset: ray.data.Dataset, path: Union[str, "os.PathLike[str]", None] = None, *,
    text: Union[str, tuple[str, str]] = "text", output: str = "embedding", concurrency: Any = None,
    num_cpus: float = 1, batch_size: int = 4096, **embed_options: Any,
) -> ray.data.Dataset:
    """The dataset with a column added: see ``Embedder``, of which this makes actors.

    concurrency  actors, a number or ``(least, most)``; None: up to one actor for each ``num_cpus`` CPUs of the cluster
    num_cpus     of an actor, which has as many threads
    batch_size   rows that an actor takes at a time; results do not depend on it

    Raises KeyError, TypeError: before anything runs, a column that is not there, or is not text, where the dataset
    knows its schema.
    """
    import ray

    schema = dataset.schema(fetch_if_missing=True)
    for name in (text,) if isinstance(text, str) else text:
        if schema is not None:
            _check(schema.names, schema.types, name)
    if concurrency is None:
        # A range, as actors that held all CPUs from the beginning would leave none to read the dataset with.
        concurrency = (1, max(1, int(ray.cluster_resources().get("CPU", 1) // num_cpus)))
    least, most = (concurrency, concurrency) if isinstance(concurrency, int) else concurrency
    actors = ray.data.ActorPoolStrategy(min_size=least, max_size=most)
    return dataset.map_batches(
        Embedder, batch_format="pyarrow", batch_size=batch_size, compute=actors, num_cpus=num_cpus,
        fn_constructor_kwargs={"path": path, "text": text, "output": output, **embed_options})


def _check(names: list[str], types: list[Any], name: str) -> None:
    """Raises KeyError or TypeError unless a schema has this column, of text."""
    if name not in names:
        raise KeyError(f"there is no column {name!r}; there are {', '.join(map(repr, names))}")
    kind = str(types[names.index(name)])
    if "string" not in kind and "object" not in kind:
        raise TypeError(f"column {name!r} is {kind}; strings are needed")


def _assigned_cpus() -> Optional[int]:
    """The CPUs that Ray gave this actor, rounded up; None outside of an actor, or where it gave none."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized() or ray.get_runtime_context().get_actor_id() is None:
        return None
    cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 0)
    return max(1, int(np.ceil(cpus))) if cpus else None


def _valid(columns: list[Any]) -> Optional[np.ndarray]:
    """Which rows have no null; None: all."""
    if not any(column.null_count for column in columns):
        return None
    return np.logical_and.reduce([column.is_valid().to_numpy() for column in columns])


def _kept(column: Any, valid: np.ndarray) -> Any:
    import pyarrow

    return column.filter(pyarrow.array(valid))


def _scattered(values: Any, valid: Optional[np.ndarray]) -> Any:
    """Values as a column, null where ``valid`` is False."""
    import pyarrow

    column = pyarrow.array(values)
    if valid is None:
        return column
    places = np.cumsum(valid) - 1
    return column.take(pyarrow.array(places, mask=~valid))
