"""Models in their prepared form."""

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
) -> None:
    """Writes a model in its prepared form, a ``.cloze`` file, which loads at once: weights quantized, packed and used
    where the file is mapped, with the tokenizer and all settings in it.

    src        a ``.onnx`` file or a folder, as load takes it; None: the built-in model
    dst        where the file goes; it appears when it is complete, in place of one that was there
    precision  ``"int8"`` or ``"float32"``; None: int8
    tokenizer  a Tokenizer, or where one is; None: the files beside the model

    Raises Error: as load does, and ``io`` where dst cannot be written.
    """
    if tokenizer is not None and not isinstance(tokenizer, Tokenizer):
        tokenizer = Tokenizer(tokenizer)
    source = None if src is None else file_name("src", src)
    target = file_name("dst", dst)
    options = _abi.ConvertOptions(
        precision=optional_word("precision", precision, PRECISIONS),
        tokenizer=None if tokenizer is None else tokenizer._handle._as_parameter_,
    )

    def work(kept: object = tokenizer) -> None:
        check(lib.cloze_convert(source, target, ctypes.byref(options)))

    interruptible(work)
