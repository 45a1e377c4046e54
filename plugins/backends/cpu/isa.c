#include "isa.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"generic", "avx2", "avx512", "avx512_bf16", "amx_bf16"};

const char *cpu_isa_name(cpu_isa isa)
{
    return names[isa];
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Registers that the system saves (XCR0). */
static uint32_t saved_state(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Linux gives a process its tile registers when it asks; elsewhere nobody has them. */
static bool may_use_tiles(uint32_t saved, unsigned features)
{
    const uint32_t tiles = 0x60000;
    const unsigned bf16 = 1u << 22, tile = 1u << 24;
    if ((saved & tiles) != tiles || (features & (bf16 | tile)) != (bf16 | tile)) return false;
#if defined(__linux__)
    const long request = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, from Linux 5.16 on */
    return syscall(SYS_arch_prctl, request, tile_data) == 0;
#else
    return false;
#endif
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
    unsigned features = d;
    if (a < 1 || !__get_cpuid_count(7, 1, &a, &b, &c, &d)) return CPU_AVX512;
    if (!(a & 1u << 5)) return CPU_AVX512;
    return may_use_tiles(saved, features) ? CPU_AMX_BF16 : CPU_AVX512_BF16;
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
