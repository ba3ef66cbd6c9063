/* cloze.h: the C ABI of Cloze, an inference runtime for BERT.
 *
 * Four rules.
 *
 * Threads.    cloze_model and cloze_tokenizer are immutable: share them between threads. A cloze_session holds scratch
 *             memory and worker threads and runs one call at a time; a second call meanwhile returns CLOZE_BUSY.
 *             cloze_cancel may be called from any thread. After fork() the child can use a session on which no call
 *             was running.
 * Ownership.  Handles from *_load and *_create functions are freed with the *_free function of their type, in any order
 *             and on any thread: a session keeps its model alive. Freeing NULL does nothing. Arrays and strings passed
 *             in are only read, and only during the call; results are written to buffers of the caller.
 * Errors.     A call that can fail returns a cloze_status; cloze_last_error() then gives a sentence that names the
 *             cause, kept per thread until the next failing call on that thread. A failed call creates no handle; the
 *             contents of its result buffers are unspecified.
 * Boundary.   Structs begin with struct_size = sizeof(the struct); in every other field zero means the default. A
 *             larger struct, from a newer header, is accepted if the fields unknown to this library are zero. Text is
 *             UTF-8. Float results are float32, row-major and dense. Sizes of buffers are counted in elements.
 *             dlclose() leaves the library loaded; it may be opened again, and a second copy may be loaded beside it.
 *
 * Shape letters: B sequences, T tokens of the batch, S longest sequence, D hidden size, E embedding size, V vocabulary
 * size, P positions asked for, C labels of a head.
 */
#ifndef CLOZE_H
#define CLOZE_H

#include <stddef.h>
#include <stdint.h>

#define CLOZE_VERSION_MAJOR 0
#define CLOZE_VERSION_MINOR 1
#define CLOZE_VERSION_PATCH 0

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-extension"
#define CLOZE_NONNULL _Nonnull
#define CLOZE_NULLABLE _Nullable
#else
#define CLOZE_NONNULL
#define CLOZE_NULLABLE
#endif

#if defined(__GNUC__)
#define CLOZE_API __attribute__((visibility("default")))
#else
#define CLOZE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Version, status, errors --------------------------------------------------------------------------------- */

typedef int32_t cloze_status;
#define CLOZE_OK 0
#define CLOZE_INVALID_ARGUMENT 1   /* NULL handle, value out of range, struct from a newer header */
#define CLOZE_NOT_FOUND 2          /* no such file, or no model in the folder */
#define CLOZE_IO 3                 /* reading or writing a file failed */
#define CLOZE_INVALID_MODEL 4      /* damaged file, inconsistent shapes, NaN or infinite weights */
#define CLOZE_UNSUPPORTED_MODEL 5  /* a valid file, but not a BERT that this library supports */
#define CLOZE_INVALID_TEXT 6       /* not UTF-8, without what the call needs, such as a [MASK], or with a token that
                                      the model has no row for */
#define CLOZE_TOO_LONG 7           /* more tokens than the model or the call's limit allows */
#define CLOZE_NO_TOKENIZER 8       /* the model has none and none was given */
#define CLOZE_NO_HEAD 9            /* the model lacks the head that the output needs */
#define CLOZE_BUFFER_TOO_SMALL 10  /* the message says how many elements are needed */
#define CLOZE_UNSUPPORTED_ISA 11   /* a forced instruction set that this CPU lacks */
#define CLOZE_CANCELLED 12         /* cloze_cancel was called */
#define CLOZE_BUSY 13              /* another call is running on this session */
#define CLOZE_OUT_OF_MEMORY 14
#define CLOZE_INTERNAL 15          /* a bug in the library; please report it */

/* The library's version, "major.minor.patch". */
CLOZE_API const char *CLOZE_NONNULL cloze_version(void);

/* The status in lower case and without prefix, "invalid_argument"; "unknown" for other numbers. */
CLOZE_API const char *CLOZE_NONNULL cloze_status_name(cloze_status status);

/* The message of this thread's last failed call; "" before the first. Valid until the next failed call on this
 * thread. */
CLOZE_API const char *CLOZE_NONNULL cloze_last_error(void);

/* ---- 2. Tokenizers ----------------------------------------------------------------------------------------------- */

/* WordPiece, Unigram or BPE, equal to Hugging Face's `tokenizers`. Immutable. */
typedef struct cloze_tokenizer cloze_tokenizer;

typedef struct cloze_tokenizer_options {
  size_t struct_size;
  int32_t lowercase;     /* 0: as the files say, else BERT's default (yes); 1: yes; 2: no */
  int32_t strip_accents; /* the same; BERT's default follows lowercase */
  int32_t split_special_tokens; /* special tokens in a text are text: 0: as the files say, else no; 1: yes; 2: no */
} cloze_tokenizer_options;

/* Loads a tokenizer from a folder, tokenizer.json, vocab.txt, vocab.json (with merges.txt) or sentencepiece.bpe.model,
 * with the settings beside it. options may be NULL. */
CLOZE_API cloze_status cloze_tokenizer_load(
    const char *CLOZE_NULLABLE path, const cloze_tokenizer_options *CLOZE_NULLABLE options,
    cloze_tokenizer *CLOZE_NULLABLE *CLOZE_NULLABLE tokenizer);

/* The same from the bytes of a vocab.txt, tokenizer.json or sentencepiece.bpe.model. */
CLOZE_API cloze_status cloze_tokenizer_load_memory(
    const void *CLOZE_NULLABLE bytes, size_t size, const cloze_tokenizer_options *CLOZE_NULLABLE options,
    cloze_tokenizer *CLOZE_NULLABLE *CLOZE_NULLABLE tokenizer);

CLOZE_API void cloze_tokenizer_free(cloze_tokenizer *CLOZE_NULLABLE tokenizer);

/* The number of entries; ids are 0 to vocab_size - 1. 0 for NULL. */
CLOZE_API int32_t cloze_tokenizer_vocab_size(const cloze_tokenizer *CLOZE_NULLABLE tokenizer);

/* The token with this id, valid as long as the tokenizer; NULL if there is none. */
CLOZE_API const char *CLOZE_NULLABLE cloze_tokenizer_token(
    const cloze_tokenizer *CLOZE_NULLABLE tokenizer, int32_t id);

