"""Sessions of a model: scratch memory and worker threads, each used by one call at a time."""

from __future__ import annotations

import ctypes
import os
from typing import Callable

from . import _abi
from ._calls import direct_operations, interruptible
from ._library import Handle, check, lib, receive

#: Idle sessions that are kept. More exist while more threads run the model at once; what is idle beyond this is freed.
_IDLE = max(4, os.cpu_count() or 1)


class Sessions:
    """As many sessions as threads run the model at the same time, made when they are first needed.

    threads  of each session; 0: as many CPUs as the process may use

    A list serves as the pool because its append and pop are atomic: there is no lock that a fork() in another thread
    could leave locked in the child.
    """

    def __init__(self, model: Handle, threads: int) -> None:
        self._model = model
        self._options = _abi.SessionOptions(threads=threads)
        self._idle = [self._make()]
        #: The number of threads a run uses.
        self.threads = int(lib.cloze_session_threads(self._idle[0]))
        #: Operations up to which a run is made on the caller's thread; whoever knows the kernels may raise it.
        self.direct = direct_operations("scalar")

    def _make(self) -> Handle:
        return receive(
            lambda out: lib.cloze_session_create(self._model, ctypes.byref(self._options), out),
            lib.cloze_session_free)

    def run(self, call: Callable[[Handle], int], operations: int, kept: object) -> None:
        """Runs ``call`` with a session that nobody else uses meanwhile, and raises what its status stands for.

        operations  multiply-adds, roughly: how long it may take
        kept        owns what the call reads and writes: lives until it has ended, on whatever thread
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
                interruptible(work, lambda: lib.cloze_cancel(session))
        finally:
            if len(self._idle) < _IDLE:
                self._idle.append(session)
