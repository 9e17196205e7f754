#include "internal.h"

CLONES void ck_swiglu(const float *restrict gate_up, const float *restrict scale, float *restrict out, size_t rows,
                      size_t n) {
  for (size_t r = 0; r < rows; r++) {
    const float *restrict g = gate_up + 2 * n * r, *restrict u = g + n;
    float *restrict o = out + n * r;
    float s = scale ? scale[r] : 1.0f;
    for (size_t i = 0; i < n; i++) o[i] = g[i] * sigmoid(g[i]) * u[i] * s;
  }
}

CLONES void ck_swiglu_backward(const float *restrict gate_up, const float *restrict scale, const float *restrict da,
                               float *restrict d_gate_up, float *restrict dots, float *restrict act, size_t rows,
                               size_t n) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    const float *restrict g = gate_up + 2 * n * r, *restrict u = g + n, *restrict d = da + n * r;
    float *restrict dg = d_gate_up + 2 * n * r, *restrict du = dg + n;
    float w = scale ? scale[r] : 1.0f;
    if (dots) {
      float sum = 0;
      for (size_t i = 0; i < n; i++) sum += d[i] * (g[i] * sigmoid(g[i]) * u[i]);
      dots[r] = sum;
    }
    if (act) {
      float *restrict o = act + n * r;
      for (size_t i = 0; i < n; i++) {
        float s = sigmoid(g[i]), y = g[i] * s, dw = d[i] * w;
        dg[i] = dw * u[i] * s * (1.0f + g[i] * (1.0f - s));
        du[i] = dw * y;
        o[i] = y * u[i] * w;
      }
    } else {
      for (size_t i = 0; i < n; i++) {
        float s = sigmoid(g[i]), y = g[i] * s, dw = d[i] * w;
        dg[i] = dw * u[i] * s * (1.0f + g[i] * (1.0f - s));
        du[i] = dw * y;
      }
    }
  }
}

CLONES void ck_softmax(const float *restrict x, float *restrict out, size_t rows, size_t n) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    const float *restrict a = x + n * r;
    float *restrict o = out + n * r;
    float m = row_max(a, n), sum = 0;
    for (size_t i = 0; i < n; i++) sum += o[i] = exp_approx(a[i] - m);
    float inverse = 1.0f / sum;
    for (size_t i = 0; i < n; i++) o[i] *= inverse;
  }
}

CLONES void ck_softmax_backward(const float *restrict y, const float *restrict dy, float *restrict dx, size_t rows,
                                size_t n) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    const float *restrict p = y + n * r, *restrict d = dy + n * r;
    float *restrict o = dx + n * r;
    float dot = 0;
    for (size_t i = 0; i < n; i++) dot += p[i] * d[i];
    for (size_t i = 0; i < n; i++) o[i] = p[i] * (d[i] - dot);
  }
}

CLONES void ck_logsumexp(const float *restrict x, float *restrict out, size_t rows, size_t n) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    const float *restrict a = x + n * r;
    float m = row_max(a, n), sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp_approx(a[i] - m);
    out[r] = m + logf(sum);
  }
}

CLONES void ck_rmsnorm(const float *restrict x, const float *restrict w, float eps, float *restrict y,
                       float *restrict rstd, size_t rows, size_t n) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    const float *restrict a = x + n * r;
    float *restrict o = y + n * r;
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * a[i];
    float s = 1.0f / sqrtf(sum / (float)n + eps);
    rstd[r] = s;
    for (size_t i = 0; i < n; i++) o[i] = w[i] * (a[i] * s);
  }
}

CLONES void ck_rmsnorm_backward(const float *restrict x, const float *restrict w, const float *restrict rstd,
                                const float *restrict dy, float *restrict dx, size_t rows, size_t n) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    const float *restrict a = x + n * r, *restrict d = dy + n * r;
    float *restrict o = dx + n * r;
    float s = rstd[r], dot = 0;
    for (size_t i = 0; i < n; i++) dot += d[i] * w[i] * a[i];
    float c = dot * s * s * s / (float)n;
    for (size_t i = 0; i < n; i++) o[i] = d[i] * w[i] * s - a[i] * c;
  }
}

CLONES void ck_rmsnorm_backward_weight(const float *restrict x, const float *restrict rstd, const float *restrict dy,
                                       float *restrict dw, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++) {
    const float *restrict a = x + n * r, *restrict d = dy + n * r;
    float s = rstd[r];
    for (size_t i = 0; i < n; i++) dw[i] += d[i] * a[i] * s;
  }
}

CLONES void ck_rope(const float *restrict x, const int32_t *restrict positions, const float *restrict cosines,
                    const float *restrict sines, float sign, float *restrict out, size_t rows, size_t heads,
                    size_t width, size_t d) {
  size_t half = d / 2;
  for (size_t r = 0; r < rows; r++) {
    const float *restrict c = cosines + half * (size_t)positions[r], *restrict s = sines + half * (size_t)positions[r];
    for (size_t h = 0; h < heads; h++) {
      const float *restrict a = x + (heads * r + h) * width, *restrict b = a + half;
      float *restrict o = out + (heads * r + h) * width, *restrict q = o + half;
      for (size_t i = 0; i < half; i++) {
        o[i] = a[i] * c[i] - b[i] * s[i] * sign;
        q[i] = b[i] * c[i] + a[i] * s[i] * sign;
      }
    }
  }
}

CLONES void ck_rope_pairs(const float *restrict x, const int32_t *restrict positions, const float *restrict cosines,
                          const float *restrict sines, float sign, float *restrict out, size_t rows, size_t heads,
                          size_t width, size_t d) {
  size_t half = d / 2;
  for (size_t r = 0; r < rows; r++) {
    const float *restrict c = cosines + half * (size_t)positions[r], *restrict s = sines + half * (size_t)positions[r];
    for (size_t h = 0; h < heads; h++) {
      const float *restrict a = x + (heads * r + h) * width;
      float *restrict o = out + (heads * r + h) * width;
      for (size_t i = 0; i < half; i++) {
        float u = a[2 * i], v = a[2 * i + 1];
        o[2 * i] = u * c[i] - v * s[i] * sign;
        o[2 * i + 1] = v * c[i] + u * s[i] * sign;
      }
    }
  }
}

CLONES void ck_row_sums(const float *restrict x, float *restrict out, size_t rows, size_t n) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[n * r + i];
    out[r] = sum;
  }
}

CLONES void ck_column_sums(const float *restrict x, float *restrict acc, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < n; i++) acc[i] += x[n * r + i];
}

CLONES void ck_row_dots(const float *restrict a, const float *restrict b, float *restrict out, size_t rows, size_t n) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[n * r + i] * b[n * r + i];
    out[r] = sum;
  }
}
