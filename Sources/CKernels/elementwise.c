#include "internal.h"

#define BINARY(name, expression)                                                                     \
  CLONES void name(const float *restrict a, const float *restrict b, float *restrict out, size_t n) { \
    for (size_t i = 0; i < n; i++) out[i] = expression;                                               \
  }
BINARY(ck_add, a[i] + b[i])
BINARY(ck_sub, a[i] - b[i])
BINARY(ck_mul, a[i] * b[i])
BINARY(ck_div, a[i] / b[i])

CLONES void ck_add_scalar(const float *restrict a, float s, float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = a[i] + s;
}

CLONES void ck_scale(const float *restrict a, float s, float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = a[i] * s;
}

CLONES void ck_div_scalar(const float *restrict a, float s, float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = a[i] / s;
}

CLONES void ck_scalar_div(float s, const float *restrict a, float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = s / a[i];
}

CLONES void ck_axpy(float s, const float *restrict a, float *restrict acc, size_t n) {
  for (size_t i = 0; i < n; i++) acc[i] += s * a[i];
}

CLONES void ck_exp(const float *restrict a, float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = exp_approx(a[i]);
}

CLONES void ck_sigmoid(const float *restrict a, float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = sigmoid(a[i]);
}

CLONES void ck_sigmoid_backward(const float *restrict y, const float *restrict dy, float *restrict dx, size_t n) {
  for (size_t i = 0; i < n; i++) dx[i] = dy[i] * y[i] * (1.0f - y[i]);
}

CLONES void ck_silu(const float *restrict a, float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = a[i] * sigmoid(a[i]);
}

CLONES void ck_silu_backward(const float *restrict a, const float *restrict dy, float *restrict dx, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float s = sigmoid(a[i]);
    dx[i] = dy[i] * s * (1.0f + a[i] * (1.0f - s));
  }
}

CLONES void ck_clamp(const float *restrict a, float low, float high, float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float x = a[i] < low ? low : a[i];
    out[i] = x > high ? high : x;
  }
}

CLONES void ck_clamp_backward(const float *restrict a, float low, float high, const float *restrict dy,
                              float *restrict dx, size_t n) {
  for (size_t i = 0; i < n; i++) dx[i] = a[i] < low || a[i] > high ? 0.0f : dy[i];
}

CLONES double ck_sum(const float *restrict a, size_t n) {
  REASSOCIATE
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += a[i];
  return sum;
}

CLONES double ck_dot(const float *restrict a, const float *restrict b, size_t n) {
  REASSOCIATE
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
  return sum;
}

CLONES double ck_sum_squares(const float *restrict a, size_t n) {
  REASSOCIATE
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)a[i] * a[i];
  return sum;
}

CLONES int ck_all_finite(const float *restrict a, size_t n) {
  uint32_t bad = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, a + i, 4);
    bad |= (bits & 0x7f800000u) == 0x7f800000u;
  }
  return !bad;
}

CLONES void ck_adamw(float *restrict p, const float *restrict g, float *restrict m, float *restrict v, float lr,
                     float beta1, float beta2, float eps, float decay, float c1, float c2, float grad_scale, size_t n) {
  float keep = 1.0f - lr * decay;
  for (size_t i = 0; i < n; i++) {
    float d = g[i] * grad_scale;
    float mi = beta1 * m[i] + (1.0f - beta1) * d;
    float vi = beta2 * v[i] + (1.0f - beta2) * d * d;
    m[i] = mi;
    v[i] = vi;
    p[i] = p[i] * keep - lr * (mi * c1) / (sqrtf(vi * c2) + eps);
  }
}
