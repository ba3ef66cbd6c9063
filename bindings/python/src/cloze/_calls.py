"""Calls into the library that Ctrl-C can end.

While a C function runs on the main thread, Python cannot run a signal's handler: Ctrl-C would wait until the call
returns. A call that may last is therefore made on a thread of its own while the main thread waits on a lock, a wait
that signals do interrupt; whatever a handler raises (KeyboardInterrupt, or a timeout's exception) then cancels the
call. No signal handler is installed and no wakeup descriptor taken: both belong to the host program.

Going through a thread costs 55 us (measured: median of 2,000; 85 us with threading.Thread, which waits for the
thread's start), so short calls are made directly. On a thread other than the main one every call is direct, since
handlers never run there.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Sequence
from typing import Callable, Optional, TypeVar

T = TypeVar("T")


def direct_operations(isa: str) -> int:
    """Multiply-adds up to which a call is made directly.

    On one core of a busy machine the scalar kernels did 0.2 (float32) and 0.5 (int8) billion a second,
    AVX2's 25 billion: a direct call takes at most half a second with the former and 40 ms with the latter. What is
    longer than that hardly feels the thread's 55 us.
    """
    return 100_000_000 if isa == "scalar" else 1_000_000_000


#: Bytes of text up to which the tokenizer, some 10 MB a second, is called directly.
DIRECT_BYTES = 1 << 20


def on_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


def interruptible(work: Callable[[], T], cancel: Optional[Callable[[], None]] = None) -> T:
    """Gives back what ``work()`` gives or raises, run so that a signal's handler need not wait for its end.

    When a handler raises, ``cancel`` is called until ``work`` has ended, and the handler's exception goes on. Without
    ``cancel`` the work is left to end by itself on its thread, and what it gives is dropped.
    """
    if not on_main_thread():
        return work()

    # An exception can arrive between any two lines here. Whoever takes the only entry of `claim` decides whether the
    # work is done at all: the thread that does it, or the main thread that no longer wants it.
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
        except RuntimeError:  # no thread to be had: the limit is reached, or the interpreter is ending
            run()
        done.acquire()
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
            del failure  # its traceback refers to this frame
    return value  # type: ignore[return-value]


def _cancel_until(outcome: Sequence[object], done: _thread.LockType, cancel: Callable[[], None]) -> None:
    """Cancels until there is an outcome: the first attempt may come before the call has begun, and do nothing."""
    while not outcome:
        try:
            cancel()
            done.acquire(timeout=0.01)
        except BaseException:  # a second Ctrl-C: the call is ending already
            continue