/* The id of this token, looked up without tokenizing ("[MASK]", "##ing"); -1 if there is none. */
CLOZE_API int32_t cloze_tokenizer_id(
    const cloze_tokenizer *CLOZE_NULLABLE tokenizer, const char *CLOZE_NULLABLE token);

/* The same for a token that must be there: CLOZE_INVALID_ARGUMENT otherwise, and the message says what the tokenizer
 * makes of it instead, such as "war" of "War". *id is then -1. */
CLOZE_API cloze_status cloze_tokenizer_lookup(
    const cloze_tokenizer *CLOZE_NULLABLE tokenizer, const char *CLOZE_NULLABLE token, int32_t *CLOZE_NULLABLE id);

/* A list of texts, or of pairs of texts. */
typedef struct cloze_texts {
  size_t struct_size;
  size_t count;                                                     /* B */
  const char *CLOZE_NULLABLE const *CLOZE_NULLABLE texts;           /* [B] */
  const size_t *CLOZE_NULLABLE lengths;                             /* [B] bytes; NULL: texts end at NUL */
  const char *CLOZE_NULLABLE const *CLOZE_NULLABLE pairs;           /* [B] second texts, each may be NULL; NULL: none */
  const size_t *CLOZE_NULLABLE pair_lengths;                        /* [B] bytes; NULL: pairs end at NUL */
} cloze_texts;

/* How a text of more than max_tokens tokens is handled. */
typedef int32_t cloze_truncation;
#define CLOZE_TRUNCATION_DEFAULT 0       /* ERROR in cloze_tokenize, LONGEST_FIRST elsewhere */
#define CLOZE_TRUNCATION_ERROR 1         /* fail with CLOZE_TOO_LONG */
#define CLOZE_TRUNCATION_LONGEST_FIRST 2 /* remove tokens one by one from the longer text of a pair */
#define CLOZE_TRUNCATION_ONLY_FIRST 3
#define CLOZE_TRUNCATION_ONLY_SECOND 4

typedef struct cloze_tokenize_options {
  size_t struct_size;
  int32_t max_tokens; /* per sequence, [CLS] and [SEP] included; 0: no limit */
  cloze_truncation truncation;
} cloze_tokenize_options;

/* Output arrays of cloze_tokenize. Each may be NULL. */
typedef struct cloze_encoding {
  size_t struct_size;
  size_t capacity;                     /* of ids, type_ids and offsets, in tokens */
  int32_t *CLOZE_NULLABLE ids;         /* [T] */
  int32_t *CLOZE_NULLABLE type_ids;    /* [T] 0 for the first text, 1 for the second */
  int64_t *CLOZE_NULLABLE offsets;     /* [T, 2] byte range [begin, end) in the token's own text; 0, 0 for
                                          [CLS] and [SEP] */
  int64_t *CLOZE_NULLABLE cu_seqlens;  /* [B + 1] first token of each sequence, then T */
  uint8_t *CLOZE_NULLABLE truncated;   /* [B] 1 if the text was truncated */
  size_t size;                         /* set by the call: T, even if capacity is too small */
  int32_t *CLOZE_NULLABLE sequence_ids; /* [T] the text that a token's offsets are in: 0 the first, 1 the second; -1 for
                                           [CLS] and [SEP]. Type ids do not tell where a model has one type only */
} cloze_encoding;

/* Tokenizes each text as [CLS] text [SEP], or [CLS] text [SEP] pair [SEP]. With ids, type_ids, offsets and sequence_ids
 * all NULL it only counts tokens. options may be NULL. */
CLOZE_API cloze_status cloze_tokenize(
    const cloze_tokenizer *CLOZE_NULLABLE tokenizer, const cloze_texts *CLOZE_NULLABLE texts,
    const cloze_tokenize_options *CLOZE_NULLABLE options, cloze_encoding *CLOZE_NULLABLE encoding);

typedef struct cloze_vocabulary_options {
  size_t struct_size;
  int32_t lowercase;      /* whether text is lower-cased: 0, 1: yes; 2: no */
  int32_t strip_accents;  /* whether accents are removed: 0: as lowercase; 1: yes; 2: no */
  int32_t min_frequency;  /* pieces are made of pairs that occur at least so often; 0: 2 */
  int32_t limit_alphabet; /* the largest number of different characters; 0: 1000 */
  int32_t threads;        /* 1 to 256; 0: as many as the process may use */
  int32_t overwrite;      /* whether a tokenizer that is in the folder is replaced: 1: yes; 0, 2: no */
} cloze_vocabulary_options;

/* Learns a WordPiece vocabulary of `vocab_size` pieces, special tokens included, from files of text in UTF-8
 * [file_count], and writes it to the folder `output`, which is made where it is missing: vocab.txt, tokenizer.json and
 * tokenizer_config.json, for cloze_tokenizer_load. Byte-pair encoding over the words of BERT's normalizer and
 * pre-tokenizer, as WordPieceTrainer of Hugging Face's `tokenizers`. Files are read once, in order, and never held in
 * memory; the result does not depend on the number of threads. options may be NULL.
 *
 * json receives an object with "pieces", "words", "distinct_words", "characters" (numbers) and "remarks" (sentences);
 * json_size its length without the terminating NUL; 2,048 bytes are enough. CLOZE_BUFFER_TOO_SMALL, with nothing
 * written, if capacity is less than that plus 1; json NULL with capacity 0: not wanted.
 *
 * CLOZE_INVALID_TEXT, with file and line, for bytes that are not UTF-8, and where there is no word;
 * CLOZE_INVALID_ARGUMENT where vocab_size is too small for special tokens and characters, with the least size, and
 * where the folder has a tokenizer. */
CLOZE_API cloze_status cloze_vocabulary_train(
    const char *CLOZE_NULLABLE const *CLOZE_NULLABLE files, size_t file_count, int32_t vocab_size,
    const char *CLOZE_NULLABLE output, const cloze_vocabulary_options *CLOZE_NULLABLE options,
    char *CLOZE_NULLABLE json, size_t capacity, size_t *CLOZE_NULLABLE json_size);

