/* SPDX-License-Identifier: BSD-2-Clause */
#include "cpu.h"

#include <errno.h>
#include <stdlib.h>

#include "passes.h"
#include "words.h"

_Static_assert(VERDICT_TX(5) == PL_VERDICT(PL_VERDICT_TX, 5) &&
		       VERDICT_PUNT(5) == PL_VERDICT(PL_VERDICT_PUNT, 5) &&
		       VERDICT_DROP(5) == PL_VERDICT(PL_VERDICT_DROP, 5),
	       "the program and the planes speak of the same verdicts");
_Static_assert(REASON_COUNT <= PL_REASONS_MAX, "planes have a counter for every reason");

static const struct {
	const char *name;
	const char *text;
	enum pl_verdict_kind kind;
} reasons[] = {
#define X(symbol, kind, name, text) [REASON_##symbol] = {name, text, PL_VERDICT_##kind},
	REASONS(X)
#undef X
};

const char *reason_name(unsigned reason)
{
	return reason < REASON_COUNT ? reasons[reason].name : NULL;
}

const char *reason_text(unsigned reason)
{
	return reason < REASON_COUNT ? reasons[reason].text : NULL;
}

enum pl_verdict_kind reason_kind(unsigned reason)
{
	return reason < REASON_COUNT ? reasons[reason].kind : PL_VERDICT_DROP;
}

static const struct {
	const char *name;
	passes_fn *passes;
} isas[] = {
	[CPU_ISA_PLAIN] = {"plain C", passes_plain},
#ifdef __x86_64__
	[CPU_ISA_AVX2] = {"AVX2", passes_avx2},
	[CPU_ISA_AVX512] = {"AVX-512", passes_avx512},
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
	    __builtin_cpu_supports("bmi2"))
		return CPU_ISA_AVX512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
		return CPU_ISA_AVX2;
#endif
	return CPU_ISA_PLAIN;
}

struct cpu_processor {
	struct passes_scratch scratch;
	const struct tables *tables;
	passes_fn *passes;
};

static void cpu_process(void *ctx, struct pl_burst *burst)
{
	struct cpu_processor *cpu = ctx;

	cpu->passes(&cpu->scratch, tables_view(cpu->tables), burst);
}

int cpu_processor_init(struct pl_processor *processor, const struct tables *tables,
		       enum cpu_isa isa)
{
	struct cpu_processor *cpu;

	if (!cpu_isa_name(isa) || isa > cpu_isa_best())
		return -EINVAL;
	cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~(size_t)63);
	if (!cpu)
		return -ENOMEM;
	*cpu = (struct cpu_processor){.tables = tables, .passes = isas[isa].passes};
	processor->process = cpu_process;
	processor->ctx = cpu;
	return 0;
}

void cpu_processor_fini(struct pl_processor *processor)
{
	free(processor->ctx);
	*processor = (struct pl_processor){0};
}
