#include "internal.h"

CLONES void ck_cross_entropy(float *restrict logits, const int32_t *restrict targets, float scale,
                             float *restrict losses, size_t rows, size_t n) {
  REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    float *restrict x = logits + n * r;
    float target = x[targets[r]], m = row_max(x, n), sum = 0;
    if (scale == 0.0f) {
      for (size_t i = 0; i < n; i++) sum += exp_approx(x[i] - m);
    } else {
      for (size_t i = 0; i < n; i++) sum += x[i] = exp_approx(x[i] - m);
      float factor = scale / sum;
      for (size_t i = 0; i < n; i++) x[i] *= factor;
      x[targets[r]] -= scale;
    }
    losses[r] = m + logf(sum) - target;
  }
}