/* ---- 3. Models --------------------------------------------------------------------------------------------------- */

/* The configuration of one BERT and its weights, packed for one precision and one instruction set. Immutable. */
typedef struct cloze_model cloze_model;

typedef int32_t cloze_precision;
#define CLOZE_PRECISION_DEFAULT 0 /* int8, or what a .cloze file holds */
#define CLOZE_PRECISION_INT8 1    /* 8-bit weights and activations, 32-bit accumulators */
#define CLOZE_PRECISION_FLOAT32 2

typedef struct cloze_load_options {
  size_t struct_size;
  cloze_precision precision;
  int32_t threads;                                    /* for loading, 1 to 256; 0: as many as the affinity mask, the
                                                         cgroup quota and OMP_NUM_THREADS allow */
  const char *CLOZE_NULLABLE isa;                     /* force "scalar", "avx2", "avxvnni", "avx512vnni",
                                                         "avx512amx", "neondot" or "neoni8mm"; NULL: the environment
                                                         variable CLOZE_ISA, else the best that this CPU supports */
  const cloze_tokenizer *CLOZE_NULLABLE tokenizer;    /* overrides the tokenizer files beside the model */
} cloze_load_options;

/* Loads a model. path is a .onnx file; a .cloze file (see cloze_convert); a folder with model.onnx, onnx/model.onnx or
 * model.safetensors or model.safetensors.index.json (with config.json), looked for in this order, else with one other
 * .onnx or .cloze file; or NULL for the built-in model. A tokenizer (see cloze_tokenizer_load), config.json, and
 * what sentence-transformers writes (modules.json with its modules' folders, sentence_bert_config.json,
 * config_sentence_transformers.json) are used if present beside the model; a .cloze file contains all of that. A .cloze
 * file is mapped, and must not be truncated or written to in place while the model is in use. options may be NULL. */
CLOZE_API cloze_status cloze_model_load(
    const char *CLOZE_NULLABLE path, const cloze_load_options *CLOZE_NULLABLE options,
    cloze_model *CLOZE_NULLABLE *CLOZE_NULLABLE model);

/* Loads a model from the bytes of a .onnx or .cloze file; they can be freed afterwards. External data is refused. */
CLOZE_API cloze_status cloze_model_load_memory(
    const void *CLOZE_NULLABLE bytes, size_t size, const cloze_load_options *CLOZE_NULLABLE options,
    cloze_model *CLOZE_NULLABLE *CLOZE_NULLABLE model);

CLOZE_API void cloze_model_free(cloze_model *CLOZE_NULLABLE model);

/* Bits of cloze_info.heads. */
#define CLOZE_HEAD_POOLER 1
#define CLOZE_HEAD_MLM 2
#define CLOZE_HEAD_NSP 4
#define CLOZE_HEAD_CLASSES 8
#define CLOZE_HEAD_TAGS 16
#define CLOZE_HEAD_ANSWER 32

/* How the hidden states of a text's tokens are pooled into one embedding. */
typedef int32_t cloze_pooling;
#define CLOZE_POOLING_DEFAULT 0 /* as the model's files specify, else MEAN */
#define CLOZE_POOLING_MEAN 1
#define CLOZE_POOLING_CLS 2
#define CLOZE_POOLING_MAX 3
#define CLOZE_POOLING_MEAN_SQRT_LEN 4 /* the sum divided by the square root of the number of tokens */
#define CLOZE_POOLING_POOLER 5        /* tanh of a dense layer on [CLS]; needs the pooler head */
#define CLOZE_POOLING_LAST_TOKEN 6    /* the last token, [SEP] in a BERT */
#define CLOZE_POOLING_WEIGHTED_MEAN 7 /* sum of i h[i] / sum of i, for tokens i from 1 */

/* Field names are the keys of a Hugging Face config.json. */
typedef struct cloze_info {
  size_t struct_size;
  int32_t hidden_size;
  int32_t num_hidden_layers;
  int32_t num_attention_heads;
  int32_t intermediate_size;
  int32_t vocab_size;
  int32_t max_position_embeddings;
  int32_t type_vocab_size;
  int32_t max_tokens;        /* default truncation limit: max_seq_length or model_max_length of the files, else all
                                positions */
  cloze_precision precision;
  uint32_t heads;            /* CLOZE_HEAD_ bits */
  cloze_pooling pooling;     /* default pooling of embeddings, never DEFAULT */
  int32_t normalize;         /* 1: embeddings have length 1 by default; 2: they do not */
  int32_t has_tokenizer;
  int32_t embedding_size;    /* E, width of an embedding with default pooling: D, unless the model has dense
                                layers after pooling */
  uint64_t weight_bytes;     /* memory of the weights */
  const char *CLOZE_NULLABLE isa; /* static storage */
  int32_t label_count;       /* C of classes or tags; 0 without such a head */
  int32_t reserved;
} cloze_info;

CLOZE_API cloze_status cloze_model_info(
    const cloze_model *CLOZE_NULLABLE model, cloze_info *CLOZE_NULLABLE info);

/* The name of class or tag `index`, 0 to label_count - 1. size receives the length without the terminating NUL;
 * CLOZE_BUFFER_TOO_SMALL if capacity is less than that plus 1. label NULL with capacity 0: only sets size. */
CLOZE_API cloze_status cloze_model_label(
    const cloze_model *CLOZE_NULLABLE model, int32_t index, char *CLOZE_NULLABLE label, size_t capacity,
    size_t *CLOZE_NULLABLE size);

/* The prompts of the model's files as one JSON object: "prompts", texts by name; "default_prompt_name", if they have
 * one; "include_prompt": false, if a prompt's tokens are not pooled. json, capacity and size as in cloze_inspect. */
CLOZE_API cloze_status cloze_model_prompts(
    const cloze_model *CLOZE_NULLABLE model, char *CLOZE_NULLABLE json, size_t capacity, size_t *CLOZE_NULLABLE size);

/* A new handle for the model's tokenizer; free it. CLOZE_NO_TOKENIZER if it has none. */
CLOZE_API cloze_status cloze_model_tokenizer(
    const cloze_model *CLOZE_NULLABLE model, cloze_tokenizer *CLOZE_NULLABLE *CLOZE_NULLABLE tokenizer);

