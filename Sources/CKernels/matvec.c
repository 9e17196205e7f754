#include "internal.h"

CLONES void ck_matvec(const float *restrict x, const float *restrict w, float *restrict out, size_t rows, size_t n,
                      size_t k, size_t out_stride) {
  REASSOCIATE
  for (size_t j = 0; j < n; j++) {
    const float *restrict a = w + k * j;
    for (size_t r = 0; r < rows; r++) {
      const float *restrict b = x + k * r;
      float sum = 0;
      for (size_t i = 0; i < k; i++) sum += a[i] * b[i];
      out[out_stride * r + j] = sum;
    }
  }
}

CLONES void ck_matvec_bf16(const float *restrict x, const uint16_t *restrict w, float *restrict out, size_t rows,
                           size_t n, size_t k, size_t out_stride) {
  REASSOCIATE
  for (size_t j = 0; j < n; j++) {
    const uint16_t *restrict a = w + k * j;
    for (size_t r = 0; r < rows; r++) {
      const float *restrict b = x + k * r;
      float sum = 0;
      for (size_t i = 0; i < k; i++) {
        union { uint32_t u; float f; } v = {(uint32_t)a[i] << 16};
        sum += v.f * b[i];
      }
      out[out_stride * r + j] = sum;
    }
  }
}
