/* Straightforward and in double; the errors of double are far below every tolerance. */
#include <math.h>
#include <stdlib.h>

#include "kernels_test_support.h"

void reference_product(const float *x, const float *w, size_t m, size_t n, size_t k, double *sum, double *magnitude) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) {
      double total = 0, absolute = 0;
      for (size_t p = 0; p < k; p++) {
        double product = (double)x[i * k + p] * w[j * k + p];
        total += product;
        absolute += fabs(product);
      }
      sum[i * n + j] = total;
      magnitude[i * n + j] = absolute;
    }
}

void reference_chain(const float *x, const float *w, size_t m, size_t n, size_t k, float *sum) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) {
      float total = 0;
      for (size_t p = 0; p < k; p++) total = fmaf(x[i * k + p], w[j * k + p], total);
      sum[i * n + j] = total;
    }
}

void reference_integer_product(const int32_t *x, const int8_t *w, size_t m, size_t n, size_t k, int64_t *sum) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) {
      int64_t total = 0;
      for (size_t p = 0; p < k; p++) total += (int64_t)x[i * k + p] * w[j * k + p];
      sum[i * n + j] = total;
    }
}

void reference_attention(const float *q, const float *k, const float *v, size_t ldx, size_t s, size_t d, double scale,
                         const float *bias, double *out, double *denominators) {
  double *probability = malloc(s * sizeof *probability);
  if (!probability) abort();
  for (size_t i = 0; i < s; i++) {
    double max = -HUGE_VAL, total = 0;
    for (size_t j = 0; j < s; j++) {
      double dot = 0;
      for (size_t p = 0; p < d; p++) dot += (double)q[i * ldx + p] * k[j * ldx + p];
      probability[j] = dot * scale + (bias ? (double)bias[(ptrdiff_t)j - (ptrdiff_t)i] : 0);
      max = fmax(max, probability[j]);
    }
    for (size_t j = 0; j < s; j++) total += probability[j] = exp(probability[j] - max);
    denominators[i] = total;
    for (size_t p = 0; p < d; p++) {
      double sum = 0;
      for (size_t j = 0; j < s; j++) sum += probability[j] * v[j * ldx + p];
      out[i * d + p] = sum / total;
    }
  }
  free(probability);
}

double reference_activation(double x, int32_t activation) {
  switch (activation) {
    case CLOZE_ACTIVATION_GELU: return x / 2 * erfc(-x / sqrt(2));
    case CLOZE_ACTIVATION_GELU_TANH: return x / (1 + exp(-2 * sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case CLOZE_ACTIVATION_RELU: return x > 0 ? x : 0;
    case CLOZE_ACTIVATION_TANH: return tanh(x);
    case CLOZE_ACTIVATION_SILU: return x / (1 + exp(-x));
    case CLOZE_ACTIVATION_QUICK_GELU: return x / (1 + exp(-1.702 * x));
    default: return x;
  }
}