/* Describes a model file as one JSON object without packing its weights: architecture, configuration, heads, how each
 * block is expressed in the graph, weight types, opset, producer, memory, tokenizer. A valid ONNX file that is not a
 * BERT gives an object with "refused": {"node", "place", "expected", "message"} and CLOZE_OK. path NULL: the built-in
 * model. size receives the length without the terminating NUL; CLOZE_BUFFER_TOO_SMALL if capacity is less than that
 * plus 1. json NULL with capacity 0: only sets size. */
CLOZE_API cloze_status cloze_inspect(
    const char *CLOZE_NULLABLE path, char *CLOZE_NULLABLE json, size_t capacity, size_t *CLOZE_NULLABLE size);

typedef struct cloze_convert_options {
  size_t struct_size;
  cloze_precision precision;                          /* of the weights in the file; 0: int8 */
  int32_t threads;                                    /* as in cloze_load_options */
  const cloze_tokenizer *CLOZE_NULLABLE tokenizer;    /* overrides the tokenizer files beside the model */
  const char *CLOZE_NULLABLE head;                    /* file or folder of a trained head to include */
} cloze_convert_options;

/* Writes a model in its prepared form, a .cloze file that loads in milliseconds: quantized and packed weights that are
 * used in place where the file is mapped, checksums, the tokenizer and all settings. The file does not depend on the
 * CPU that wrote it. source as for cloze_model_load; NULL: the built-in model. target is replaced atomically once the
 * file is complete. options may be NULL. */
CLOZE_API cloze_status cloze_convert(
    const char *CLOZE_NULLABLE source, const char *CLOZE_NULLABLE target,
    const cloze_convert_options *CLOZE_NULLABLE options);

/* How an exported ONNX file stores its weights. */
typedef int32_t cloze_export_format;
#define CLOZE_EXPORT_DEFAULT 0 /* float32 */
#define CLOZE_EXPORT_FLOAT32 1
#define CLOZE_EXPORT_FLOAT16 2 /* matrices and tables in 16 bits, arithmetic in float32 */
#define CLOZE_EXPORT_INT8 3    /* 8-bit matrices; the graph quantizes activations with a scale per token */

typedef struct cloze_export_options {
  size_t struct_size;
  cloze_export_format format;
  int32_t threads;                     /* as in cloze_load_options */
  const char *CLOZE_NULLABLE head;     /* cloze_export: file or folder of a trained head to include */
} cloze_export_options;

/* Writes a model as a clean ONNX file: opset 17, Hugging Face's parameter names, dynamic batch and sequence axes, an
 * output per head. source as for cloze_model_load; NULL: the built-in model; weights are taken from its file. An ONNX
 * file is limited to 2 GB; a larger model is CLOZE_UNSUPPORTED_MODEL. target is replaced atomically once the file is
 * complete. options may be NULL. */
CLOZE_API cloze_status cloze_export(
    const char *CLOZE_NULLABLE source, const char *CLOZE_NULLABLE target,
    const cloze_export_options *CLOZE_NULLABLE options);

/* Exports a loaded model with its trained head. Weights are those in memory: rounded to 8 bits if it was loaded in
 * int8. options->head must be NULL. */
CLOZE_API cloze_status cloze_model_export(
    const cloze_model *CLOZE_NULLABLE model, const char *CLOZE_NULLABLE target,
    const cloze_export_options *CLOZE_NULLABLE options);

/* ---- 4. Sessions ------------------------------------------------------------------------------------------------- */

/* Scratch memory and worker threads for running a model: one call at a time. */
typedef struct cloze_session cloze_session;

typedef struct cloze_session_options {
  size_t struct_size;
  int32_t threads; /* 1 to 256, the calling thread included; 0: as many as the affinity mask, the cgroup quota and
                      OMP_NUM_THREADS allow */
} cloze_session_options;

/* options may be NULL. */
CLOZE_API cloze_status cloze_session_create(
    const cloze_model *CLOZE_NULLABLE model, const cloze_session_options *CLOZE_NULLABLE options,
    cloze_session *CLOZE_NULLABLE *CLOZE_NULLABLE session);

CLOZE_API void cloze_session_free(cloze_session *CLOZE_NULLABLE session);

/* The number of threads a run uses; 0 for NULL. */
CLOZE_API int32_t cloze_session_threads(const cloze_session *CLOZE_NULLABLE session);

/* Makes the call running on this session return CLOZE_CANCELLED within milliseconds. Does nothing if none is running.
 * Callable from any thread and from a signal handler. */
CLOZE_API void cloze_cancel(cloze_session *CLOZE_NULLABLE session);

/* How many texts the call on texts that is running on this session has done, of how many; 0 of 0 if none is running.
 * Callable from any thread, also while the call runs: another thread that asks every 100 ms can show progress. done and
 * total may be NULL. */
CLOZE_API void cloze_session_progress(
    const cloze_session *CLOZE_NULLABLE session, int64_t *CLOZE_NULLABLE done, int64_t *CLOZE_NULLABLE total);

/* ---- 5. Running on token ids ------------------------------------------------------------------------------------- */

typedef int32_t cloze_integer;
#define CLOZE_INT32 0 /* the default, read in place; other types are checked and converted */
#define CLOZE_INT64 1
#define CLOZE_INT16 2
#define CLOZE_INT8 3
#define CLOZE_UINT64 4
#define CLOZE_UINT32 5
#define CLOZE_UINT16 6
#define CLOZE_UINT8 7

/* A ragged batch: the sequences concatenated, without padding. */
typedef struct cloze_batch {
  size_t struct_size;
  int64_t batch_size;                         /* B */
  const void *CLOZE_NULLABLE input_ids;       /* [T] integer_type */
  const void *CLOZE_NULLABLE token_type_ids;  /* [T] integer_type; NULL: all 0 */
  const void *CLOZE_NULLABLE cu_seqlens;      /* [B + 1] cu_seqlens_type: 0, then each sequence's end; the last is T */
  cloze_integer integer_type;
  cloze_integer cu_seqlens_type;
} cloze_batch;

