#define CLOZE_VERSION "0.1.0"
