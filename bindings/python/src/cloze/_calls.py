"""Calls into the library that Ctrl-C can interrupt.

While a C function runs on the main thread, Python cannot run signal handlers, so that Ctrl-C would take effect only
when the call returns. A long call is therefore made on a thread of its own while the main thread waits on a lock,
which signals do interrupt; an exception raised by a handler (KeyboardInterrupt, a timeout) then cancels the call. No
signal handler is installed and no wakeup descriptor set: both belong to the host program.

The thread costs 55 us per call (median of 2,000; threading.Thread, which waits for the thread to start, costs 85 us),
so short calls are made directly. Threads other than the main one make every call directly: handlers never run there.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Sequence
from typing import Callable, Optional, TypeVar

T = TypeVar("T")


def direct_operations(isa: str) -> int:
    """The number of multiply-adds up to which a call is made directly.

    One core does at least 0.2 (float32) or 0.5 (int8) billion multiply-adds per second with the scalar kernels and 25
    billion with AVX2, so a direct call takes at most half a second or 40 ms; the thread's 55 us are negligible beyond.
    """
    return 100_000_000 if isa == "scalar" else 1_000_000_000


#: Bytes of text up to which the tokenizer, at least 10 MB/s, is called directly: 0.1 s.
DIRECT_BYTES = 1 << 20


def on_main_thread() -> bool:
    """Whether the caller runs on the thread that handles signals."""
    return threading.get_ident() == threading.main_thread().ident


#: Seconds between two calls of a ``poll``.
POLL_INTERVAL = 0.1


def interruptible(
    work: Callable[[], T], cancel: Optional[Callable[[], None]] = None, poll: Optional[Callable[[], None]] = None
) -> T:
    """Returns or raises what ``work()`` does, while signal handlers can run.

    If a handler or ``poll`` raises, ``cancel`` is called until ``work`` has ended, and the exception propagates.
    Without ``cancel`` the work runs to its end on its thread, and its result is dropped.

    poll  called on the calling thread, whichever that is, every ``POLL_INTERVAL`` seconds while the work runs
    """
    if not on_main_thread() and poll is None:
        return work()

    # A handler can raise between any two lines here. The one entry of `claim` decides who goes first: the thread that
    # does the work takes it to start, the interrupted main thread to prevent the start.
    claim = [work]
    outcome: list[tuple[Optional[BaseException], Optional[T]]] = []
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        try:
            claimed = claim.pop()
        except IndexError:
            return
        try:
            outcome.append((None, claimed()))
        except BaseException as failure:
            outcome.append((failure, None))
        finally:
            done.release()

    try:
        try:
            _thread.start_new_thread(run, ())
        except RuntimeError:  # the limit of threads is reached, or the interpreter is shutting down
            run()
        while not done.acquire(timeout=-1 if poll is None else POLL_INTERVAL):
            if poll is not None:
                poll()
    except BaseException:
        try:
            claim.pop()
        except IndexError:
            if cancel is not None:
                _cancel_until(outcome, done, cancel)
        raise

    failure, value = outcome.pop()
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # its traceback refers to this frame: a reference cycle
    return value  # type: ignore[return-value]


def _cancel_until(outcome: Sequence[object], done: _thread.LockType, cancel: Callable[[], None]) -> None:
    """Cancels until there is an outcome: an attempt before the call has started has no effect."""
    while not outcome:
        try:
            cancel()
            done.acquire(timeout=0.01)
        except BaseException:  # a second Ctrl-C: the call is already being cancelled
            continue
