// The hot element-wise loops, compiled for several x86-64 levels with dispatch at load time (`target_clones`).
//
// Why C: Swift has no function-level target attribute, and a stock x86-64 build is SSE2. SwiGLU over 1 M elements on one
// thread ran at 0.3 G elements/s in Swift with expf, 1.2-2.1 G elements/s here. Measure again with `occult bench kernels`.
//
// Loops only, no logic: every function is serial, works on dense float32 rows, allocates nothing, and has a readable
// double-precision reference in Tests/TensorsTests. Shapes: rows x columns, row-major. Threads are the caller's business.
#pragma once
#include <stddef.h>
#include <stdint.h>

// ---- element-wise: n elements -------------------------------------------------------------------------------------
void ck_add(const float *a, const float *b, float *out, size_t n);
void ck_sub(const float *a, const float *b, float *out, size_t n);
void ck_mul(const float *a, const float *b, float *out, size_t n);
void ck_div(const float *a, const float *b, float *out, size_t n);
void ck_add_scalar(const float *a, float s, float *out, size_t n);
void ck_scale(const float *a, float s, float *out, size_t n);
void ck_div_scalar(const float *a, float s, float *out, size_t n);      // a / s
void ck_scalar_div(float s, const float *a, float *out, size_t n);      // s / a
void ck_axpy(float s, const float *a, float *acc, size_t n);            // acc += s a
void ck_exp(const float *a, float *out, size_t n);
void ck_sigmoid(const float *a, float *out, size_t n);
void ck_sigmoid_backward(const float *y, const float *dy, float *dx, size_t n);  // from the result y
void ck_silu(const float *a, float *out, size_t n);
void ck_silu_backward(const float *a, const float *dy, float *dx, size_t n);
void ck_clamp(const float *a, float low, float high, float *out, size_t n);
void ck_clamp_backward(const float *a, float low, float high, const float *dy, float *dx, size_t n);

// ---- reductions: fixed order, several accumulators ------------------------------------------------------------------
double ck_sum(const float *a, size_t n);
double ck_dot(const float *a, const float *b, size_t n);
double ck_sum_squares(const float *a, size_t n);
int ck_all_finite(const float *a, size_t n);
int ck_all_finite16(const uint16_t *a, uint16_t exponent, size_t n);    // `exponent`: the bits that infinity and NaN have set

// ---- precision -------------------------------------------------------------------------------------------------------
void ck_bf16_to_f32(const uint16_t *a, float *out, size_t n);
void ck_f16_to_f32(const uint16_t *a, float *out, size_t n);
void ck_f32_to_bf16(const float *a, uint16_t *out, size_t n);           // round to nearest even, NaN kept
void ck_f32_to_f16(const float *a, uint16_t *out, size_t n);            // round to nearest even, overflow to infinity

// ---- rows --------------------------------------------------------------------------------------------------------------
// SwiGLU: gate_up [rows, 2 i] holds the gate in columns 0..<i and up in i..<2i.  out[r] = scale[r] silu(g) u; scale may be 0.
void ck_swiglu(const float *gate_up, const float *scale, float *out, size_t rows, size_t i);
// From da = d loss / d (silu(g) u):  d_gate_up, and dots[r] = <da[r], silu(g) u>; da is multiplied by scale[r] first for
// d_gate_up (not for dots), and act[r] = scale[r] silu(g) u is written again. scale, dots and act may be 0.
void ck_swiglu_backward(const float *gate_up, const float *scale, const float *da, float *d_gate_up, float *dots,
                        float *act, size_t rows, size_t i);
void ck_softmax(const float *x, float *out, size_t rows, size_t n);
void ck_softmax_backward(const float *y, const float *dy, float *dx, size_t rows, size_t n);
void ck_logsumexp(const float *x, float *out, size_t rows, size_t n);
// y = w x rstd, rstd[r] = 1 / sqrt(mean(x^2) + eps)
void ck_rmsnorm(const float *x, const float *w, float eps, float *y, float *rstd, size_t rows, size_t n);
void ck_rmsnorm_backward(const float *x, const float *w, const float *rstd, const float *dy, float *dx, size_t rows, size_t n);
void ck_rmsnorm_backward_weight(const float *x, const float *rstd, const float *dy, float *dw, size_t rows, size_t n);  // dw +=
// Rotary embedding of the first d of every head's `width` values; one row holds `heads` heads; cosines and sines
// [positions, d/2]; sign +1 or -1. Rotated together are i and i + d/2, or neighbours 2i and 2i + 1.
void ck_rope(const float *x, const int32_t *positions, const float *cosines, const float *sines, float sign, float *out,
             size_t rows, size_t heads, size_t width, size_t d);
void ck_rope_pairs(const float *x, const int32_t *positions, const float *cosines, const float *sines, float sign,
                   float *out, size_t rows, size_t heads, size_t width, size_t d);
void ck_row_sums(const float *x, float *out, size_t rows, size_t n);
void ck_column_sums(const float *x, float *acc, size_t rows, size_t n);  // acc +=
void ck_row_dots(const float *a, const float *b, float *out, size_t rows, size_t n);

// ---- attention: one tile of scores [rows, stride], row r sees columns 0..<visible + r -----------------------------------
// p = softmax(scale s) over the visible columns, 0 beyond up to `columns`; lse[r] = log sum exp(scale s)
void ck_causal_softmax(float *s, float scale, float *lse, size_t rows, size_t visible, size_t columns, size_t stride);
// p = exp(scale s - lse[r]) over the visible columns, 0 beyond
void ck_causal_probabilities(float *s, float scale, const float *lse, size_t rows, size_t visible, size_t columns, size_t stride);
// ds = scale p (dp - delta[r]), in place of dp
void ck_attention_ds(const float *p, float *dp, float scale, const float *delta, size_t rows, size_t columns, size_t stride);

// One query of width d against n rows of keys, `key_stride` apart, and values of width dv, `value_stride` apart:
// out = sum_i softmax(scale <q, k_i>)_i v_i
void ck_attend_row(const float *q, const float *keys, const float *values, float scale, float *scores, float *out,
                   size_t n, size_t key_stride, size_t value_stride, size_t d, size_t dv);

// ---- losses: logits rows become scale (softmax - onehot(target)) unless scale is 0; losses[r] = lse - logit[target] -------
void ck_cross_entropy(float *logits, const int32_t *targets, float scale, float *losses, size_t rows, size_t n);

// ---- few rows times a matrix: out[r, j] = <x[r], w[j]>, w [n, k]; for decoding, where the weights' bytes decide -----------
void ck_matvec(const float *x, const float *w, float *out, size_t rows, size_t n, size_t k, size_t out_stride);
void ck_matvec_bf16(const float *x, const uint16_t *w, float *out, size_t rows, size_t n, size_t k, size_t out_stride);

// ---- optimizer: decoupled weight decay (AdamW); c1 = 1 / (1 - beta1^t), c2 = 1 / (1 - beta2^t) -----------------------------
void ck_adamw(float *p, const float *g, float *m, float *v, float lr, float beta1, float beta2, float eps, float decay,
              float c1, float c2, float grad_scale, size_t n);

// Name of the instruction level that the loops above run at on this processor: "x86-64-v4", "x86-64-v3" or "default".
const char *ck_variant(void);
// 2: AVX-512 (F, DQ, BW, VL), 1: AVX2 and FMA, 0: neither or another architecture.
int ck_vector_level(void);
