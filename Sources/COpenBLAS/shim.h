// Types of the few OpenBLAS functions that are looked up at run time. Nothing is linked: a linked OpenBLAS chooses its
// kernels while it is loaded, before any of our code could correct that choice.
#pragma once
#include <cblas.h>

typedef __typeof__(&cblas_sgemm) copenblas_sgemm_t;
typedef __typeof__(&openblas_set_num_threads) copenblas_set_num_threads_t;
typedef __typeof__(&openblas_get_corename) copenblas_get_corename_t;
typedef __typeof__(&openblas_get_config) copenblas_get_config_t;
