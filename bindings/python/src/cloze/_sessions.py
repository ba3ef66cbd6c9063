"""A model's pool of sessions, each with scratch memory and worker threads for one call at a time."""

from __future__ import annotations

import ctypes
import os
from typing import Callable, Optional

from . import _abi
from ._calls import direct_operations, interruptible
from ._library import Handle, check, lib, receive

#: What is told of a call's progress: texts done, and all of them.
Progress = Callable[[int, int], object]

#: The number of idle sessions kept; further ones, created when more threads run the model at once, are freed.
_IDLE = max(4, os.cpu_count() or 1)


class Sessions:
    """A pool of sessions, one for each thread that runs the model concurrently, created on demand.

    threads  per session; 0: as many as the process may use

    The pool is a list, whose append and pop are atomic: a lock could be left locked in the child by fork() in another
    thread.
    """

    def __init__(self, model: Handle, threads: int) -> None:
        self._model = model
        self._options = _abi.SessionOptions(threads=threads)
        self._idle = [self._make()]
        #: Threads per run.
        self.threads = int(lib.cloze_session_threads(self._idle[0]))
        #: Operations up to which a run stays on the calling thread; set from the model's kernels.
        self.direct = direct_operations("scalar")

    def _make(self) -> Handle:
        return receive(
            lambda out: lib.cloze_session_create(self._model, ctypes.byref(self._options), out),
            lib.cloze_session_free)

    def run(
        self, call: Callable[[Handle], int], operations: int, kept: object, progress: Optional[Progress] = None
    ) -> None:
        """Runs ``call`` with exclusive use of a session, and raises the exception for its status.

        operations  estimate of multiply-adds, which decides whether the run can be interrupted
        kept        owns the memory that the call reads and writes; referenced until the call ends
        progress    called while a long call on texts runs, on the calling thread
        """
        try:
            session = self._idle.pop()
        except IndexError:
            session = self._make()

        def work(kept: object = kept) -> None:
            check(call(session))

        try:
            if operations <= self.direct:
                work()
            else:
                poll = None if progress is None else lambda: _report(session, progress)
                interruptible(work, lambda: lib.cloze_cancel(session), poll)
        finally:
            if len(self._idle) < _IDLE:
                self._idle.append(session)


def _report(session: Handle, progress: Progress) -> None:
    """Passes on how far the call on texts is that runs on a session, if one does."""
    done, total = ctypes.c_int64(), ctypes.c_int64()
    lib.cloze_session_progress(session, ctypes.byref(done), ctypes.byref(total))
    if 0 <= done.value < total.value:
        progress(done.value, total.value)
