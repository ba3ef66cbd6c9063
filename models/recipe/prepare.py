"""Turns two WikiExtractor folders into a vocabulary and two files of token ids.

    python prepare.py --english enwiki --chinese zhwiki --output work

Reads `FOLDER/text/*/*`, where every article stands between `<doc ...>` and `</doc>` with its title on
the first line. Writes `work/tokenizer/` (vocab.txt, tokenizer.json) and `work/en.npz`, `work/zh.npz`:

    ids   [T]      uint16, the sentences of all articles end to end, no special tokens
    soff  [N + 1]  int64, where each sentence begins in `ids`, and T
    doff  [M + 1]  int64, where each article begins in `soff`, and N

Needs numpy and tokenizers.
"""

import argparse
import glob
import os
import random
import re

import numpy as np
from tokenizers import BertWordPieceTokenizer
from tokenizers.processors import BertProcessing

VOCAB_SIZE = 16_000
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]  # ids 0 to 4, which train.py relies on

# Bytes of text read of each language, and the share of its articles that the vocabulary is learnt from.
# The Chinese share is larger because its text is shorter and its alphabet is not.
CORPORA = {"zh": (125e6, 0.50), "en": (170e6, 0.35)}

# A full stop in English may be an abbreviation; one followed by a capital letter mostly is not.
SENTENCE_END = {"zh": re.compile(r"(?<=[。！？；])"), "en": re.compile(r'(?<=[.!?])\s+(?=[A-Z"])')}


def articles(folder, max_bytes):
  """The paragraphs of each article, without its title, until `max_bytes` of text were read.

  Lines of up to 20 characters are headings and list items, articles of up to 120 are stubs; both are left out.
  """
  files = sorted(glob.glob(os.path.join(folder, "text", "*", "*")))
  if not files:
    raise SystemExit(f"{folder}: no text/*/* in it; is it WikiExtractor's output?")
  random.shuffle(files)
  read = 0
  for name in files:
    lines = []
    with open(name, encoding="utf-8", errors="ignore") as file:
      for line in file:
        if line.startswith("<doc "):
          lines = []
        elif line.startswith("</doc>"):
          paragraphs = [text for text in lines[1:] if len(text) > 20]
          if sum(map(len, paragraphs)) > 120:
            yield paragraphs
        elif text := line.strip():
          lines.append(text)
          read += len(text.encode())
    if read > max_bytes:
      return


def sentences(paragraphs, language):
  """The sentences of an article, in order."""
  parts = (part.strip() for text in paragraphs for part in SENTENCE_END[language].split(text))
  return [part for part in parts if len(part) > 3]


def train_tokenizer(corpora):
  """A WordPiece vocabulary over both languages: uncased, accents stripped, Chinese characters split."""
  sample = random.Random(1)

  def texts():
    for language, documents in corpora.items():
      for document in documents:
        if sample.random() < CORPORA[language][1]:
          yield " ".join(document)

  tokenizer = BertWordPieceTokenizer(
      lowercase=True, handle_chinese_chars=True, strip_accents=True, clean_text=True)
  tokenizer.train_from_iterator(
      texts(), vocab_size=VOCAB_SIZE, min_frequency=20, limit_alphabet=7000, special_tokens=SPECIAL_TOKENS)
  # What training leaves out: [CLS] and [SEP] around a text, which every use of the file needs.
  tokenizer.post_processor = BertProcessing(*((t, tokenizer.token_to_id(t)) for t in ("[SEP]", "[CLS]")))
  return tokenizer


def encode(tokenizer, documents):
  """The arrays of the module's docstring. Sentences of fewer than 3 or more than 199 tokens are left out."""
  ids, soff, doff = [], [0], [0]
  for first in range(0, len(documents), 2000):  # a chunk at a time, so that encodings do not fill the memory
    chunk = documents[first:first + 2000]
    encodings = iter(tokenizer.encode_batch([s for d in chunk for s in d], add_special_tokens=False))
    for document in chunk:
      for _ in document:
        sentence = next(encodings).ids
        if 2 < len(sentence) < 200:
          ids.append(np.array(sentence, np.uint16))
          soff.append(soff[-1] + len(sentence))
      if len(soff) - 1 > doff[-1]:
        doff.append(len(soff) - 1)
  return {"ids": np.concatenate(ids), "soff": np.array(soff, np.int64), "doff": np.array(doff, np.int64)}


def main():
  parser = argparse.ArgumentParser(description="Makes a vocabulary and token ids out of Wikipedia extracts.")
  parser.add_argument("--english", default="enwiki", metavar="FOLDER")
  parser.add_argument("--chinese", default="zhwiki", metavar="FOLDER")
  parser.add_argument("--output", default="work", metavar="FOLDER")
  arguments = parser.parse_args()

  random.seed(0)
  corpora = {}
  for language, folder in (("zh", arguments.chinese), ("en", arguments.english)):
    corpora[language] = [sentences(a, language) for a in articles(folder, CORPORA[language][0])]
    print(f"{language}: {len(corpora[language])} articles", flush=True)

  tokenizer = train_tokenizer(corpora)
  folder = os.path.join(arguments.output, "tokenizer")
  os.makedirs(folder, exist_ok=True)
  tokenizer.save_model(folder)
  tokenizer.save(os.path.join(folder, "tokenizer.json"))
  print(f"vocabulary: {tokenizer.get_vocab_size()} entries", flush=True)

  for language, documents in corpora.items():
    arrays = encode(tokenizer, documents)
    np.savez(os.path.join(arguments.output, f"{language}.npz"), **arrays)
    unknown = float((arrays["ids"] == SPECIAL_TOKENS.index("[UNK]")).mean())
    print(
        f"{language}: {len(arrays['ids'])} tokens, {len(arrays['soff']) - 1} sentences, "
        f"{len(arrays['doff']) - 1} articles, {unknown:.2%} unknown", flush=True)


if __name__ == "__main__":
  main()
