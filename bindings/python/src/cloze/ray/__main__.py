"""``python -m cloze.ray IN OUT``: a folder of Parquet files, each with a column of vectors added."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import cloze
from cloze._quantize import DTYPES

from ._folder import Done, plan, run


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m cloze.ray",
        description="Embed the texts of Parquet files with all CPUs of a Ray cluster. Each file of IN gives one of OUT "
        "with the same name, complete or not there; the same command again resumes.")
    parser.add_argument("source", metavar="IN", type=Path, help="a folder of .parquet files")
    parser.add_argument("target", metavar="OUT", type=Path, help="a folder that is empty, new, or to be resumed")
    parser.add_argument("--model", metavar="PATH", help="as for cloze.load (default: the built-in model)")
    parser.add_argument("--text", metavar="COLUMN", default="text", help="the column of texts (default: text)")
    parser.add_argument(
        "--id", metavar="COLUMN", action="append",
        help="a column to keep, may be repeated (default: all columns)")
    parser.add_argument("--output", metavar="COLUMN", default="embedding", help="the column to add (default: embedding)")
    parser.add_argument("--precision", choices=("int8", "float32"))
    parser.add_argument("--dtype", choices=tuple(name for name in DTYPES if name not in ("int8", "uint8")))
    parser.add_argument("--dimensions", metavar="N", type=int)
    parser.add_argument("--max-tokens", metavar="N", type=int)
    parser.add_argument("--prompt", metavar="NAME")
    parser.add_argument("--address", help="of a Ray cluster; auto: the one that runs here (default: a local one)")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    named = ("precision", "dtype", "dimensions", "max_tokens", "prompt")
    options: dict[str, Any] = {name: getattr(given, name) for name in named if getattr(given, name) is not None}
    path = None if given.model is None else os.path.abspath(given.model)
    options.update(path=path, text=given.text, output=given.output)
    start = time.monotonic()
    try:
        # Reported before a cluster is started, or waited for.
        if path is not None and not os.path.exists(path):
            raise cloze.Error("not_found", f"{path}: there is no such file or folder")
        source, target = given.source.absolute(), given.target.absolute()
        waiting, complete = plan(source, target, options, given.id)
        if complete:
            print(f"{len(complete)} of {len(complete) + len(waiting)} files are complete", file=sys.stderr)
        total = Done()
        if waiting:
            import ray

            # Without an address Ray may wait for a cluster that was killed here before.
            ray.init(address=given.address or "local", log_to_driver=False, logging_level="ERROR")
            start = time.monotonic()
            total = run(source, target, waiting, options, given.id, Progress(len(waiting), start))
    except (cloze.Error, KeyError, TypeError, OSError) as failure:
        print(f"cloze.ray: {failure.args[-1] if isinstance(failure, KeyError) else failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cloze.ray: interrupted; the same command resumes", file=sys.stderr)
        return 130
    print(summary(total, len(waiting), time.monotonic() - start))
    return 0


class Progress:
    """A status line on a terminal; nothing where standard error is none."""

    def __init__(self, files: int, start: float) -> None:
        self._files, self._start = files, start
        self._shown = sys.stderr.isatty()

    def __call__(self, done: Done, complete: int) -> None:
        if self._shown:
            line = summary(done, complete, time.monotonic() - self._start)
            print(f"\r\x1b[K{line}, of {self._files} files", end="", file=sys.stderr, flush=True)
            if complete == self._files:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def summary(done: Done, files: int, seconds: float) -> str:
    """One line: rows, files and speed, and what was truncated or null."""
    pace = max(seconds, 1e-9)
    text = (
        f"{done.rows:,} rows in {files:,} files, {seconds:,.1f} s: {done.rows / pace:,.0f} rows and about "
        f"{done.tokens / pace:,.0f} tokens a second")
    if done.truncated:
        text += f"; {done.truncated:,} texts were truncated"
    if done.nulls:
        text += f"; {done.nulls:,} rows without a text have none"
    return text


if __name__ == "__main__":
    sys.exit(main())
