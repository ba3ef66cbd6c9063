"""Running models on text."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, Literal, Optional, Union, overload

import numpy as np

from . import _abi
from ._arrays import address, growing, result_array
from ._arrow import TextColumn
from ._errors import invalid
from ._evaluation import Evaluation
from ._library import failure, lib
from ._options import POOLINGS, TRUNCATIONS, count, layers, optional_count, optional_word, prompt_name, switch, word
from ._predict import Prediction, predict, rerank
from ._quantize import checked_ranges, quantize
from ._runner import Runner
from ._sessions import Progress
from ._texts import Text, TextList, pack, pack_pairs, split
from ._tokenizer import Encoding, Tokenizer, target_ids, tokenize

#: A candidate for a masked token: (token, id, probability).
Candidate = tuple[str, int, float]

_CANDIDATES = np.dtype(
    [("text", np.int64), ("position", np.int64), ("token_id", np.int32), ("probability", np.float32)])

#: The tokenizer's time per byte of text, at 10 MB/s, as multiply-adds of AVX2 at 25 billion per second.
_OPERATIONS_PER_BYTE = 2_500


class Model(Runner):
    """A loaded BERT: see ``cloze.load``. Safe to use from any number of threads at once; the GIL is released during a
    run, and Ctrl-C interrupts a long one.

    Shape letters: B texts, T tokens of the batch, S length of a padded batch, D hidden size, E embedding size, V
    vocabulary size, P positions asked for, C labels of a head. ``truncation`` is ``"error"``, ``"longest_first"``,
    ``"only_first"`` or ``"only_second"``; ``max_tokens`` includes ``[CLS]`` and ``[SEP]``, None is
    ``info.max_tokens``. With ``return_truncated`` a method returns ``(result, truncated)``, truncated (B,) bool, True
    for each text that was truncated.

    Failures are raised as ``cloze.Error``, invalid arguments as ``cloze.ArgumentError``, which is also a ValueError.
    """

    #: What labels were given as to the training of the head, by their texts.
    _label_values: Mapping[str, Any] = {}

    def tokenize(
        self, text: Text, pair: Optional[str] = None, *, max_tokens: Optional[int] = None, truncation: str = "error"
    ) -> Encoding:
        """The tokens of a text, or of a pair given as two arguments or a tuple.

        max_tokens  None: no limit if truncation is ``"error"``, else ``info.max_tokens``

        Raises Error: ``too_long``, ``no_tokenizer``.
        """
        if max_tokens is None and truncation != "error":
            max_tokens = self.info.max_tokens
        return self._own_tokenizer().encode(text, pair, max_tokens=max_tokens, truncation=truncation)

    @overload
    def embed(
        self, texts: Iterable[Text], *, pooling: Optional[str] = ..., normalize: Optional[bool] = ...,
        dimensions: Optional[int] = ..., max_tokens: Optional[int] = ..., truncation: str = ...,
        prompt: Optional[str] = ..., progress: Optional[Progress] = ..., dtype: str = ...,
        ranges: Optional[np.ndarray] = ..., return_truncated: Literal[False] = ..., out: Optional[np.ndarray] = ...,
    ) -> np.ndarray: ...

    @overload
    def embed(
        self, texts: Iterable[Text], *, pooling: Optional[str] = ..., normalize: Optional[bool] = ...,
        dimensions: Optional[int] = ..., max_tokens: Optional[int] = ..., truncation: str = ...,
        prompt: Optional[str] = ..., progress: Optional[Progress] = ..., dtype: str = ...,
        ranges: Optional[np.ndarray] = ..., return_truncated: Literal[True], out: Optional[np.ndarray] = ...,
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
        prompt: Optional[str] = None,
        progress: Optional[Progress] = None,
        dtype: str = "float32",
        ranges: Optional[np.ndarray] = None,
        return_truncated: bool = False,
        out: Optional[np.ndarray] = None,
    ) -> Any:
        """An embedding per text, float32: (B, E), E = ``info.embedding_size``; (B, D) if ``pooling`` is given, as what
        follows the model's own pooling belongs to that one; (B, dimensions) if that is. A text's embedding is
        bit-identical in any batch and on any number of threads.

        texts       any number; scratch memory does not depend on it. An Arrow column of strings is read in place
        pooling     ``"mean"``, ``"cls"``, ``"max"``, ``"mean_sqrt_len"`` (the sum divided by the square root of the
                    number of tokens), ``"pooler"``, ``"last_token"`` or ``"weighted_mean"`` (of tokens i from 1 the
                    sum of i h[i], divided by the sum of i); None: ``info.pooling``
        normalize   scale to length 1; None: ``info.normalize``
        dimensions  keep the first so many, before normalizing
        prompt      put before each text, or the first of a pair: a name out of ``info.prompts``; ``""``: nothing; None:
                    ``info.default_prompt``, if there is one
        progress    called as ``progress(done, total)``, numbers of texts, on the calling thread: at most ten times a
                    second, and in the end; an exception that it raises ends the call
        dtype       other elements, for indexes, with ``ranges``: see ``cloze.quantize``
        out         C-contiguous float32 array of the result's shape, to write to

        Raises Error: ``too_long``, ``no_head`` (pooler), ``no_tokenizer``.
        """
        chosen = prompt_name(prompt, self.info.prompts)
        if progress is not None and not callable(progress):
            raise TypeError(f"progress is {type(progress).__name__}; a function of two numbers is needed")
        packed = pack(texts)
        options = _abi.EmbedOptions(
            max_tokens=optional_count("max_tokens", max_tokens),
            truncation=word("truncation", truncation, TRUNCATIONS),
            pooling=optional_word("pooling", pooling, POOLINGS),
            normalize=switch("normalize", normalize),
            dimensions=optional_count("dimensions", dimensions),
            prompt=chosen,
        )
        size = self.info.embedding_size if pooling is None else self.info.hidden_size
        if options.dimensions > size:
            raise invalid(f"dimensions is {dimensions}; the model's vectors have {size}")
        shape = (packed.count, options.dimensions or size)
        ranges = checked_ranges(dtype, ranges, shape[1])
        if out is not None and dtype != "float32":
            raise invalid(f'out is given; it is for float32, and dtype is "{dtype}"')
        values = result_array(out, shape, "(B, dimensions)" if dimensions else "(B, D)" if pooling else "(B, E)")
        truncated = np.zeros(packed.count, np.uint8)
        if packed.count:
            self._call(
                lib.cloze_embed_texts, packed, options, address(values), values.size, address(truncated),
                kept=(values, truncated), tokens=packed.tokens, progress=progress)
        if progress is not None:
            progress(packed.count, packed.count)
        if dtype != "float32":
            values = quantize(values, dtype, ranges)
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
        """The hidden states of every token: a list of B float32 arrays (tokens, D), views of one array.

        layer  0: the embeddings after LayerNorm; -1: the last layer; a sequence of layers gives (tokens, layers, D)

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
        """The masked language model's logits for every token: a list of B float32 arrays (tokens, V), views of one
        array. ``run`` with ``positions`` computes them for selected tokens only.

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

    @overload
    def fill_mask(
        self, text: list[Text], *, top_k: int = ..., targets: Optional[Iterable[Union[str, int]]] = ...,
        max_tokens: Optional[int] = ..., truncation: str = ..., return_truncated: Literal[False] = ...,
    ) -> list[list[list[Candidate]]]: ...

    @overload
    def fill_mask(
        self, text: list[Text], *, top_k: int = ..., targets: Optional[Iterable[Union[str, int]]] = ...,
        max_tokens: Optional[int] = ..., truncation: str = ..., return_truncated: Literal[True],
    ) -> tuple[list[list[list[Candidate]]], np.ndarray]: ...

    def fill_mask(
        self,
        text: Union[Text, list[Text]],
        *,
        top_k: int = 5,
        targets: Optional[Iterable[Union[str, int]]] = None,
        max_tokens: Optional[int] = None,
        truncation: str = "longest_first",
        return_truncated: bool = False,
    ) -> Any:
        """The most probable tokens for each ``[MASK]``: a list per mask, in order, of (token, id, probability) in
        descending probability; for a list of texts, a list of these. Probabilities are over the whole vocabulary, with
        ``targets`` too.

        top_k    candidates per mask
        targets  ranks only these: tokens of the vocabulary, or their ids

        Raises Error: ``invalid_text`` if a text has no ``[MASK]``, or it was truncated; ``no_head``;
        ``no_tokenizer``.
        """
        if isinstance(text, list):
            packed = TextList(split(one, f"text[{index}]") for index, one in enumerate(text))
        else:
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
        # A vocabulary whose mask token is not "[MASK]" may have more masks.
        given = text if isinstance(text, list) else [text]
        parts = [part for one in given for part in ([one] if isinstance(one, str) else one)]
        masks = max(packed.count, sum(part.count("[MASK]") for part in parts))
        found = ctypes.c_size_t()
        truncated = np.zeros(packed.count, np.uint8)

        def write(candidates: np.ndarray) -> None:
            self._call(
                lib.cloze_fill_mask, packed, options, address(candidates), candidates.size, ctypes.byref(found),
                address(truncated), kept=(ranked, candidates, found, truncated), tokens=packed.tokens, decoded=masks)

        filled: list[dict[int, list[Candidate]]] = [{} for _ in range(packed.count)]
        if packed.count:
            candidates = growing(write, _CANDIDATES, masks * each, found)
            for index, position, id, probability in candidates.tolist():
                filled[index].setdefault(position, []).append((tokenizer.token(id) or "", id, probability))
        results: Any = [list(lists.values()) for lists in filled]
        cut: Any = truncated.view(np.bool_)
        if not isinstance(text, list):
            results, cut = results[0], bool(cut[0])
        return (results, cut) if return_truncated else results

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
        """The head's prediction for each input, as ``info.task`` says: of a trained head (see ``cloze.train`` and
        ``cloze.load(head=)``), or of the classes, tags or answers that the model's own file brings.

        inputs  texts or pairs, as a trained head was trained on, either for classes of a model's file; answering: pairs
                (question, passage); tagging: texts or lists of words. Passages and texts to tag may have any length.

        Raises Error: ``no_head``, ``no_tokenizer``.
        """
        return predict(self, inputs)

    def evaluate(
        self, data: Any, *, task: Optional[str] = None, progress: Optional[Progress] = None, **format: Any
    ) -> Evaluation:
        """How the head, trained or of the model's own file, does on labelled examples: metrics under the names of
        training, beside a baseline that reads no text, scores of each label and type of entity, the confusion matrix
        and the predictions that are most wrong.

        data      a file, or a list of labelled examples, as ``cloze.train`` takes them
        task      None: ``info.task``, or that of a trained masked language model; ``"mlm"`` and ``"nsp"`` judge the
                  heads that a model has of its own; ``"classify-pairs"`` and ``"regress-pairs"`` read files of pairs
                  for a file's head, as a ``pair`` does
        progress  called as ``progress(done, total)`` as by ``embed``
        format    of a file: text, pair, label, separator, quotes, header, format, skip_bad; the last leaves out
                  examples with a label that the head does not know, too, which else are an error

        Warns of what is odd about the data, and where the head is not better than the baseline. Raises Error:
        ``invalid_text``, naming the example; ``no_head``; ``invalid_argument`` for a task that the head does not answer.
        """
        from ._evaluate import evaluate

        return evaluate(self, data, task, progress, format)

    def rerank(
        self, query: str, documents: Iterable[str], *, top_k: Optional[int] = None
    ) -> list[tuple[int, float]]:
        """The documents by relevance to the query: (index, score), best first, equal ones in their order. The model's
        head reads query and document together (a cross-encoder); the score is the sigmoid of its one output, whatever
        function the model's files name, or the probability of the second of two classes.

        top_k  the number of documents to return; None: all

        Raises Error: ``no_head``, ``no_tokenizer``.
        """
        return rerank(self, query, documents, optional_count("top_k", top_k))

    def _call(
        self, function: Callable[..., int], packed: Union[TextList, TextColumn], options: Any, *arguments: object, kept: object,
        tokens: int, decoded: int = 0, progress: Optional[Progress] = None,
    ) -> None:
        """Calls a function of the library with a session, texts, options and further arguments.

        kept     owns the arrays that addresses in the arguments refer to
        tokens   estimate of tokens through the encoder;  decoded: through the MLM head
        """
        self._sessions.run(
            lambda session: function(session, ctypes.byref(packed.struct), ctypes.byref(options), *arguments),
            tokens * self._encoder_operations + decoded * self._decoder_operations
            + packed.bytes * _OPERATIONS_PER_BYTE, kept, progress)

    def _own_tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            unused = ctypes.c_void_p()
            raise failure(lib.cloze_model_tokenizer(self._handle, ctypes.byref(unused)))
        return self.tokenizer


def _parts(values: np.ndarray, cu_seqlens: np.ndarray) -> list[np.ndarray]:
    """Views of the rows of each sequence."""
    bounds = cu_seqlens.tolist()
    return [values[begin:end] for begin, end in zip(bounds, bounds[1:])]


def _reported(values: Any, truncated: np.ndarray, wanted: bool) -> Any:
    return (values, truncated.view(np.bool_)) if wanted else values
