#include "internal.h"

CLONES void ck_bf16_to_f32(const uint16_t *restrict a, float *restrict out, size_t n) {
  uint32_t *restrict bits = (uint32_t *)out;
  for (size_t i = 0; i < n; i++) bits[i] = (uint32_t)a[i] << 16;
}

CLONES void ck_f32_to_bf16(const float *restrict a, uint16_t *restrict out, size_t n) {
  const uint32_t *restrict bits = (const uint32_t *)a;
  for (size_t i = 0; i < n; i++) {
    uint32_t u = bits[i];
    uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    uint32_t nan = (u >> 16) | 0x0040u;
    out[i] = (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
}

CLONES void ck_f16_to_f32(const uint16_t *restrict a, float *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    _Float16 h;
    memcpy(&h, a + i, 2);
    out[i] = (float)h;
  }
}

CLONES void ck_f32_to_f16(const float *restrict a, uint16_t *restrict out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    _Float16 h = (_Float16)a[i];
    memcpy(out + i, &h, 2);
  }
}
