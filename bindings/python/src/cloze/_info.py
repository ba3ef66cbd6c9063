"""The description of a loaded model."""

from __future__ import annotations

import ctypes
import json
from dataclasses import dataclass, field
from typing import Optional

from . import _abi
from ._library import Handle, check, lib, receive_text
from ._options import POOLINGS, PRECISIONS

_HEADS = {
    "pooler": _abi.HEAD_POOLER,
    "mlm": _abi.HEAD_MLM,
    "nsp": _abi.HEAD_NSP,
    "classes": _abi.HEAD_CLASSES,
    "tags": _abi.HEAD_TAGS,
    "answer": _abi.HEAD_ANSWER,
}


def _word(words: dict[str, int], number: int) -> str:
    return next((word for word, value in words.items() if value == number), str(number))


@dataclass(frozen=True)
class ModelInfo:
    """A model's configuration, with the keys of a Hugging Face ``config.json``, and how it was loaded."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int
    #: Default truncation limit in tokens: ``max_seq_length`` or ``model_max_length`` of the files, else all positions.
    max_tokens: int
    #: ``"int8"`` or ``"float32"``.
    precision: str
    #: The instruction set of the kernels: ``"scalar"``, ``"avx2"``, ``"avxvnni"``, ``"avx512vnni"``, ``"avx512amx"``,
    #: ``"neondot"`` or ``"neoni8mm"``.
    isa: str
    #: Threads per run, the calling thread included.
    threads: int
    #: Memory of the weights, in bytes.
    weight_bytes: int
    #: Output heads: any of ``"pooler"``, ``"mlm"``, ``"nsp"``, ``"classes"``, ``"tags"``, ``"answer"``.
    heads: frozenset[str]
    #: Names of classes or tags; empty without such a head.
    labels: tuple[str, ...]
    #: What ``predict`` answers, with a trained head or the one that the model's file brings: ``"classify"``,
    #: ``"classify-pairs"``, ``"multilabel"``, ``"regress"``, ``"regress-pairs"``, ``"tag"``, ``"answer"`` or ``"nsp"``;
    #: None: nothing.
    task: Optional[str]
    #: Defaults of ``embed``.
    pooling: str
    normalize: bool
    has_tokenizer: bool
    #: E, width of embeddings with default pooling: ``hidden_size``, unless the model has dense layers after pooling.
    embedding_size: int
    #: Names and texts of the prompts of the model's files, for ``embed(prompt=)``.
    prompts: dict[str, str] = field(hash=False)
    #: The prompt that ``embed`` puts before texts if none is chosen; None: none.
    default_prompt: Optional[str]


def _label(model: Handle, index: int) -> str:
    return receive_text(lambda text, capacity, size: lib.cloze_model_label(model, index, text, capacity, size))


def model_info(model: Handle, threads: int) -> ModelInfo:
    """The description of a model; ``threads`` is that of its sessions."""
    info = _abi.Info()
    check(lib.cloze_model_info(model, ctypes.byref(info)))
    prompts = json.loads(
        receive_text(lambda text, capacity, size: lib.cloze_model_prompts(model, text, capacity, size)))
    return ModelInfo(
        hidden_size=info.hidden_size,
        num_hidden_layers=info.num_hidden_layers,
        num_attention_heads=info.num_attention_heads,
        intermediate_size=info.intermediate_size,
        vocab_size=info.vocab_size,
        max_position_embeddings=info.max_position_embeddings,
        type_vocab_size=info.type_vocab_size,
        max_tokens=info.max_tokens,
        precision=_word(PRECISIONS, info.precision),
        isa=(info.isa or b"").decode(),
        threads=threads,
        weight_bytes=info.weight_bytes,
        heads=frozenset(name for name, bit in _HEADS.items() if info.heads & bit),
        labels=tuple(_label(model, index) for index in range(info.label_count)),
        task=(lib.cloze_model_task(model) or b"").decode() or None,
        pooling=_word(POOLINGS, info.pooling),
        normalize=info.normalize == 1,
        has_tokenizer=bool(info.has_tokenizer),
        embedding_size=info.embedding_size,
        prompts=prompts.get("prompts", {}),
        default_prompt=prompts.get("default_prompt_name"),
    )
