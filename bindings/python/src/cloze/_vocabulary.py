"""Learning vocabularies."""

from __future__ import annotations

import ctypes
import json
import os
import warnings
from collections.abc import Iterable
from typing import Any, Optional, Union

from . import _abi
from ._calls import interruptible
from ._errors import invalid
from ._library import check, lib
from ._options import count, optional_count
from ._sources import file_name

_CAPACITY = 2048


def vocabulary(
    data: Union[str, os.PathLike[str], Iterable[Union[str, os.PathLike[str]]]],
    size: int,
    output: Union[str, os.PathLike[str]],
    *,
    lowercase: bool = True,
    strip_accents: Optional[bool] = None,
    min_frequency: int = 2,
    limit_alphabet: int = 1000,
    threads: Optional[int] = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Learns a WordPiece vocabulary from text, as BertWordPieceTokenizer of Hugging Face's tokenizers does, and writes
    vocab.txt, tokenizer.json and tokenizer_config.json, which ``cloze.Tokenizer`` and transformers load.

    data            path of a file of text in UTF-8, or several; each is read once and never held in memory
    size            number of pieces, special tokens included
    output          folder for the tokenizer; made where it is missing
    lowercase       whether text is lower-cased
    strip_accents   whether accents are removed; None: as lowercase
    min_frequency   pieces are made of pairs that occur at least so often
    limit_alphabet  the largest number of different characters; the rarest beyond are left out
    threads         None: as many as the process may use; the result does not depend on it
    overwrite       whether a tokenizer that is in output is replaced

    Returns the numbers of ``pieces``, ``words``, ``distinct_words`` and ``characters``, and ``remarks``, each of which
    is a warning too. Raises Error: ``invalid_text``, with file and line, for bytes that are not UTF-8, and where there
    is no word; ``invalid_argument`` where size is too small for special tokens and characters, with the least size, and
    where output has a tokenizer; ``not_found``, ``io``.
    """
    paths = [data] if isinstance(data, (str, os.PathLike)) else list(data)
    names = [file_name(f"data[{index}]", path) for index, path in enumerate(paths)]
    if not names:
        raise invalid("data has no file")
    options = _abi.VocabularyOptions(
        lowercase=1 if lowercase else 2,
        strip_accents=0 if strip_accents is None else 1 if strip_accents else 2,
        min_frequency=count("min_frequency", min_frequency),
        limit_alphabet=count("limit_alphabet", limit_alphabet),
        threads=optional_count("threads", threads),
        overwrite=1 if overwrite else 2,
    )
    pieces = count("size", size)
    files = (ctypes.c_char_p * len(names))(*names)
    target = file_name("output", output)
    text = ctypes.create_string_buffer(_CAPACITY)

    def work(kept: object = files) -> None:
        check(lib.cloze_vocabulary_train(
            files, len(names), pieces, target, ctypes.byref(options), text, _CAPACITY, None))

    interruptible(work)
    result: dict[str, Any] = json.loads(text.value)
    for remark in result["remarks"]:
        warnings.warn(remark, stacklevel=2)
    return result
