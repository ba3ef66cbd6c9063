"""The C ABI of ``include/cloze.h`` in ctypes: constants, structs and prototypes, in the order of the header.

Names are those of the header without the ``cloze_`` prefix. Pointer fields to arrays are ``c_void_p`` and hold the
address of a NumPy array; the caller keeps the array alive until the call returns.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

_status = c_int32
_address = c_void_p


class Sized(ctypes.Structure):
    """A struct whose first field is ``struct_size``, set here; other fields are 0 unless given."""

    def __init__(self, **fields: object) -> None:
        super().__init__(struct_size=ctypes.sizeof(type(self)), **fields)


# ---- 1. Version, status, errors ----------------------------------------------------------------------------------

OK = 0
INVALID_ARGUMENT = 1
NOT_FOUND = 2
IO = 3
INVALID_MODEL = 4
UNSUPPORTED_MODEL = 5
INVALID_TEXT = 6
TOO_LONG = 7
NO_TOKENIZER = 8
NO_HEAD = 9
BUFFER_TOO_SMALL = 10
UNSUPPORTED_ISA = 11
CANCELLED = 12
BUSY = 13
OUT_OF_MEMORY = 14
INTERNAL = 15

PROTOTYPES: dict[str, tuple[object, list[object]]] = {
    "cloze_version": (c_char_p, []),
    "cloze_status_name": (c_char_p, [_status]),
    "cloze_last_error": (c_char_p, []),
}

# ---- 2. Tokenizers -----------------------------------------------------------------------------------------------


class TokenizerOptions(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("lowercase", c_int32),
        ("strip_accents", c_int32),
        ("split_special_tokens", c_int32),
    ]


class Texts(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("count", c_size_t),
        ("texts", _address),
        ("lengths", _address),
        ("pairs", _address),
        ("pair_lengths", _address),
    ]


TRUNCATION_DEFAULT = 0
TRUNCATION_ERROR = 1
TRUNCATION_LONGEST_FIRST = 2
TRUNCATION_ONLY_FIRST = 3
TRUNCATION_ONLY_SECOND = 4


class TokenizeOptions(Sized):
    _fields_ = [("struct_size", c_size_t), ("max_tokens", c_int32), ("truncation", c_int32)]


class Encoding(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("capacity", c_size_t),
        ("ids", _address),
        ("type_ids", _address),
        ("offsets", _address),
        ("cu_seqlens", _address),
        ("truncated", _address),
        ("size", c_size_t),
        ("sequence_ids", _address),
    ]


class VocabularyOptions(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("lowercase", c_int32),
        ("strip_accents", c_int32),
        ("min_frequency", c_int32),
        ("limit_alphabet", c_int32),
        ("threads", c_int32),
        ("overwrite", c_int32),
    ]


PROTOTYPES.update({
    "cloze_tokenizer_load": (_status, [c_char_p, _address, _address]),
    "cloze_tokenizer_load_memory": (_status, [_address, c_size_t, _address, _address]),
    "cloze_tokenizer_free": (None, [c_void_p]),
    "cloze_tokenizer_vocab_size": (c_int32, [c_void_p]),
    "cloze_tokenizer_token": (c_char_p, [c_void_p, c_int32]),
    "cloze_tokenizer_id": (c_int32, [c_void_p, c_char_p]),
    "cloze_tokenizer_lookup": (_status, [c_void_p, c_char_p, _address]),
    "cloze_tokenize": (_status, [c_void_p, _address, _address, _address]),
    "cloze_vocabulary_train": (
        _status, [_address, c_size_t, c_int32, c_char_p, _address, _address, c_size_t, _address]),
})

# ---- 3. Models ---------------------------------------------------------------------------------------------------

PRECISION_DEFAULT = 0
PRECISION_INT8 = 1
PRECISION_FLOAT32 = 2


class LoadOptions(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("precision", c_int32),
        ("threads", c_int32),
        ("isa", c_char_p),
        ("tokenizer", c_void_p),
    ]


class ConvertOptions(Sized):
    _fields_ = [
        ("struct_size", c_size_t), ("precision", c_int32), ("threads", c_int32), ("tokenizer", c_void_p),
        ("head", c_char_p),
    ]


EXPORT_DEFAULT = 0
EXPORT_FLOAT32 = 1
EXPORT_FLOAT16 = 2
EXPORT_INT8 = 3


class ExportOptions(Sized):
    _fields_ = [("struct_size", c_size_t), ("format", c_int32), ("threads", c_int32), ("head", c_char_p)]


HEAD_POOLER = 1
HEAD_MLM = 2
HEAD_NSP = 4
HEAD_CLASSES = 8
HEAD_TAGS = 16
HEAD_ANSWER = 32

POOLING_DEFAULT = 0
POOLING_MEAN = 1
POOLING_CLS = 2
POOLING_MAX = 3
POOLING_MEAN_SQRT_LEN = 4
POOLING_POOLER = 5
POOLING_LAST_TOKEN = 6
POOLING_WEIGHTED_MEAN = 7


class Info(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("hidden_size", c_int32),
        ("num_hidden_layers", c_int32),
        ("num_attention_heads", c_int32),
        ("intermediate_size", c_int32),
        ("vocab_size", c_int32),
        ("max_position_embeddings", c_int32),
        ("type_vocab_size", c_int32),
        ("max_tokens", c_int32),
        ("precision", c_int32),
        ("heads", c_uint32),
        ("pooling", c_int32),
        ("normalize", c_int32),
        ("has_tokenizer", c_int32),
        ("embedding_size", c_int32),
        ("weight_bytes", c_uint64),
        ("isa", c_char_p),
        ("label_count", c_int32),
        ("reserved", c_int32),
    ]


PROTOTYPES.update({
    "cloze_model_load": (_status, [c_char_p, _address, _address]),
    "cloze_model_load_memory": (_status, [_address, c_size_t, _address, _address]),
    "cloze_model_free": (None, [c_void_p]),
    "cloze_model_info": (_status, [c_void_p, _address]),
    "cloze_model_label": (_status, [c_void_p, c_int32, _address, c_size_t, _address]),
    "cloze_model_prompts": (_status, [c_void_p, _address, c_size_t, _address]),
    "cloze_model_tokenizer": (_status, [c_void_p, _address]),
    "cloze_inspect": (_status, [c_char_p, _address, c_size_t, _address]),
    "cloze_convert": (_status, [c_char_p, c_char_p, _address]),
    "cloze_export": (_status, [c_char_p, c_char_p, _address]),
    "cloze_model_export": (_status, [c_void_p, c_char_p, _address]),
})

# ---- 4. Sessions -------------------------------------------------------------------------------------------------


class SessionOptions(Sized):
    _fields_ = [("struct_size", c_size_t), ("threads", c_int32)]


PROTOTYPES.update({
    "cloze_session_create": (_status, [c_void_p, _address, _address]),
    "cloze_session_free": (None, [c_void_p]),
    "cloze_session_threads": (c_int32, [c_void_p]),
    "cloze_cancel": (None, [c_void_p]),
    "cloze_session_progress": (None, [c_void_p, _address, _address]),
})

# ---- 5. Running on token ids -------------------------------------------------------------------------------------

INT32 = 0
INT64 = 1
INT16 = 2
INT8 = 3
UINT64 = 4
UINT32 = 5
UINT16 = 6
UINT8 = 7


class Batch(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("batch_size", c_int64),
        ("input_ids", _address),
        ("token_type_ids", _address),
        ("cu_seqlens", _address),
        ("integer_type", c_int32),
        ("cu_seqlens_type", c_int32),
    ]


class PaddedBatch(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("batch_size", c_int64),
        ("sequence_length", c_int64),
        ("input_ids", _address),
        ("attention_mask", _address),
        ("token_type_ids", _address),
        ("integer_type", c_int32),
        ("reserved", c_int32),
    ]


OUTPUT_HIDDEN = 1
OUTPUT_EMBEDDING = 2
OUTPUT_POOLER = 3
OUTPUT_MLM = 4
OUTPUT_NSP = 5
OUTPUT_CLASSES = 6
OUTPUT_TAGS = 7
OUTPUT_ANSWER = 8


class Output(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("pooling", c_int32),
        ("normalize", c_int32),
        ("dimensions", c_int32),
        ("layers", _address),
        ("layer_count", c_size_t),
        ("positions", _address),
        ("position_count", c_size_t),
        ("values", _address),
        ("capacity", c_size_t),
        ("size", c_size_t),
    ]


PROTOTYPES.update({
    "cloze_run": (_status, [c_void_p, _address, _address, c_size_t]),
    "cloze_run_padded": (_status, [c_void_p, _address, _address, c_size_t]),
})

# ---- 6. Running on text ------------------------------------------------------------------------------------------


class EmbedOptions(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_tokens", c_int32),
        ("truncation", c_int32),
        ("pooling", c_int32),
        ("normalize", c_int32),
        ("dimensions", c_int32),
        ("prompt", c_char_p),
    ]


class EncodeOptions(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_tokens", c_int32),
        ("truncation", c_int32),
        ("layers", _address),
        ("layer_count", c_size_t),
    ]


class FillMaskOptions(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_tokens", c_int32),
        ("truncation", c_int32),
        ("top_k", c_int32),
        ("reserved", c_int32),
        ("targets", _address),
        ("target_count", c_size_t),
    ]


class Candidate(ctypes.Structure):
    _fields_ = [("text", c_int64), ("position", c_int64), ("token_id", c_int32), ("probability", c_float)]


PROTOTYPES.update({
    "cloze_embed_texts": (_status, [c_void_p, _address, _address, _address, c_size_t, _address]),
    "cloze_encode_texts": (_status, [c_void_p, _address, _address, _address, c_size_t, _address, _address]),
    "cloze_fill_mask": (_status, [c_void_p, _address, _address, _address, c_size_t, _address, _address]),
    "cloze_next_sentence": (_status, [c_void_p, _address, _address, _address, c_size_t, _address]),
})


# ---- 7. Heads: predicting and training ------------------------------------------------------------------------------


class Prediction(ctypes.Structure):
    _fields_ = [("text", c_int64), ("begin", c_int64), ("end", c_int64), ("label", c_int32), ("score", c_float)]


class Entity(ctypes.Structure):
    _fields_ = [("begin", c_int64), ("end", c_int64), ("type_begin", c_int64)]


SET_TRAIN = 0
SET_VALID = 1


class Example(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("text", c_char_p),
        ("pair", c_char_p),
        ("labels", _address),
        ("label_count", c_size_t),
        ("words", _address),
        ("word_count", c_size_t),
        ("offsets", _address),
        ("value", c_double),
    ]


class TrainingProgress(Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("done", c_int64),
        ("total", c_int64),
        ("epoch", c_int32),
        ("ended", c_int32),
        ("loss", c_double),
        ("metric", c_double),
    ]


TRAINING_CALLBACK = ctypes.CFUNCTYPE(c_int32, c_void_p, ctypes.POINTER(TrainingProgress))

PROTOTYPES.update({
    "cloze_model_with_head": (_status, [c_void_p, c_char_p, _address]),
    "cloze_model_task": (c_char_p, [c_void_p]),
    "cloze_predict": (_status, [c_void_p, _address, _address, c_size_t, _address, _address]),
    "cloze_entities": (_status, [_address, c_size_t, _address, c_size_t, _address]),
    "cloze_rerank": (_status, [c_void_p, _address, c_int32, _address, c_size_t, _address, _address]),
    "cloze_trainer_create": (_status, [c_void_p, c_char_p, c_char_p, _address]),
    "cloze_trainer_free": (None, [c_void_p]),
    "cloze_trainer_add": (_status, [c_void_p, c_int32, _address]),
    "cloze_trainer_add_file": (_status, [c_void_p, c_int32, c_char_p, c_char_p]),
    "cloze_trainer_remarks": (_status, [c_void_p, _address, c_size_t, _address]),
    "cloze_trainer_run": (_status, [c_void_p, c_void_p, c_void_p]),
    "cloze_trainer_metrics": (_status, [c_void_p, _address, c_size_t, _address]),
    "cloze_trainer_save": (_status, [c_void_p, c_char_p]),
    "cloze_trainer_model": (_status, [c_void_p, _address]),
})


# ---- 8. Evaluating heads -----------------------------------------------------------------------------------------

PROTOTYPES.update({
    "cloze_evaluation_create": (_status, [c_void_p, c_char_p, _address]),
    "cloze_evaluation_free": (None, [c_void_p]),
    "cloze_evaluation_add": (_status, [c_void_p, _address]),
    "cloze_evaluation_add_file": (_status, [c_void_p, c_char_p, c_char_p]),
    "cloze_evaluation_run": (_status, [c_void_p, c_void_p]),
    "cloze_evaluation_result": (_status, [c_void_p, _address, c_size_t, _address]),
    "cloze_evaluation_report": (_status, [c_void_p, c_char_p]),
    "cloze_trainer_evaluation": (_status, [c_void_p, _address, c_size_t, _address]),
    "cloze_trainer_report": (_status, [c_void_p, c_char_p]),
})


# ---- 9. Searching vectors ----------------------------------------------------------------------------------------


class IndexOptions(Sized):
    _fields_ = [("struct_size", c_size_t), ("precision", c_int32), ("threads", c_int32)]


class NeighborPair(ctypes.Structure):
    _fields_ = [("first", c_int64), ("second", c_int64), ("score", c_float), ("reserved", c_int32)]


PROTOTYPES.update({
    "cloze_index_create": (_status, [_address, c_size_t, c_size_t, _address, _address]),
    "cloze_index_free": (None, [c_void_p]),
    "cloze_index_search": (_status, [c_void_p, _address, c_size_t, c_size_t, _address, _address, c_size_t]),
    "cloze_index_pairs": (_status, [c_void_p, c_float, c_size_t, c_size_t, _address, c_size_t, _address]),
    "cloze_search": (
        _status,
        [_address, c_size_t, c_size_t, _address, c_size_t, c_size_t, c_int32, _address, _address, c_size_t]),
})


def declare(library: ctypes.CDLL) -> None:
    """Declares argument and result types of every function. AttributeError: the library lacks one."""
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
