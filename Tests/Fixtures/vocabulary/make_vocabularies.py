"""Writes the pieces that Hugging Face's tokenizers learns from corpus.txt: lowercased.txt, cased.txt, limited.txt, a
piece a line in the order of the ids.

    pip install tokenizers && python make_vocabularies.py

The package gives the pieces of single characters within a word their ids in the order of a hash table, which changes
from run to run, and equal counts are decided by ids. Here these pieces are named as special tokens, after [MASK], in
the order that Cloze gives them: that makes the package deterministic. (tokenizers 0.23.3.)
"""

from collections import Counter
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer

FOLDER = Path(__file__).parent
CORPUS = FOLDER / "corpus.txt"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def characters(normalizer, limit):
  """The alphabet by code point, then what of it continues a word."""
  counts, continuing = Counter(), set()
  for line in CORPUS.read_text().splitlines():
    for word, _ in BertPreTokenizer().pre_tokenize_str(normalizer.normalize_str(line)):
      counts.update(word)
      continuing |= set(word[1:])
  alphabet = sorted(sorted(counts, key=lambda one: (-counts[one], one))[:limit])
  return alphabet, alphabet + ["##" + one for one in alphabet if one in continuing]


def learn(name, size, limit=1000, min_frequency=2, **options):
  normalizer = BertNormalizer(**options)
  alphabet, first = characters(normalizer, limit)
  tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
  tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, BertPreTokenizer()
  trainer = WordPieceTrainer(
      vocab_size=size, min_frequency=min_frequency, special_tokens=SPECIAL + first, show_progress=False,
      # The same characters, not those that chance prefers among equally frequent ones.
      limit_alphabet=len(alphabet), initial_alphabet=alphabet)
  tokenizer.train([str(CORPUS)], trainer)
  vocabulary = tokenizer.get_vocab()
  pieces = sorted(vocabulary, key=vocabulary.get)
  print(name, len(pieces), "pieces")
  (FOLDER / f"{name}.txt").write_text("".join(piece + "\n" for piece in pieces))


learn("lowercased", 700)
learn("cased", 5000, min_frequency=1, lowercase=False)
learn("limited", 500, limit=60)