/* A padded batch, as other runtimes take it. Padding may be anywhere in a row. */
typedef struct cloze_padded_batch {
  size_t struct_size;
  int64_t batch_size;                         /* B */
  int64_t sequence_length;                    /* S */
  const void *CLOZE_NULLABLE input_ids;       /* [B, S] integer_type */
  const void *CLOZE_NULLABLE attention_mask;  /* [B, S] integer_type, 1: a token, 0: padding; NULL: all 1 */
  const void *CLOZE_NULLABLE token_type_ids;  /* [B, S] integer_type; NULL: all 0 */
  cloze_integer integer_type;
  int32_t reserved;
} cloze_padded_batch;

typedef int32_t cloze_output_kind;
#define CLOZE_OUTPUT_HIDDEN 1    /* [T, D] hidden states, or [T, N, D] of N layers; [P, ...] with positions */
#define CLOZE_OUTPUT_EMBEDDING 2 /* [B, E] pooled embeddings with default pooling; [B, D] if pooling is set;
                                    [B, dimensions] if that is */
#define CLOZE_OUTPUT_POOLER 3    /* [B, D] tanh of a dense layer on [CLS] */
#define CLOZE_OUTPUT_MLM 4       /* [T, V] logits; [P, V] with positions */
#define CLOZE_OUTPUT_NSP 5       /* [B, 2] logits; class 0: the second text follows the first */
#define CLOZE_OUTPUT_CLASSES 6   /* [B, C] logits of classes */
#define CLOZE_OUTPUT_TAGS 7      /* [T, C] logits of tags */
#define CLOZE_OUTPUT_ANSWER 8    /* [T, 2] logits of the start (column 0) and end (column 1) of an answer */

/* One requested output. HIDDEN, EMBEDDING, MLM: the kinds that a field applies to. */
typedef struct cloze_output {
  size_t struct_size;
  cloze_output_kind kind;
  cloze_pooling pooling;                      /* EMBEDDING */
  int32_t normalize;                          /* EMBEDDING. 0: the model's default; 1: scale to length 1; 2: do not */
  int32_t dimensions;                         /* EMBEDDING. keep the first so many, before normalizing; 0: all */
  const int32_t *CLOZE_NULLABLE layers;       /* HIDDEN. [N] 0: the embeddings after LayerNorm; L or -1: the last
                                                 layer; NULL: the last layer */
  size_t layer_count;                         /* N */
  const int64_t *CLOZE_NULLABLE positions;    /* HIDDEN, MLM. [P] token indices in the batch; NULL: all tokens */
  size_t position_count;                      /* P */
  float *CLOZE_NULLABLE values;               /* NULL with capacity 0: only sets size, without running */
  size_t capacity;                            /* of values, in floats */
  size_t size;                                /* set by the call: floats written, or needed */
} cloze_output;

/* Runs the model once over the batch and fills every output. A sequence's results are bit-identical in any batch and on
 * any number of threads. A run with a batch no larger than an earlier one allocates nothing. */
CLOZE_API cloze_status cloze_run(
    cloze_session *CLOZE_NULLABLE session, const cloze_batch *CLOZE_NULLABLE batch,
    cloze_output *CLOZE_NULLABLE outputs, size_t output_count);

/* The same for a padded batch. [T, ...] outputs become [B, S, ...] with zeros at padding; positions index the flattened
 * [B, S]. Every row must have at least one token. */
CLOZE_API cloze_status cloze_run_padded(
    cloze_session *CLOZE_NULLABLE session, const cloze_padded_batch *CLOZE_NULLABLE batch,
    cloze_output *CLOZE_NULLABLE outputs, size_t output_count);

/* ---- 6. Running on text ------------------------------------------------------------------------------------------ */

typedef struct cloze_embed_options {
  size_t struct_size;
  int32_t max_tokens;          /* 0: cloze_info.max_tokens */
  cloze_truncation truncation;
  cloze_pooling pooling;
  int32_t normalize;           /* 0: the model's default; 1: scale to length 1; 2: do not */
  int32_t dimensions;          /* keep the first so many, before normalizing; 0: all */
  const char *CLOZE_NULLABLE prompt; /* put before each text, or the first of a pair: the name of a prompt of the
                                  files (cloze_model_prompts); "": nothing; NULL: their default prompt, if any */
} cloze_embed_options;

/* Computes an embedding per text. embeddings [B, E], E = cloze_info.embedding_size, with the model's default pooling;
 * [B, D] if options->pooling is set, as what follows the pooling belongs to the default pooling; [B, dimensions] if
 * options->dimensions is. truncated [B] or NULL. Scratch memory does not grow with the number of texts. options may be
 * NULL. */
CLOZE_API cloze_status cloze_embed_texts(
    cloze_session *CLOZE_NULLABLE session, const cloze_texts *CLOZE_NULLABLE texts,
    const cloze_embed_options *CLOZE_NULLABLE options, float *CLOZE_NULLABLE embeddings, size_t capacity,
    uint8_t *CLOZE_NULLABLE truncated);

typedef struct cloze_encode_options {
  size_t struct_size;
  int32_t max_tokens;                     /* 0: cloze_info.max_tokens */
  cloze_truncation truncation;
  const int32_t *CLOZE_NULLABLE layers;   /* as in cloze_output */
  size_t layer_count;
} cloze_encode_options;

/* Computes the hidden states of every token. hidden [T, N, D], N layers; cu_seqlens [B + 1]; truncated [B] or NULL.
 * With hidden NULL and capacity 0 only cu_seqlens and truncated are filled: cu_seqlens[B] is T. options may be NULL. */
CLOZE_API cloze_status cloze_encode_texts(
    cloze_session *CLOZE_NULLABLE session, const cloze_texts *CLOZE_NULLABLE texts,
    const cloze_encode_options *CLOZE_NULLABLE options, float *CLOZE_NULLABLE hidden, size_t capacity,
    int64_t *CLOZE_NULLABLE cu_seqlens, uint8_t *CLOZE_NULLABLE truncated);

