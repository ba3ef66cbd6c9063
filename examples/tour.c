/* Embeddings, a masked word and a next sentence with the built-in model. */
#include <cloze.h>
#include <stdio.h>
#include <stdlib.h>

static void check(cloze_status status) {
  if (status == CLOZE_OK) return;
  fprintf(stderr, "%s: %s\n", cloze_status_name(status), cloze_last_error());
  exit(1);
}

enum { D = 256 }; /* cloze_model_info() gives it for any model */

int main(void) {
  cloze_model *model = NULL;
  cloze_tokenizer *tokenizer = NULL;
  cloze_session *session = NULL;
  check(cloze_model_load(NULL, NULL, &model));
  check(cloze_model_tokenizer(model, &tokenizer));
  check(cloze_session_create(model, NULL, &session));

  /* How close is each text to the last one? */
  const char *list[] = {"The river flows north into the sea.", "She was elected to parliament in 1998.",
      "The band released its first album in 2003.", "他在1998年当选议员。"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 4, .texts = list};
  float vectors[4][D];
  check(cloze_embed_texts(session, &texts, NULL, vectors[0], 4 * D, NULL));
  for (int i = 0; i < 3; i++) {
    double cosine = 0;
    for (int d = 0; d < D; d++) cosine += vectors[i][d] * vectors[3][d];
    printf("%.2f  %s\n", cosine, list[i]);
  }

  const char *masked[] = {"台[MASK]大学"};
  cloze_texts question = {.struct_size = sizeof question, .count = 1, .texts = masked};
  cloze_candidate candidates[5];
  size_t count = 0;
  check(cloze_fill_mask(session, &question, NULL, candidates, 5, &count, NULL));
  for (size_t i = 0; i < count; i++) {
    const char *token = cloze_tokenizer_token(tokenizer, candidates[i].token_id);
    printf("%s%s %.2f", i ? "  " : "", token, candidates[i].probability);
  }
  printf("\n");

  const char *first[] = {"He was born in London in 1850.", "He was born in London in 1850."};
  const char *second[] = {"His father was a doctor there.", "The enzyme catalyses the reaction of hydrogen."};
  cloze_texts pairs = {.struct_size = sizeof pairs, .count = 2, .texts = first, .pairs = second};
  float follows[2];
  check(cloze_next_sentence(session, &pairs, NULL, follows, 2, NULL));
  printf("%.2f  %s\n%.2f  %s\n", follows[0], second[0], follows[1], second[1]);

  cloze_session_free(session);
  cloze_tokenizer_free(tokenizer);
  cloze_model_free(model);
}
