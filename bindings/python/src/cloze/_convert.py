"""Writing the prepared form of a model."""

from __future__ import annotations

import ctypes
import os
from typing import Optional, Union

from . import _abi
from ._calls import interruptible
from ._library import check, lib
from ._options import PRECISIONS, optional_word
from ._sources import Source, file_name
from ._tokenizer import Tokenizer


def convert(
    src: Union[str, os.PathLike[str], None],
    dst: Union[str, os.PathLike[str]],
    *,
    precision: Optional[str] = None,
    tokenizer: Union[Tokenizer, Source, None] = None,
    head: Union[str, os.PathLike[str], None] = None,
) -> None:
    """Writes a model in its prepared form, a ``.cloze`` file that loads in milliseconds: quantized and packed weights
    that are used in place where the file is mapped, the tokenizer and all settings.

    src        path as for ``load``; None: the built-in model
    dst        path of the file, replaced atomically once it is complete
    precision  ``"int8"`` or ``"float32"``; None: int8
    tokenizer  a Tokenizer, or a path or content as Tokenizer takes it; None: the files beside the model
    head       path of a trained head to include

    Raises Error: as ``load``; ``io`` if dst cannot be written.
    """
    if tokenizer is not None and not isinstance(tokenizer, Tokenizer):
        tokenizer = Tokenizer(tokenizer)
    source = None if src is None else file_name("src", src)
    target = file_name("dst", dst)
    options = _abi.ConvertOptions(
        precision=optional_word("precision", precision, PRECISIONS),
        tokenizer=None if tokenizer is None else tokenizer._handle._as_parameter_,
        head=None if head is None else file_name("head", head),
    )

    def work(kept: object = tokenizer) -> None:
        check(lib.cloze_convert(source, target, ctypes.byref(options)))

    interruptible(work)