typedef struct cloze_fill_mask_options {
  size_t struct_size;
  int32_t max_tokens;                      /* 0: cloze_info.max_tokens */
  cloze_truncation truncation;
  int32_t top_k;                           /* candidates per mask; 0: 5 */
  int32_t reserved;
  const int32_t *CLOZE_NULLABLE targets;   /* [target_count] ranks only these token ids; NULL: all */
  size_t target_count;
} cloze_fill_mask_options;

/* A candidate token for a [MASK]. */
typedef struct cloze_candidate {
  int64_t text;        /* index of the text */
  int64_t position;    /* token index of the mask in its sequence; [CLS] is 0 */
  int32_t token_id;
  float probability;   /* softmax over the whole vocabulary, with targets too */
} cloze_candidate;

/* The most probable tokens for every [MASK], mask by mask in descending order: min(top_k, number of targets or V) each.
 * count receives their number, even if capacity is too small. A text without [MASK], or whose [MASK] was truncated, is
 * CLOZE_INVALID_TEXT. truncated [B] or NULL. options may be NULL. */
CLOZE_API cloze_status cloze_fill_mask(
    cloze_session *CLOZE_NULLABLE session, const cloze_texts *CLOZE_NULLABLE texts,
    const cloze_fill_mask_options *CLOZE_NULLABLE options, cloze_candidate *CLOZE_NULLABLE candidates, size_t capacity,
    size_t *CLOZE_NULLABLE count, uint8_t *CLOZE_NULLABLE truncated);

/* The probability that the second text of each pair follows the first. probabilities [B]; truncated [B] or NULL.
 * options->max_tokens 0: cloze_info.max_tokens. options may be NULL. */
CLOZE_API cloze_status cloze_next_sentence(
    cloze_session *CLOZE_NULLABLE session, const cloze_texts *CLOZE_NULLABLE pairs,
    const cloze_tokenize_options *CLOZE_NULLABLE options, float *CLOZE_NULLABLE probabilities, size_t capacity,
    uint8_t *CLOZE_NULLABLE truncated);

/* ---- 7. Heads: predicting and training --------------------------------------------------------------------------- */

/* Adds a trained head to a model. path is a file, or a folder with head.safetensors, written by cloze_trainer_save or
 * `cloze train`. The new handle shares the weights of `base`, which may be freed. A head of another encoder is
 * CLOZE_INVALID_ARGUMENT. */
CLOZE_API cloze_status cloze_model_with_head(
    const cloze_model *CLOZE_NULLABLE base, const char *CLOZE_NULLABLE path,
    cloze_model *CLOZE_NULLABLE *CLOZE_NULLABLE model);

/* What cloze_predict answers, with the model's trained head or the one that its file brings: "classify",
 * "classify-pairs", "multilabel", "regress", "regress-pairs", "tag", "answer" or "nsp"; NULL if it answers nothing.
 * Static storage. */
CLOZE_API const char *CLOZE_NULLABLE cloze_model_task(const cloze_model *CLOZE_NULLABLE model);

/* One prediction of a head. */
typedef struct cloze_prediction {
  int64_t text;   /* index of the text */
  int64_t begin;  /* tag: first byte of the word; answer: its first byte in the second text; else 0 */
  int64_t end;    /* one past the last byte */
  int32_t label;  /* label index; answer: 0; -1 for a plain number, and for a passage without an answer */
  float score;    /* probability of the label or answer; the number */
} cloze_prediction;

/* Applies the model's trained head, or the one that its file brings, which takes texts and pairs alike. Per text, in
 * order: classification, all labels in descending probability; regression, the number; tagging, one tag per word, words
 * as the tokenizer separates them; answering, one answer, with the question as the first text and the passage as the
 * second. Texts to tag and passages may have any length. A file's single number after a sigmoid has label 0; several
 * numbers have their labels and are in that order. predictions NULL with capacity 0: only sets count. count receives
 * the number of predictions, even if capacity is too small. truncated [B] or NULL. */
CLOZE_API cloze_status cloze_predict(
    cloze_session *CLOZE_NULLABLE session, const cloze_texts *CLOZE_NULLABLE texts,
    cloze_prediction *CLOZE_NULLABLE predictions, size_t capacity, size_t *CLOZE_NULLABLE count,
    uint8_t *CLOZE_NULLABLE truncated);

/* A run of words that tags mark as one entity. */
typedef struct cloze_entity {
  int64_t begin;        /* index of its first word */
  int64_t end;          /* one past its last */
  int64_t type_begin;   /* the type is the first word's tag from this byte on: 2 in "B-PER", 0 in "PER" */
} cloze_entity;

/* Groups the tags of a sentence's words [tag_count] into entities, in order: IOB, IOBES, BILOU, BMES or tags without a
 * mark, as conlleval and seqeval's default mode read them. entities NULL with capacity 0: only sets count. */
CLOZE_API cloze_status cloze_entities(
    const char *CLOZE_NULLABLE const *CLOZE_NULLABLE tags, size_t tag_count, cloze_entity *CLOZE_NULLABLE entities,
    size_t capacity, size_t *CLOZE_NULLABLE count);

/* Ranks documents by relevance to a query, read together by a head of one output or two classes (a cross-encoder). Each
 * pair is a query and a document; predictions, in descending score and equal ones by index, have the pair's index as
 * text. The score is the sigmoid of a file's single output, a trained head's number (label -1), or the probability of
 * the second of two classes. A head trained on single texts is CLOZE_NO_HEAD. top_k: how many are wanted; 0: all.
 * count, predictions and truncated as above. */
CLOZE_API cloze_status cloze_rerank(
    cloze_session *CLOZE_NULLABLE session, const cloze_texts *CLOZE_NULLABLE pairs, int32_t top_k,
    cloze_prediction *CLOZE_NULLABLE predictions, size_t capacity, size_t *CLOZE_NULLABLE count,
    uint8_t *CLOZE_NULLABLE truncated);

/* Trains a head on a model. One call at a time per trainer. */
typedef struct cloze_trainer cloze_trainer;

