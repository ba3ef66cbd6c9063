/* The functions of cloze_activation over 16 lanes. */
#ifndef CLOZE_ACTIVATIONS_H
#define CLOZE_ACTIVATIONS_H

#include "cloze_kernels.h"
#include "vec16.h"

/* The normal distribution function Phi(x). For |x| < 5.25, 1/2 + x p(u), p of degree 13 in u = 2 x^2 / 5.25^2 - 1,
 * minimax for x Phi(x) by Lawson's iteration; beyond, 0 or 1. */
INLINE_FMAS f32x16 phi16(f32x16 x) {
  f32x16 limit = splat(5.25f);
  i32x16 inside = abs16(x) < limit;
  f32x16 u = fma16(x * x, splat(0.07256235827664399f), splat(-1.0f)); /* 2 / 5.25^2 */
  f32x16 p = splat(-0.0004564969567582011f);
  p = fma16(p, u, splat(0.0013696274254471064f));
  p = fma16(p, u, splat(-0.0016072570579126477f));
  p = fma16(p, u, splat(0.0020946122240275145f));
  p = fma16(p, u, splat(-0.0048360335640609264f));
  p = fma16(p, u, splat(0.00885474681854248f));
  p = fma16(p, u, splat(-0.01308817882090807f));
  p = fma16(p, u, splat(0.018419643864035606f));
  p = fma16(p, u, splat(-0.024965452030301094f));
  p = fma16(p, u, splat(0.03204623609781265f));
  p = fma16(p, u, splat(-0.039771270006895065f));
  p = fma16(p, u, splat(0.049645137041807175f));
  p = fma16(p, u, splat(-0.06712658703327179f));
  p = fma16(p, u, splat(0.13465934991836548f));
  f32x16 phi = fma16(x, p, splat(0.5f));
  f32x16 step = select16(x > splat(0.0f), splat(1.0f), splat(0.0f));
  return select16(inside, phi, step);
}

/* GELU: x/2 (1 + erf(x / sqrt 2)) = x Phi(x). Absolute error below 1e-6 (of which float32 rounding near x = 5 is
 * half). */
INLINE f32x16 gelu16(f32x16 x) { return x * phi16(x); }

/* GELU for results that are quantized to 8 bits next: max(x, 0) - |x| Phi(-|x|), the second term as a polynomial in |x|
 * without a constant term that is minimax up to 3.95, where it reaches 0. Absolute error below 1.8e-4, half as many
 * operations. */
INLINE_FMAS f32x16 gelu_q8(f32x16 x) {
  f32x16 a = min16(abs16(x), splat(3.95f));
  f32x16 p = splat(-6.6312839044258e-4f);
  p = fma16(p, a, splat(1.0186535306274891e-2f));
  p = fma16(p, a, splat(-5.892181396484375e-2f));
  p = fma16(p, a, splat(0.14339224994182587f));
  p = fma16(p, a, splat(-4.72041517496109e-2f));
  p = fma16(p, a, splat(-0.38818612694740295f));
  p = fma16(p, a, splat(0.4999512732028961f));
  return fma16(-a, p, max16(x, splat(0.0f)));
}

/* 1 / (1 + exp(-x)); exactly 0 below -89, so that x sigmoid(x) vanishes for x of any size. */
INLINE f32x16 sigmoid16(f32x16 x) {
  return splat(1.0f) / (splat(1.0f) + exp16(min16(-x, splat(89.0f))));
}

/* 1 - 2 / (exp(2|x|) + 1), with the sign of x. Absolute error below 1.2e-7. */
INLINE f32x16 tanh16(f32x16 x) {
  f32x16 magnitude = min16(abs16(x), splat(10.0f));
  f32x16 t = splat(1.0f) - splat(2.0f) / (exp16(magnitude + magnitude) + splat(1.0f));
  return (f32x16)((i32x16)t | ((i32x16)x & (i32x16)splat(-0.0f)));
}

/* GELU by tanh: x/2 (1 + tanh y) = x sigmoid(2y), y = sqrt(2/pi) (x + 0.044715 x^3). */
INLINE f32x16 gelu_tanh16(f32x16 x) {
  f32x16 y = x * fma16(x * x, splat(0.071354816f), splat(1.5957691f)); /* 2 sqrt(2/pi) {0.044715, 1} */
  return x * sigmoid16(y);
}

INLINE_FMAS f32x16 activate16(f32x16 x, cloze_activation activation) {
  switch (activation) {
    case CLOZE_ACTIVATION_GELU: return gelu16(x);
    case CLOZE_ACTIVATION_GELU_TANH: return gelu_tanh16(x);
    case CLOZE_ACTIVATION_RELU: return max16(x, splat(0.0f));
    case CLOZE_ACTIVATION_TANH: return tanh16(x);
    case CLOZE_ACTIVATION_SILU: return x * sigmoid16(x);
    case CLOZE_ACTIVATION_QUICK_GELU: return x * sigmoid16(x * splat(1.702f));
    default: return x;
  }
}

/* The derivative of x sigmoid(y), of y with the derivative `slope`. */
INLINE f32x16 sigmoid_slope16(f32x16 x, f32x16 y, f32x16 slope) {
  f32x16 s = sigmoid16(y);
  return fma16(x * slope, s * (splat(1.0f) - s), s);
}

/* The derivatives of activate16, for finite x. Not inlined: seven activations are much code. */
static NOINLINE __attribute__((unused)) f32x16 activation_slope16(f32x16 x, cloze_activation activation) {
  switch (activation) {
    case CLOZE_ACTIVATION_GELU: /* Phi(x) + x Phi'(x), Phi'(x) = exp(-x^2 / 2) / sqrt(2 pi) */
      return fma16(x * splat(0.3989422804f), exp16(x * x * splat(-0.5f)), phi16(x));
    case CLOZE_ACTIVATION_GELU_TANH: {
      f32x16 square = x * x;
      return sigmoid_slope16(x, x * fma16(square, splat(0.071354816f), splat(1.5957691f)),
                             fma16(square, splat(3 * 0.071354816f), splat(1.5957691f)));
    }
    case CLOZE_ACTIVATION_RELU: return select16(x > splat(0.0f), splat(1.0f), splat(0.0f));
    case CLOZE_ACTIVATION_TANH: {
      f32x16 t = tanh16(x);
      return splat(1.0f) - t * t;
    }
    case CLOZE_ACTIVATION_SILU: return sigmoid_slope16(x, x, splat(1.0f));
    case CLOZE_ACTIVATION_QUICK_GELU: return sigmoid_slope16(x, x * splat(1.702f), splat(1.702f));
    default: return splat(1.0f);
  }
}

/* activate16 where results are quantized to 8 bits next. */
INLINE f32x16 activate_q8(f32x16 x, cloze_activation activation) {
  return activation == CLOZE_ACTIVATION_GELU ? gelu_q8(x) : activate16(x, activation);
}

/* y[r] = f(x[r], activation) over n <= LANES floats of each of `rows` rows. x are results of a tile. This is a loop of
 * its own, since one with scale, bias and activation together would need more registers than there are. */
#define ACTIVATE_ROWS(f, x, ldx, rows, n, activation, y, ldy)                                                       \
  if ((activation) == CLOZE_ACTIVATION_GELU && (n) == LANES) {                                                      \
    for (size_t r = 0; r < (rows); r++) store((y) + r * (ldy), f(load((x) + r * (ldx)), CLOZE_ACTIVATION_GELU));    \
  } else {                                                                                                          \
    for (size_t r = 0; r < (rows); r++) store_partial((y) + r * (ldy), f(load((x) + r * (ldx)), activation), n);    \
  }

#endif
