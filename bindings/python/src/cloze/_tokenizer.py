"""Tokenizers and encodings."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import NoReturn, Optional

import numpy as np

from . import _abi
from ._arrays import address
from ._calls import DIRECT_BYTES, interruptible
from ._errors import error
from ._library import Handle, check, lib, receive
from ._options import TRUNCATIONS, integer, optional_count, switch, word
from ._sources import Source, content, file_name, is_content
from ._texts import Text, TextList, positions_of, split


@dataclass(frozen=True, eq=False)
class Encoding:
    """The tokens of a text, or of a pair: ``[CLS] text [SEP]`` or ``[CLS] text [SEP] pair [SEP]``."""

    #: (tokens,) int32.
    ids: np.ndarray
    #: (tokens,) int32: 0 for the first text, 1 for the second; 0 for both where the model has one type only.
    type_ids: np.ndarray
    #: The tokens of the vocabulary.
    tokens: list[str]
    #: (tokens, 2) int64: range [start, end) of each token in its own text, in code points, so that ``text[start:end]``
    #: is its source; 0, 0 for ``[CLS]`` and ``[SEP]``.
    offsets: np.ndarray
    #: (tokens,) int32: the text that offsets are in, 0 or 1; -1 for ``[CLS]`` and ``[SEP]``.
    sequence_ids: np.ndarray
    #: Whether the text was truncated.
    truncated: bool

    def __len__(self) -> int:
        return len(self.tokens)


class Tokenizer:
    """WordPiece, Unigram or BPE, equal to Hugging Face's ``tokenizers``. Immutable, can be shared between threads.

    path                  a folder, a ``tokenizer.json``, a ``vocab.txt``, a ``vocab.json`` (with ``merges.txt``) or a
                          ``sentencepiece.bpe.model``, with the settings beside it; or the content of the first, second
                          or last as ``bytes``
    lowercase             None: as the files specify, else True
    strip_accents         None: as the files specify, else as ``lowercase``
    split_special_tokens  special tokens in a text, such as ``[SEP]``, are text like any other, so that whoever writes
                          the text cannot write one; None: as the files specify, else False

    Raises Error: ``not_found``, ``io``, ``invalid_argument``, a file that is not a vocabulary.
    """

    def __init__(
        self, path: Source, *, lowercase: Optional[bool] = None, strip_accents: Optional[bool] = None,
        split_special_tokens: Optional[bool] = None,
    ) -> None:
        options = _abi.TokenizerOptions(
            lowercase=switch("lowercase", lowercase), strip_accents=switch("strip_accents", strip_accents),
            split_special_tokens=switch("split_special_tokens", split_special_tokens))
        if is_content(path):
            data = content(path)  # type: ignore[arg-type]
            handle = receive(
                lambda out: lib.cloze_tokenizer_load_memory(
                    address(data), data.size, ctypes.byref(options), out),
                lib.cloze_tokenizer_free)
        else:
            name = file_name("path", path)
            handle = receive(
                lambda out: lib.cloze_tokenizer_load(name, ctypes.byref(options), out), lib.cloze_tokenizer_free)
        self._adopt(handle)

    @classmethod
    def _of(cls, handle: Handle) -> Tokenizer:
        tokenizer = cls.__new__(cls)
        tokenizer._adopt(handle)
        return tokenizer

    def _adopt(self, handle: Handle) -> None:
        self._handle = handle
        self._spelled: dict[int, str] = {}  # cache of decoded tokens

    @property
    def vocab_size(self) -> int:
        """The number of entries; ids are 0 to vocab_size - 1."""
        return int(lib.cloze_tokenizer_vocab_size(self._handle))

    def token(self, id: int) -> Optional[str]:
        """The token with this id; None if there is none."""
        number = integer("id", id)
        token = self._spelled.get(number)
        if token is None and 0 <= number < 2**31:
            spelled = lib.cloze_tokenizer_token(self._handle, number)
            if spelled is not None:
                token = self._spelled[number] = spelled.decode("utf-8", "replace")
        return token

    def id(self, token: str) -> Optional[int]:
        """The id of this token, looked up without tokenizing (``"[MASK]"``, ``"##ing"``); None if there is none."""
        if not isinstance(token, str):
            raise TypeError(f"token is {type(token).__name__}; a str is needed")
        try:
            spelled = token.encode()
        except UnicodeEncodeError:
            return None
        number = -1 if b"\0" in spelled else lib.cloze_tokenizer_id(self._handle, spelled)
        return None if number < 0 else int(number)

    def encode(
        self, text: Text, pair: Optional[str] = None, *, max_tokens: Optional[int] = None, truncation: str = "error"
    ) -> Encoding:
        """The tokens of a text, or of a pair given as two arguments or a tuple.

        max_tokens  ``[CLS]`` and ``[SEP]`` included; None: no limit
        truncation  of longer texts: ``"error"``; ``"longest_first"``, tokens are removed one by one from the longer
                    text of a pair; ``"only_first"``; ``"only_second"``

        Raises Error: ``too_long`` if truncation is ``"error"`` or does not suffice; ``invalid_text``.
        """
        first, second = split(text, "text", lists=False) if pair is None else split((text, pair), "text")
        limit = optional_count("max_tokens", max_tokens)
        texts = TextList([(first, second)])
        batch = tokenize(self._handle, texts, limit, word("truncation", truncation, TRUNCATIONS), offsets=True)
        offsets, sequence_ids = batch.offsets, batch.sequence_ids
        assert offsets is not None and sequence_ids is not None
        for kind, part in enumerate((first, second)):
            places = None if part is None else positions_of(part)
            if places is not None:
                own = sequence_ids == kind
                offsets[own] = places[offsets[own]]
        return Encoding(
            ids=batch.ids,
            type_ids=batch.type_ids,
            tokens=[self.token(id) or "" for id in batch.ids.tolist()],
            offsets=offsets,
            sequence_ids=sequence_ids,
            truncated=bool(batch.truncated[0]),
        )

    def __len__(self) -> int:
        return self.vocab_size

    def __repr__(self) -> str:
        return f"<cloze.Tokenizer: {self.vocab_size} entries>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a cloze.Tokenizer can be neither pickled nor copied; load it where it is needed")


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """The token ids of texts, concatenated."""

    ids: np.ndarray  # (T,) int32
    type_ids: np.ndarray  # (T,) int32
    offsets: Optional[np.ndarray]  # (T, 2) int64, bytes
    sequence_ids: Optional[np.ndarray]  # (T,) int32
    cu_seqlens: np.ndarray  # (B + 1,) int64
    truncated: np.ndarray  # (B,) bool


#: Bytes of text up to which arrays are allocated for a token per byte; for more, tokens are counted first.
_COUNT_FIRST = 1 << 16


def tokenize(
    tokenizer: Handle, texts: TextList, max_tokens: int, truncation: int, *, offsets: bool = False
) -> TokenBatch:
    """Tokenizes all texts. max_tokens 0: no limit."""

    def work() -> TokenBatch:
        options = _abi.TokenizeOptions(max_tokens=max_tokens, truncation=truncation)
        cu_seqlens = np.zeros(texts.count + 1, np.int64)
        truncated = np.zeros(texts.count, np.uint8)
        encoding = _abi.Encoding(cu_seqlens=address(cu_seqlens), truncated=address(truncated))

        def call() -> int:
            return int(lib.cloze_tokenize(
                tokenizer, ctypes.byref(texts.struct), ctypes.byref(options), ctypes.byref(encoding)))

        capacity = texts.bytes + 3 * texts.count
        if texts.bytes > _COUNT_FIRST:
            check(call())
            capacity = encoding.size
        while True:
            ids = np.empty(capacity, np.int32)
            type_ids = np.empty(capacity, np.int32)
            places = np.empty((capacity, 2), np.int64) if offsets else None
            sequences = np.empty(capacity, np.int32) if offsets else None
            encoding.capacity = capacity
            encoding.ids, encoding.type_ids = address(ids), address(type_ids)
            encoding.offsets, encoding.sequence_ids = address(places), address(sequences)
            status = call()
            if status != _abi.BUFFER_TOO_SMALL or encoding.size <= capacity:
                break
            capacity = encoding.size  # a character became more tokens than it has bytes
        check(status)
        size = encoding.size
        if size < capacity:
            ids, type_ids = ids[:size].copy(), type_ids[:size].copy()
            places = None if places is None else places[:size].copy()
            sequences = None if sequences is None else sequences[:size].copy()
        return TokenBatch(ids, type_ids, places, sequences, cu_seqlens, truncated.view(np.bool_))

    return work() if texts.bytes <= DIRECT_BYTES else interruptible(work)


def is_plain(text: str) -> bool:
    """Whether C can be given a text: it is UTF-8 without zero bytes."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def target_ids(tokenizer: Tokenizer, targets: object) -> np.ndarray:
    """Ids (N,) int32, without duplicates, of tokens or ids. ArgumentError: not in the vocabulary, or none at all."""
    if isinstance(targets, (str, bytes)) or not hasattr(targets, "__iter__"):
        raise TypeError(f"targets is {type(targets).__name__}; pass a list of tokens")
    ids: dict[int, None] = {}
    for target in targets:
        id = tokenizer.id(target) if isinstance(target, str) else integer("a target", target)
        if id is None and is_plain(target):
            # Says what the tokenizer makes of it instead.
            check(lib.cloze_tokenizer_lookup(tokenizer._handle, target.encode(), ctypes.byref(ctypes.c_int32())))
        if id is None or not 0 <= id < 2**31:
            raise error("invalid_argument", f"{target!r} is not in the vocabulary")
        ids[id] = None
    if not ids:
        raise error("invalid_argument", "targets is empty; name at least one token, or leave it out")
    return np.fromiter(ids, np.int32, len(ids))