/* task: "classify", "classify-pairs", "multilabel", "regress", "regress-pairs", "tag", "answer", "mlm" or "nsp".
 * options: NULL, or a JSON object; its keys are the options of `cloze train` with _ for -, such as
 * {"epochs": 3, "learning_rate": 0.001, "seed": 1, "hidden": [64]}; an unknown key is CLOZE_INVALID_ARGUMENT. "output"
 * is an existing folder for checkpoints and for what `cloze train` writes: the head, metrics.json, steps.jsonl and
 * report.html; one with a head or a checkpoint is CLOZE_INVALID_ARGUMENT unless "resume" or "overwrite" is true.
 *
 * task "pretrain" trains a BERT on files of text, a sentence a line and an empty line between documents: on from model,
 * loaded in float32, or a new one where model is NULL. options are those of `cloze pretrain`, such as {"steps": 1000,
 * "precision": "bfloat16"}; "output" is required, and becomes a model folder. Examples are added by
 * cloze_trainer_add_file; there is no head to save or evaluate. */
CLOZE_API cloze_status cloze_trainer_create(
    const cloze_model *CLOZE_NULLABLE model, const char *CLOZE_NULLABLE task, const char *CLOZE_NULLABLE options,
    cloze_trainer *CLOZE_NULLABLE *CLOZE_NULLABLE trainer);

CLOZE_API void cloze_trainer_free(cloze_trainer *CLOZE_NULLABLE trainer);

/* The set that examples are added to. */
typedef int32_t cloze_example_set;
#define CLOZE_SET_TRAIN 0
#define CLOZE_SET_VALID 1 /* if empty, a part of TRAIN is held out */

/* One labelled example. Strings end at NUL. */
typedef struct cloze_example {
  size_t struct_size;
  const char *CLOZE_NULLABLE text;                            /* the text; answer: the question */
  const char *CLOZE_NULLABLE pair;                            /* the second text; answer: the passage */
  const char *CLOZE_NULLABLE const *CLOZE_NULLABLE labels;    /* [label_count] class; labels; a tag per word; answers */
  size_t label_count;
  const char *CLOZE_NULLABLE const *CLOZE_NULLABLE words;     /* [word_count] tag: the words; mlm, nsp: sentences */
  size_t word_count;
  const int64_t *CLOZE_NULLABLE offsets;                      /* [label_count] answer: first bytes in the passage */
  double value;                                               /* regress */
} cloze_example;

/* Adds one example. */
CLOZE_API cloze_status cloze_trainer_add(
    cloze_trainer *CLOZE_NULLABLE trainer, cloze_example_set set, const cloze_example *CLOZE_NULLABLE example);

/* Adds the examples of a file. format: NULL, or a JSON object as options above, such as
 * {"text": "sentence", "label": "label", "quotes": true}. */
CLOZE_API cloze_status cloze_trainer_add_file(
    cloze_trainer *CLOZE_NULLABLE trainer, cloze_example_set set, const char *CLOZE_NULLABLE path,
    const char *CLOZE_NULLABLE format);

/* What a person should know of the examples added so far, as a JSON array of sentences: what reading a file took for
 * granted, lines that were skipped, labels that look wrong. Sizes as cloze_trainer_metrics. */
CLOZE_API cloze_status cloze_trainer_remarks(
    const cloze_trainer *CLOZE_NULLABLE trainer, char *CLOZE_NULLABLE json, size_t capacity,
    size_t *CLOZE_NULLABLE size);

/* Progress of training. */
typedef struct cloze_training_progress {
  size_t struct_size;
  int64_t done;       /* texts encoded, or steps done; "pretrain": bytes tokenized, or steps done */
  int64_t total;      /* of these in all; "pretrain" by minutes: an estimate */
  int32_t epoch;      /* counted from 1; 0 while texts are encoded or tokenized */
  int32_t ended;      /* 1: an epoch, or a validation, has ended and metric is set */
  double loss;        /* of the step, or of the epoch */
  double metric;      /* on the validation set: the metric that selects the best epoch */
} cloze_training_progress;

/* Called on the thread that trains; a result other than 0 ends training with CLOZE_CANCELLED. */
typedef int32_t (*cloze_training_callback)(
    void *CLOZE_NULLABLE context, const cloze_training_progress *CLOZE_NONNULL progress);

/* Trains on all examples added so far. callback may be NULL. */
CLOZE_API cloze_status cloze_trainer_run(
    cloze_trainer *CLOZE_NULLABLE trainer, cloze_training_callback CLOZE_NULLABLE callback,
    void *CLOZE_NULLABLE context);

/* The metrics of the trained head on the validation set, as a JSON object; of task "pretrain" the content of
 * metrics.json. size receives the length without the
 * terminating NUL; CLOZE_BUFFER_TOO_SMALL if capacity is less than that plus 1. json NULL with capacity 0: only sets
 * size. */
CLOZE_API cloze_status cloze_trainer_metrics(
    const cloze_trainer *CLOZE_NULLABLE trainer, char *CLOZE_NULLABLE json, size_t capacity,
    size_t *CLOZE_NULLABLE size);

/* Writes the trained head to a file, which is replaced atomically. */
CLOZE_API cloze_status cloze_trainer_save(
    const cloze_trainer *CLOZE_NULLABLE trainer, const char *CLOZE_NULLABLE path);

/* A new handle for the model with its trained head, or of a pre-trained model, loaded from its folder; free it. */
CLOZE_API cloze_status cloze_trainer_model(
    const cloze_trainer *CLOZE_NULLABLE trainer, cloze_model *CLOZE_NULLABLE *CLOZE_NULLABLE model);

/* ---- 8. Evaluating heads ----------------------------------------------------------------------------------------- */

/* A head's labelled examples, and once it has run how the head does on them. One call at a time per evaluation. */
typedef struct cloze_evaluation cloze_evaluation;

/* Begins the evaluation of the model's trained head, or of the one that its file brings. task: NULL, that of the head;
 * "mlm" and "nsp" are for the heads that a model has of its own, "classify-pairs" and "regress-pairs" read files of
 * pairs for a file's head, which takes texts and pairs alike. A model without such a head is CLOZE_NO_HEAD, a task that
 * the head does not answer CLOZE_INVALID_ARGUMENT. The evaluation keeps the model alive. */
