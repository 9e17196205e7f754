#pragma once
#include <math.h>
#include <string.h>

#include "CKernels.h"

#if defined(__x86_64__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

// Sums may be split over vector lanes: the order is fixed by the compiled code, not by timing.
#define REASSOCIATE _Pragma("clang fp reassociate(on)")

// Terms that are added up in float before the sum goes into a double. In one float a lane, 20,000 equal terms are off by up to
// 9e-6: all are rounded the same way.
enum { SUM_BLOCK = 1024 };

// exp(x) by range reduction to |r| <= ln2/2 and 1 + r + r^2 P(r), P of degree 4 with the least largest relative error
// (3.2e-9, fitted by reweighted least squares and rounded to float from the constant term up): below 2 ulp on [-87.3, 88.7], monotone clamps outside.
static inline __attribute__((always_inline)) float exp_approx(float x) {
  float c = x > 88.72283f ? 88.72283f : x;
  c = c > -87.33654f ? c : -87.33654f;  // NaN ends here too and comes back at the end
  float n = (c * 1.44269504088896341f + 12582912.0f) - 12582912.0f;
  float r = c - n * 0.693145751953125f;
  r = r - n * 1.42860682030941723212e-6f;
  float p = 1.3820661698e-3f;
  p = p * r + 8.3686746657e-3f;
  p = p * r + 4.1668266058e-2f;
  p = p * r + 1.6666521132e-1f;
  p = p * r + 4.9999994040e-1f;
  p = p * r * r + r + 1.0f;
  // 2^n in two halves, so that n = 128 does not overflow the exponent field.
  int32_t i = (int32_t)n;
  int32_t h = i >> 1;
  union { int32_t i; float f; } a = {(h + 127) << 23}, b = {(i - h + 127) << 23};
  float y = p * a.f * b.f;
  y = x < -87.33654f ? 0.0f : y;
  return x != x ? x : y;
}

static inline __attribute__((always_inline)) float sigmoid(float x) { return 1.0f / (1.0f + exp_approx(-x)); }

// The largest of n values, NaN left out. Lanes of their own, since a plain maximum does not vectorise: the compiler must
// keep its order for NaN.
static inline __attribute__((always_inline)) float row_max(const float *restrict x, size_t n) {
  enum { LANES = 64 };
  float lane[LANES];
  for (int j = 0; j < LANES; j++) lane[j] = -INFINITY;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int j = 0; j < width; j++) lane[j] = lane[j + width] > lane[j] ? lane[j + width] : lane[j];
  float m = lane[0];
  for (; i < n; i++) m = x[i] > m ? x[i] : m;
  return m;
}
