#include "internal.h"

CLONES void ck_cross_entropy(float *restrict logits, const int32_t *restrict targets, float scale,
                             float *restrict losses, size_t rows, size_t n) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    float *restrict x = logits + n * r;
    float target = x[targets[r]], m = row_max(x, n);
    double sum = 0;
    for (size_t start = 0; start < n; start += SUM_BLOCK) {
      size_t end = n - start < SUM_BLOCK ? n : start + SUM_BLOCK;
      float part = 0;
      if (scale == 0.0f) {
        for (size_t i = start; i < end; i++) part += exp_approx(x[i] - m);
      } else {
        for (size_t i = start; i < end; i++) part += x[i] = exp_approx(x[i] - m);
      }
      sum += part;
    }
    if (scale != 0.0f) {
      float factor = (float)(scale / sum);
      for (size_t i = 0; i < n; i++) x[i] *= factor;
      x[targets[r]] -= scale;
    }
    losses[r] = m + logf((float)sum) - target;
  }
}
