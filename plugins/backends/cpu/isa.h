/* What the processor can do, by CPUID and by what the system saves of its registers. */
#ifndef TT_CPU_ISA_H
#define TT_CPU_ISA_H

typedef enum cpu_isa { CPU_GENERIC = 0, CPU_AVX2, CPU_AVX512, CPU_AVX512_BF16, CPU_AMX_BF16 } cpu_isa;

/* The best that this machine has, or what TELLTALE_CPU_ISA (generic, avx2, avx512, avx512_bf16, amx_bf16)
 * says where that is less. Asks the system for the tile registers, for the whole process. */
cpu_isa cpu_isa_detect(void);
const char *cpu_isa_name(cpu_isa isa);

#endif