CLOZE_API cloze_status cloze_evaluation_create(
    const cloze_model *CLOZE_NULLABLE model, const char *CLOZE_NULLABLE task,
    cloze_evaluation *CLOZE_NULLABLE *CLOZE_NULLABLE evaluation);

CLOZE_API void cloze_evaluation_free(cloze_evaluation *CLOZE_NULLABLE evaluation);

/* Adds one example, as cloze_trainer_add does. */
CLOZE_API cloze_status cloze_evaluation_add(
    cloze_evaluation *CLOZE_NULLABLE evaluation, const cloze_example *CLOZE_NULLABLE example);

/* Adds the examples of a file. format as for cloze_trainer_add_file; with "skip_bad" examples with a label that the
 * head does not know are left out too, else they are CLOZE_INVALID_TEXT when the evaluation runs. */
CLOZE_API cloze_status cloze_evaluation_add_file(
    cloze_evaluation *CLOZE_NULLABLE evaluation, const char *CLOZE_NULLABLE path, const char *CLOZE_NULLABLE format);

/* Predicts all examples added so far on a session of the same model, and compares. cloze_cancel and
 * cloze_session_progress work as for calls on texts. */
CLOZE_API cloze_status cloze_evaluation_run(
    cloze_evaluation *CLOZE_NULLABLE evaluation, cloze_session *CLOZE_NULLABLE session);

/* The result as a JSON object: "task", "metrics", "metric" (the name of the one that counts), "baseline" (its value for
 * a prediction that reads no text, or null) and "baseline_is", "examples", "skipped", "truncated", "classes" and
 * "entities" (label or type, precision, recall, f1, support), "labels", "confusion" (true by predicted label),
 * "most_wrong" (example, place, text, truth, predicted, loss), "remarks". Sizes as cloze_trainer_metrics. */
CLOZE_API cloze_status cloze_evaluation_result(
    const cloze_evaluation *CLOZE_NULLABLE evaluation, char *CLOZE_NULLABLE json, size_t capacity,
    size_t *CLOZE_NULLABLE size);

/* Writes the result as a page of HTML, which is replaced atomically. */
CLOZE_API cloze_status cloze_evaluation_report(
    const cloze_evaluation *CLOZE_NULLABLE evaluation, const char *CLOZE_NULLABLE path);

/* How the trained head does on the validation set, as cloze_evaluation_result. */
CLOZE_API cloze_status cloze_trainer_evaluation(
    const cloze_trainer *CLOZE_NULLABLE trainer, char *CLOZE_NULLABLE json, size_t capacity,
    size_t *CLOZE_NULLABLE size);

/* Writes the report of the training, with its course, as a page of HTML, which is replaced atomically. */
CLOZE_API cloze_status cloze_trainer_report(
    const cloze_trainer *CLOZE_NULLABLE trainer, const char *CLOZE_NULLABLE path);

/* ---- 9. Searching vectors --------------------------------------------------------------------------------------- */

/* Vectors [N, D] that are searched exactly: each query is compared with every vector by their dot product in float32,
 * which is the cosine where both have length 1. A score has the same bits on every CPU and on any number of threads.
 * Immutable: share it between threads. The vectors are not copied; unlike other arrays that are passed in, they must
 * stay unchanged until the index is freed. They may be mapped from a file. */
typedef struct cloze_index cloze_index;

typedef struct cloze_index_options {
  size_t struct_size;
  cloze_precision precision; /* default: INT8, which takes N (D + 4) bytes more, and once the time of a slow search.
                                Results are those of FLOAT32 to the last bit; a search reads a quarter of the bytes. */
  int32_t threads;           /* 1 to 256; 0: as many as the process may use */
} cloze_index_options;

/* vectors [count, dimensions], row after row; dimensions at most 65536. CLOZE_INVALID_ARGUMENT where there are none,
 * and, in INT8, for a value that is not finite, which is named by its row and column. */
CLOZE_API cloze_status cloze_index_create(
    const float *CLOZE_NULLABLE vectors, size_t count, size_t dimensions,
    const cloze_index_options *CLOZE_NULLABLE options, cloze_index *CLOZE_NULLABLE *CLOZE_NULLABLE index);

CLOZE_API void cloze_index_free(cloze_index *CLOZE_NULLABLE index);

/* The top_k best vectors for each query, best first; of equal scores the lower index comes first. queries
 * [query_count, dimensions]; top_k 1 to the number of vectors; indices and scores [query_count, top_k], each with room
 * for capacity elements. CLOZE_INVALID_ARGUMENT for a query or a vector that is not finite. Queries of one call share
 * the reading of the vectors. */
CLOZE_API cloze_status cloze_index_search(
    const cloze_index *CLOZE_NULLABLE index, const float *CLOZE_NULLABLE queries, size_t query_count, size_t top_k,
    int64_t *CLOZE_NULLABLE indices, float *CLOZE_NULLABLE scores, size_t capacity);

/* Two vectors of an index that are near each other. */
typedef struct cloze_neighbor_pair {
  int64_t first;  /* the row that comes first, counted from 0 */
  int64_t second; /* the other row */
  float score;
  int32_t reserved;
} cloze_neighbor_pair;

/* The pairs with a score above the threshold whose first row is begin or later and before end, ordered by the first,
 * then the second row. count receives their number; CLOZE_BUFFER_TOO_SMALL where capacity is less. pairs NULL with
 * capacity 0: only sets count. Each call scans the vectors: take some thousand rows at a time. */
CLOZE_API cloze_status cloze_index_pairs(
    const cloze_index *CLOZE_NULLABLE index, float threshold, size_t begin, size_t end,
    cloze_neighbor_pair *CLOZE_NULLABLE pairs, size_t capacity, size_t *CLOZE_NULLABLE count);

/* cloze_index_search of vectors that are searched once, in float32 and without an index. */
CLOZE_API cloze_status cloze_search(
    const float *CLOZE_NULLABLE vectors, size_t count, size_t dimensions, const float *CLOZE_NULLABLE queries,
    size_t query_count, size_t top_k, int32_t threads, int64_t *CLOZE_NULLABLE indices, float *CLOZE_NULLABLE scores,
    size_t capacity);

#ifdef __cplusplus
}
#endif

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

#endif /* CLOZE_H */
