#include "CChecksum.h"

// CRC-32C, for which processors have an instruction. `state` is the register as it is, neither inverted before nor after.

#if defined(__x86_64__)
#include <nmmintrin.h>

int cc_has_crc32c(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) uint32_t cc_crc32c(uint32_t state, const uint8_t *bytes, size_t n) {
  uint64_t wide = state;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t word;
    __builtin_memcpy(&word, bytes + i, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  uint32_t crc = (uint32_t)wide;
  for (; i < n; i++) crc = _mm_crc32_u8(crc, bytes[i]);
  return crc;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

int cc_has_crc32c(void) { return (getauxval(AT_HWCAP) & (1ul << 7)) != 0; }  // HWCAP_CRC32

__attribute__((target("crc"))) uint32_t cc_crc32c(uint32_t state, const uint8_t *bytes, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t word;
    __builtin_memcpy(&word, bytes + i, 8);
    state = __builtin_arm_crc32cd(state, word);
  }
  for (; i < n; i++) state = __builtin_arm_crc32cb(state, bytes[i]);
  return state;
}

#else

int cc_has_crc32c(void) { return 0; }

uint32_t cc_crc32c(uint32_t state, const uint8_t *bytes, size_t n) {
  (void)bytes;
  (void)n;
  return state;
}

#endif
