#include "vec_avx2.h"

#include "kernels_body.h"

#include "attention_body.h"
#include "winograd_body.h"

const cpu_kernels cpu_kernels_avx2 = {
    .name = "avx2",
#include "kernels_table.h"
    .attention_work = attention_work,
    .attention = attention,
    .packing = CPU_FLOATS,
};
