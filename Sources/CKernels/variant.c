#include "CKernels.h"

int ck_vector_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl"))
    return 2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
  return 0;
}

const char *ck_variant(void) {
  switch (ck_vector_level()) {
    case 2: return "x86-64-v4";
    case 1: return "x86-64-v3";
    default: return "default";
  }
}
