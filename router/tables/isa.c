/* SPDX-License-Identifier: BSD-2-Clause */
#include "isa.h"

#include <stddef.h>

#include "lookup.h"

static const struct {
	const char *name;
	struct lookup lookup;
} isas[] = {
	[CPU_ISA_PLAIN] = {"plain C", {lookup4_plain, lookup6_plain}},
#ifdef __x86_64__
	[CPU_ISA_AVX2] = {"AVX2", {lookup4_avx2, lookup6_avx2}},
	[CPU_ISA_AVX512] = {"AVX-512", {lookup4_avx512, lookup6_avx512}},
#endif
};

const char *cpu_isa_name(enum cpu_isa isa)
{
	return (unsigned)isa < sizeof(isas) / sizeof(isas[0]) ? isas[isa].name : NULL;
}

/* __builtin_cpu_supports() also asks whether the kernel saves the wide registers. */
enum cpu_isa cpu_isa_best(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
		return CPU_ISA_AVX512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	    __builtin_cpu_supports("bmi2"))
		return CPU_ISA_AVX2;
#endif
	return CPU_ISA_PLAIN;
}

const struct lookup *lookup_for(enum cpu_isa isa)
{
	return cpu_isa_name(isa) && isa <= cpu_isa_best() ? &isas[isa].lookup : NULL;
}
