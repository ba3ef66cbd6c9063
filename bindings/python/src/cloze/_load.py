"""Loading models."""

from __future__ import annotations

import ctypes
import os
from typing import Optional, Union

from . import _abi
from ._arrays import address
from ._calls import interruptible
from ._library import Handle, lib, receive
from ._model import Model
from ._options import PRECISIONS, optional_count, optional_word
from ._sources import Source, content, file_name, is_content
from ._tokenizer import Tokenizer


def load(
    path: Optional[Source] = None,
    *,
    precision: Optional[str] = None,
    threads: Optional[int] = None,
    isa: Optional[str] = None,
    tokenizer: Union[Tokenizer, Source, None] = None,
    head: Union[str, "os.PathLike[str]", None] = None,
) -> Model:
    """Loads a BERT.

    path       a ``.onnx`` or ``.cloze`` file; a folder with ``model.onnx``, ``onnx/model.onnx``,
               ``model.safetensors`` or ``model.safetensors.index.json`` (with ``config.json``), looked for in this
               order, else with one other ``.onnx`` or ``.cloze`` file; the content of a ``.onnx`` or ``.cloze`` file
               as ``bytes``; None: the built-in model
    precision  ``"int8"`` or ``"float32"``; None: that of a ``.cloze`` file, else int8
    threads    1 to 256, for loading and for each run; None: as many as the process may use, by affinity
               mask, cgroup quota and the environment's OMP_NUM_THREADS
    isa        forces ``"scalar"``, ``"avx2"``, ``"avxvnni"``, ``"avx512vnni"``, ``"avx512amx"``, ``"neondot"`` or
               ``"neoni8mm"``; None: the environment variable CLOZE_ISA, else the best that the CPU supports
    tokenizer  a Tokenizer, or a path or content as Tokenizer takes it; None: the files beside the model
    head       file or folder of a trained head, as ``cloze.train`` or ``cloze train`` write it, for ``predict``

    Raises Error: ``not_found``; ``io``; ``invalid_model``, a damaged file; ``unsupported_model``, not a BERT that Cloze
    supports, the message names the first node that did not fit; ``unsupported_isa``.
    """
    given = {"path": path, "tokenizer": tokenizer, "head": head}
    if tokenizer is not None and not isinstance(tokenizer, Tokenizer):
        tokenizer = Tokenizer(tokenizer)
    own_threads = optional_count("threads", threads)
    if isa is not None and not isinstance(isa, str):
        raise TypeError(f"isa is {type(isa).__name__}; a str is needed")
    options = _abi.LoadOptions(
        precision=optional_word("precision", precision, PRECISIONS),
        threads=own_threads,
        isa=None if isa is None else isa.encode("utf-8", "replace"),
        tokenizer=None if tokenizer is None else tokenizer._handle._as_parameter_,
    )
    if is_content(path):
        data = content(path)  # type: ignore[arg-type]
        name = f"from {data.size} bytes"

        def call(out: object) -> int:
            return int(lib.cloze_model_load_memory(address(data), data.size, ctypes.byref(options), out))
    else:
        encoded = None if path is None else file_name("path", path)
        name = "built in" if path is None else repr(os.fspath(path))  # type: ignore[arg-type]

        def call(out: object) -> int:
            return int(lib.cloze_model_load(encoded, ctypes.byref(options), out))

    head_name = None if head is None else file_name("head", head)

    def work(kept: object = tokenizer) -> Handle:
        base = receive(call, lib.cloze_model_free)
        if head_name is None:
            return base
        return receive(lambda out: int(lib.cloze_model_with_head(base, head_name, out)), lib.cloze_model_free)

    model = Model.__new__(Model)
    model._adopt(interruptible(work), own_threads, name)
    if not any(is_content(source) or isinstance(source, Tokenizer) for source in given.values()):
        paths = {key: None if source is None else os.path.abspath(os.fspath(source)) for key, source in given.items()}
        model._source = {**paths, "precision": precision, "threads": threads, "isa": isa}
    return model
