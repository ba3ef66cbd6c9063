"""Models on text."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any, Callable, Literal, Optional, Union, overload

import numpy as np

from . import _abi
from ._arrays import address, results
from ._errors import Error, invalid
from ._library import failure, lib
from ._predict import Prediction, predict
from ._options import POOLINGS, TRUNCATIONS, count, layers, optional_count, optional_word, switch, word
from ._runner import Runner
from ._texts import Text, TextList, pack, pack_pairs, split
from ._tokenizer import Encoding, Tokenizer, target_ids, tokenize

#: One guess at a masked token: (token, id, probability).
Candidate = tuple[str, int, float]

_CANDIDATES = np.dtype(
    [("text", np.int64), ("position", np.int64), ("token_id", np.int32), ("probability", np.float32)])

#: What a byte of text costs the tokenizer, 10 MB a second, in the multiply-adds that AVX2 would do meanwhile.
_OPERATIONS_PER_BYTE = 2_500


class Model(Runner):
    """A BERT, ready to run: see ``cloze.load``. Use it from as many threads as you like; the GIL is released during
    a run, and Ctrl-C ends a long one.

    Shape letters: B texts, T tokens of all of them together, S the longest of a padded batch, D hidden size, V
    vocabulary size, P positions asked for. ``truncation`` is ``"error"``, ``"longest_first"``, ``"only_first"`` or
    ``"only_second"``; ``max_tokens`` counts ``[CLS]`` and ``[SEP]``, and None is ``info.max_tokens``. With
    ``return_truncated`` a method gives ``(result, truncated)``, truncated (B,) bool, True where a text was cut.

    What the library refuses is a ``cloze.Error``; an argument that cannot be used is a ``cloze.ArgumentError``, which
    is a ValueError too.
    """

    def tokenize(
        self, text: Text, pair: Optional[str] = None, *, max_tokens: Optional[int] = None, truncation: str = "error"
    ) -> Encoding:
        """The tokens of a text, or of a pair: two arguments, or a tuple.

        max_tokens  None: no limit where truncation is ``"error"``, else ``info.max_tokens``

        Raises Error: ``too_long``, ``no_tokenizer``.
        """
        if max_tokens is None and truncation != "error":
            max_tokens = self.info.max_tokens
        return self._own_tokenizer().encode(text, pair, max_tokens=max_tokens, truncation=truncation)

    @overload
    def embed(
        self, texts: Iterable[Text], *, pooling: Optional[str] = ..., normalize: Optional[bool] = ...,
        dimensions: Optional[int] = ..., max_tokens: Optional[int] = ..., truncation: str = ...,
        return_truncated: Literal[False] = ..., out: Optional[np.ndarray] = ...,
    ) -> np.ndarray: ...

    @overload
    def embed(
        self, texts: Iterable[Text], *, pooling: Optional[str] = ..., normalize: Optional[bool] = ...,
        dimensions: Optional[int] = ..., max_tokens: Optional[int] = ..., truncation: str = ...,
        return_truncated: Literal[True], out: Optional[np.ndarray] = ...,
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def embed(
        self,
        texts: Iterable[Text],
        *,
        pooling: Optional[str] = None,
        normalize: Optional[bool] = None,
        dimensions: Optional[int] = None,
        max_tokens: Optional[int] = None,
        truncation: str = "longest_first",
        return_truncated: bool = False,
        out: Optional[np.ndarray] = None,
    ) -> Any:
        """One vector a text, (B, D) float32, or (B, dimensions). A text's vector does not depend on the others, nor on
        the number of threads, to the last bit.

        texts       any number; scratch memory does not grow with it
        pooling     ``"mean"``, ``"cls"``, ``"max"``, ``"mean_sqrt_len"`` (the sum divided by the square root of the
                    number of tokens) or ``"pooler"``; None: ``info.pooling``
        normalize   to length 1; None: ``info.normalize``
        dimensions  keep the first so many, then normalize
        out         receives the embeddings: C-contiguous float32 of just their shape

        Raises Error: ``too_long``, ``no_head`` for the pooler, ``no_tokenizer``.
        """
        packed = pack(texts)
        options = _abi.EmbedOptions(
            max_tokens=optional_count("max_tokens", max_tokens),
            truncation=word("truncation", truncation, TRUNCATIONS),
            pooling=optional_word("pooling", pooling, POOLINGS),
            normalize=switch("normalize", normalize),
            dimensions=optional_count("dimensions", dimensions),
        )
        size = self.info.embedding_size if pooling is None else self.info.hidden_size
        if options.dimensions > size:
            raise invalid(f"dimensions is {dimensions}; the model's vectors have {size}")
        shape = (packed.count, options.dimensions or size)
        values = results(out, shape, "(B, dimensions)" if dimensions else "(B, D)")
        truncated = np.zeros(packed.count, np.uint8)
        if packed.count:
            self._call(
                lib.cloze_embed_texts, packed, options, address(values), values.size, address(truncated),
                kept=(values, truncated), tokens=packed.tokens)
        return _reported(values, truncated, return_truncated)

    @overload
    def encode(
        self, texts: Iterable[Text], *, layer: Union[int, Sequence[int]] = ..., max_tokens: Optional[int] = ...,
        truncation: str = ..., return_truncated: Literal[False] = ...,
    ) -> list[np.ndarray]: ...

    @overload
    def encode(
        self, texts: Iterable[Text], *, layer: Union[int, Sequence[int]] = ..., max_tokens: Optional[int] = ...,
        truncation: str = ..., return_truncated: Literal[True],
    ) -> tuple[list[np.ndarray], np.ndarray]: ...

    def encode(
        self,
        texts: Iterable[Text],
        *,
        layer: Union[int, Sequence[int]] = -1,
        max_tokens: Optional[int] = None,
        truncation: str = "longest_first",
        return_truncated: bool = False,
    ) -> Any:
        """The vector of every token: a list of B float32 arrays (tokens, D), parts of one block of memory.

        layer  0 is the embedding sum after LayerNorm, -1 the last layer; a sequence gives (tokens, layers, D)

        Raises Error: ``too_long``, ``no_tokenizer``.
        """
        packed = pack(texts)
        wanted, single = layers(layer)
        options = _abi.EncodeOptions(
            max_tokens=optional_count("max_tokens", max_tokens),
            truncation=word("truncation", truncation, TRUNCATIONS),
            layers=address(wanted),
            layer_count=wanted.size,
        )
        truncated = np.zeros(packed.count, np.uint8)
        if not packed.count:
            return _reported([], truncated, return_truncated)
        cu_seqlens = np.zeros(packed.count + 1, np.int64)
        places = address(cu_seqlens), address(truncated)
        kept = wanted, cu_seqlens, truncated
        self._call(lib.cloze_encode_texts, packed, options, None, 0, *places, kept=kept, tokens=0)
        total = int(cu_seqlens[-1])
        hidden = np.empty((total, wanted.size, self.info.hidden_size), np.float32)
        self._call(
            lib.cloze_encode_texts, packed, options, address(hidden), hidden.size, *places, kept=(kept, hidden),
            tokens=total)
        return _reported(_parts(hidden[:, 0] if single else hidden, cu_seqlens), truncated, return_truncated)

    @overload
    def mlm_logits(
        self, texts: Iterable[Text], *, max_tokens: Optional[int] = ..., truncation: str = ...,
        return_truncated: Literal[False] = ...,
    ) -> list[np.ndarray]: ...

    @overload
    def mlm_logits(
        self, texts: Iterable[Text], *, max_tokens: Optional[int] = ..., truncation: str = ...,
        return_truncated: Literal[True],
    ) -> tuple[list[np.ndarray], np.ndarray]: ...

    def mlm_logits(
        self,
        texts: Iterable[Text],
        *,
        max_tokens: Optional[int] = None,
        truncation: str = "longest_first",
        return_truncated: bool = False,
    ) -> Any:
        """The masked language model's logits for every token: a list of B float32 arrays (tokens, V), parts of one
        block of memory. To have them for a few tokens only, see ``run``.

        Raises Error: ``too_long``, ``no_head``, ``no_tokenizer``.
        """
        packed = pack(texts)
        limit = optional_count("max_tokens", max_tokens) or self.info.max_tokens
        cut = word("truncation", truncation, TRUNCATIONS)
        tokenizer = self._own_tokenizer()
        if not packed.count:
            return _reported([], np.zeros(0, np.bool_), return_truncated)
        batch = tokenize(tokenizer._handle, packed, limit, cut)
        logits = self.run(batch.ids, batch.cu_seqlens, batch.type_ids, output="mlm")
        return _reported(_parts(logits, batch.cu_seqlens), batch.truncated, return_truncated)

    @overload
    def fill_mask(
        self, text: Text, *, top_k: int = ..., targets: Optional[Iterable[Union[str, int]]] = ...,
        max_tokens: Optional[int] = ..., truncation: str = ..., return_truncated: Literal[False] = ...,
    ) -> list[list[Candidate]]: ...

    @overload
    def fill_mask(
        self, text: Text, *, top_k: int = ..., targets: Optional[Iterable[Union[str, int]]] = ...,
        max_tokens: Optional[int] = ..., truncation: str = ..., return_truncated: Literal[True],
    ) -> tuple[list[list[Candidate]], bool]: ...

    def fill_mask(
        self,
        text: Text,
        *,
        top_k: int = 5,
        targets: Optional[Iterable[Union[str, int]]] = None,
        max_tokens: Optional[int] = None,
        truncation: str = "longest_first",
        return_truncated: bool = False,
    ) -> Any:
        """What may stand in for each ``[MASK]``: one list a mask, in order, of (token, id, probability), best first.
        A probability is of the whole vocabulary, also with ``targets``.

        top_k    candidates of each mask
        targets  only these are ranked: tokens as the vocabulary spells them, or their ids

        Raises Error: ``invalid_text`` without a ``[MASK]``, or where it was cut off; ``no_head``, ``no_tokenizer``.
        """
        packed = TextList([split(text, "text", lists=False)])
        tokenizer = self._own_tokenizer()
        ranked = None if targets is None else target_ids(tokenizer, targets)
        options = _abi.FillMaskOptions(
            max_tokens=optional_count("max_tokens", max_tokens),
            truncation=word("truncation", truncation, TRUNCATIONS),
            top_k=count("top_k", top_k),
            targets=address(ranked),
            target_count=0 if ranked is None else ranked.size,
        )
        each = min(options.top_k, self.info.vocab_size if ranked is None else ranked.size)
        masks = max(1, sum(part.count("[MASK]") for part in ([text] if isinstance(text, str) else text)))
        found = ctypes.c_size_t()
        truncated = np.zeros(1, np.uint8)
        candidates = np.empty(masks * each, _CANDIDATES)
        while True:
            try:
                self._call(
                    lib.cloze_fill_mask, packed, options, address(candidates), candidates.size, ctypes.byref(found),
                    address(truncated), kept=(ranked, candidates, found, truncated), tokens=packed.tokens,
                    decoded=masks)
                break
            except Error as refused:
                if refused.status != "buffer_too_small" or found.value <= candidates.size:
                    raise
                # The vocabulary spells its mask in some other way than "[MASK]".
                candidates = np.empty(found.value, _CANDIDATES)
        lists: dict[int, list[Candidate]] = {}
        for _, position, id, probability in candidates[: found.value].tolist():
            lists.setdefault(position, []).append((tokenizer.token(id) or "", id, probability))
        filled = list(lists.values())
        return (filled, bool(truncated[0])) if return_truncated else filled

    @overload
    def next_sentence(
        self, pairs: Iterable[tuple[str, str]], *, max_tokens: Optional[int] = ..., truncation: str = ...,
        return_truncated: Literal[False] = ...,
    ) -> np.ndarray: ...

    @overload
    def next_sentence(
        self, pairs: Iterable[tuple[str, str]], *, max_tokens: Optional[int] = ..., truncation: str = ...,
        return_truncated: Literal[True],
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def next_sentence(
        self,
        pairs: Iterable[tuple[str, str]],
        *,
        max_tokens: Optional[int] = None,
        truncation: str = "longest_first",
        return_truncated: bool = False,
    ) -> Any:
        """The probability that the second text of each pair follows the first, (B,) float32.

        Raises Error: ``too_long``, ``no_head``, ``no_tokenizer``.
        """
        packed = pack_pairs(pairs)
        options = _abi.TokenizeOptions(
            max_tokens=optional_count("max_tokens", max_tokens), truncation=word("truncation", truncation, TRUNCATIONS))
        values = np.empty(packed.count, np.float32)
        truncated = np.zeros(packed.count, np.uint8)
        if packed.count:
            self._call(
                lib.cloze_next_sentence, packed, options, address(values), values.size, address(truncated),
                kept=(values, truncated), tokens=packed.tokens)
        return _reported(values, truncated, return_truncated)

    def predict(self, inputs: Iterable[Any]) -> list[Prediction]:
        """What the model's trained head says of each input: see ``cloze.train``, and ``cloze.load(head=)``.

        inputs  texts or pairs, as the head was trained on; for answers pairs (question, passage), the passage of any
                length; for tags texts, or lists of words

        Raises Error: ``no_head``, ``no_tokenizer``.
        """
        return predict(self, inputs)

    def _call(
        self, function: Callable[..., int], packed: TextList, options: Any, *arguments: object, kept: object,
        tokens: int, decoded: int = 0,
    ) -> None:
        """Calls a function that takes texts, options and what follows them.

        kept     owns what the addresses among the arguments refer to
        tokens   roughly, that go through the encoder;  decoded: through the MLM head
        """
        self._sessions.run(
            lambda session: function(session, ctypes.byref(packed.struct), ctypes.byref(options), *arguments),
            tokens * self._encoder_operations + decoded * self._decoder_operations
            + packed.bytes * _OPERATIONS_PER_BYTE, kept)

    def _own_tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            unused = ctypes.c_void_p()
            raise failure(lib.cloze_model_tokenizer(self._handle, ctypes.byref(unused)))
        return self.tokenizer


def _parts(values: np.ndarray, cu_seqlens: np.ndarray) -> list[np.ndarray]:
    """The rows of each sequence."""
    bounds = cu_seqlens.tolist()
    return [values[begin:end] for begin, end in zip(bounds, bounds[1:])]


def _reported(values: Any, truncated: np.ndarray, wanted: bool) -> Any:
    return (values, truncated.view(np.bool_)) if wanted else values
