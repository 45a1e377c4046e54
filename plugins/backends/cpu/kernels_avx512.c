#include "vec_avx512.h"

#include "kernels_body.h"

#include "attention_body.h"
#include "winograd_body.h"

const cpu_kernels cpu_kernels_avx512 = {
    .name = "avx512",
#include "kernels_table.h"
    .attention_work = attention_work,
    .attention = attention,
    .packing = CPU_FLOATS,
};
