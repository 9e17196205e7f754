#pragma once

#include <stddef.h>
#include <stdint.h>

int cc_has_crc32c(void);  // whether the processor has the instruction; cc_crc32c only then
uint32_t cc_crc32c(uint32_t state, const uint8_t *bytes, size_t n);
