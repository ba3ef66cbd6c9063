"""Running models on token ids, ragged or padded."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Callable, Optional, Union

import numpy as np

from . import _abi
from ._arrays import address, integers, with_common_type
from ._calls import direct_operations
from ._errors import error, invalid
from ._info import ModelInfo, model_info
from ._library import Handle, lib, receive
from ._outputs import OutputRequest
from ._sessions import Sessions
from ._tokenizer import Tokenizer


class Runner:
    """A loaded model: everything but the calls on text."""

    #: The model's configuration and how it was loaded.
    info: ModelInfo
    #: The model's tokenizer; None if it has none.
    tokenizer: Optional[Tokenizer]

    _handle: Handle
    _name: str
    #: The arguments of ``cloze.load`` that load it again; None where they hold more than paths and words.
    _source: Optional[dict[str, Any]] = None
    _sessions: Sessions
    _encoder_operations: int  # multiply-adds per token
    _decoder_operations: int  # the same, of the MLM head

    def __init__(self) -> None:
        raise TypeError("a Model is created by cloze.load()")

    def _adopt(self, handle: Handle, threads: int, name: str) -> None:
        self._handle = handle
        self._name = name
        self._sessions = Sessions(handle, threads)
        self.info = info = model_info(handle, self._sessions.threads)
        self._sessions.direct = direct_operations(info.isa)
        self.tokenizer = None
        if info.has_tokenizer:
            self.tokenizer = Tokenizer._of(
                receive(lambda out: lib.cloze_model_tokenizer(handle, out), lib.cloze_tokenizer_free))
        size, inner = info.hidden_size, info.intermediate_size
        self._encoder_operations = info.num_hidden_layers * (4 * size * size + 2 * size * inner)
        self._decoder_operations = size * (size + info.vocab_size)

    def run(
        self,
        input_ids: np.ndarray,
        cu_seqlens: np.ndarray,
        token_type_ids: Optional[np.ndarray] = None,
        *,
        output: str = "hidden",
        layer: Union[int, Sequence[int]] = -1,
        positions: Optional[np.ndarray] = None,
        out: Optional[np.ndarray] = None,
    ) -> np.ndarray:
        """Runs a ragged batch: the sequences concatenated, without padding. Returns float32.

        input_ids       (T,) integers; int32 is read in place, other types are checked and converted
        cu_seqlens      (B + 1,) integers: 0, then the end of each sequence; the last is T
        token_type_ids  (T,) integers; None: all 0
        output          ``"hidden"`` (T, D); ``"embedding"`` (B, E), pooled as by ``embed`` with its defaults;
                        ``"pooler"`` (B, D); ``"mlm"`` (T, V) logits; ``"nsp"`` (B, 2) logits, class 0: the second
                        text follows; ``"classes"`` (B, C) and ``"tags"`` (T, C) logits of ``info.labels``;
                        ``"answer"`` (T, 2) logits of start and end
        layer           hidden: 0: the embeddings after LayerNorm; -1: the last layer; a sequence of layers gives
                        (T, layers, D)
        positions       hidden, mlm: (P,) token indices in the batch; the result is (P, ...) for these tokens only
        out             C-contiguous float32 array of the result's shape, to write to
        """
        ids = integers("input_ids", input_ids, "(T,)")
        bounds = integers("cu_seqlens", cu_seqlens, "(B + 1,)")
        types = None if token_type_ids is None else integers("token_type_ids", token_type_ids, "(T,)", ids.shape)
        if not bounds.size:
            raise invalid("cu_seqlens is empty; it begins with 0 and has one entry more than there are sequences")
        # The library does not know the arrays' lengths, and would read past their ends.
        if int(bounds[-1]) != ids.size:
            raise invalid(f"cu_seqlens ends with {bounds[-1]}, but input_ids has {ids.size} tokens")
        request = OutputRequest(self.info, output, ids.shape, bounds.size - 1, layer, positions, out)
        (read, read_types), kind = with_common_type({"input_ids": ids, "token_type_ids": types})
        (read_bounds,), bounds_kind = with_common_type({"cu_seqlens": bounds})
        batch = _abi.Batch(
            batch_size=bounds.size - 1,
            input_ids=address(read),
            token_type_ids=address(read_types),
            cu_seqlens=address(read_bounds),
            integer_type=kind,
            cu_seqlens_type=bounds_kind,
        )
        return self._run(lib.cloze_run, batch, request, ids.size, (read, read_types, read_bounds))

    def run_padded(
        self,
        input_ids: np.ndarray,
        attention_mask: Optional[np.ndarray],
        token_type_ids: Optional[np.ndarray] = None,
        *,
        output: str = "hidden",
        layer: Union[int, Sequence[int]] = -1,
        positions: Optional[np.ndarray] = None,
        out: Optional[np.ndarray] = None,
    ) -> np.ndarray:
        """Runs a padded batch, (B, S) integer arrays as other runtimes take them. Returns the same as ``run``, with
        (B, S) in place of (T,) and zeros at padding.

        attention_mask  1: token, 0: padding, anywhere in a row; None: all tokens
        positions       indices into the flattened (B, S)
        """
        ids = integers("input_ids", input_ids, "(B, S)")
        mask = None if attention_mask is None else integers("attention_mask", attention_mask, "(B, S)", ids.shape)
        types = None if token_type_ids is None else integers("token_type_ids", token_type_ids, "(B, S)", ids.shape)
        request = OutputRequest(self.info, output, ids.shape, ids.shape[0], layer, positions, out)
        (read, read_mask, read_types), kind = with_common_type(
            {"input_ids": ids, "attention_mask": mask, "token_type_ids": types})
        batch = _abi.PaddedBatch(
            batch_size=ids.shape[0],
            sequence_length=ids.shape[1],
            input_ids=address(read),
            attention_mask=address(read_mask),
            token_type_ids=address(read_types),
            integer_type=kind,
        )
        return self._run(lib.cloze_run_padded, batch, request, ids.size, (read, read_mask, read_types))

    def _run(
        self, function: Callable[..., int], batch: Any, request: OutputRequest, tokens: int, kept: object
    ) -> np.ndarray:
        self._sessions.run(
            lambda session: function(session, ctypes.byref(batch), ctypes.byref(request.struct), 1),
            tokens * self._encoder_operations + request.decoded * self._decoder_operations, (kept, request))
        if request.struct.size != request.values.size:
            raise error("internal", f"the library wrote {request.struct.size} of {request.values.size} values")
        return request.values

    def __repr__(self) -> str:
        info = self.info
        heads = f"heads {', '.join(sorted(info.heads))}" if info.heads else "no heads"
        return (
            f"<cloze.Model {self._name}: {info.num_hidden_layers} layers, hidden {info.hidden_size}, "
            f"vocabulary {info.vocab_size}, {heads}; {info.precision} on {info.isa}, "
            f"{info.threads} {'thread' if info.threads == 1 else 'threads'}>")

    def __copy__(self) -> Runner:
        return self  # a model never changes

    def __deepcopy__(self, memo: object) -> Runner:
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """A model is pickled as its path and options, and loaded again from them, on another machine too."""
        if self._source is None:
            raise TypeError(
                f"{self!r} cannot be pickled: it was not loaded by cloze.load from paths alone (its content, a Tokenizer "
                "or a head came from memory); save it and load it by its path")
        return _load_again, (self._source,)


def _load_again(source: dict[str, Any]) -> Any:
    from ._load import load

    return load(**source)
