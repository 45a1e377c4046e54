#include "isa.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"generic", "avx2", "avx512", "avx512_bf16"};

const char *cpu_isa_name(cpu_isa isa)
{
    return names[isa];
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

/* Registers that the system saves (XCR0). */
static uint32_t saved_state(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static cpu_isa detect(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return CPU_GENERIC;
    const unsigned fma = 1u << 12, osxsave = 1u << 27;
    if ((c & (fma | osxsave)) != (fma | osxsave)) return CPU_GENERIC;
    uint32_t saved = saved_state();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return CPU_GENERIC;
    if ((saved & 0x6) != 0x6 || !(b & 1u << 5)) return CPU_GENERIC;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    if ((saved & 0xe6) != 0xe6 || (b & avx512) != avx512) return CPU_AVX2;
    if (a < 1 || !__get_cpuid_count(7, 1, &a, &b, &c, &d)) return CPU_AVX512;
    return a & 1u << 5 ? CPU_AVX512_BF16 : CPU_AVX512;
}
#else
static cpu_isa detect(void)
{
    return CPU_GENERIC;
}
#endif

cpu_isa cpu_isa_detect(void)
{
    cpu_isa isa = detect();
    const char *wanted = getenv("TELLTALE_CPU_ISA");
    for (int i = 0; wanted && i < (int)isa; i++)
        if (strcmp(wanted, names[i]) == 0) return (cpu_isa)i;
    return isa;
}
