#include "internal.h"

CLONES void ck_causal_softmax(float *restrict s, float scale, float *restrict lse, size_t rows, size_t visible,
                              size_t columns, size_t stride) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    float *restrict p = s + stride * r;
    size_t n = visible + r < columns ? visible + r : columns;
    float m = row_max(p, n) * scale, sum = 0;
    for (size_t i = 0; i < n; i++) sum += p[i] = exp_approx(p[i] * scale - m);
    float inverse = 1.0f / sum;
    for (size_t i = 0; i < n; i++) p[i] *= inverse;
    for (size_t i = n; i < columns; i++) p[i] = 0.0f;
    lse[r] = m + logf(sum);
  }
}

CLONES void ck_causal_probabilities(float *restrict s, float scale, const float *restrict lse, size_t rows,
                                    size_t visible, size_t columns, size_t stride) {
  for (size_t r = 0; r < rows; r++) {
    float *restrict p = s + stride * r;
    size_t n = visible + r < columns ? visible + r : columns;
    float l = lse[r];
    for (size_t i = 0; i < n; i++) p[i] = exp_approx(p[i] * scale - l);
    for (size_t i = n; i < columns; i++) p[i] = 0.0f;
  }
}

CLONES void ck_attention_ds(const float *restrict p, float *restrict dp, float scale, const float *restrict delta,
                            size_t rows, size_t columns, size_t stride) {
  for (size_t r = 0; r < rows; r++) {
    const float *restrict a = p + stride * r;
    float *restrict d = dp + stride * r;
    float c = delta[r];
    for (size_t i = 0; i < columns; i++) d[i] = scale * a[i] * (d[i] - c);
  }
}

CLONES void ck_attend_row(const float *restrict q, const float *restrict keys, const float *restrict values,
                          float scale, float *restrict scores, float *restrict out, size_t n,
                          size_t key_stride, size_t value_stride, size_t d, size_t dv) {
  REASSOCIATE
  float m = -INFINITY, sum = 0;
  for (size_t i = 0; i < n; i++) {
    const float *restrict k = keys + key_stride * i;
    float dot = 0;
    for (size_t j = 0; j < d; j++) dot += q[j] * k[j];
    scores[i] = dot *= scale;
    m = dot > m ? dot : m;
  }
  for (size_t i = 0; i < n; i++) sum += scores[i] = exp_approx(scores[i] - m);
  float inverse = 1.0f / sum;
  for (size_t j = 0; j < dv; j++) out[j] = 0.0f;
  for (size_t i = 0; i < n; i++) {
    const float *restrict v = values + value_stride * i;
    float p = scores[i] * inverse;
    for (size_t j = 0; j < dv; j++) out[j] += p * v[j];
  }
}
