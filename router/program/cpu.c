/* SPDX-License-Identifier: BSD-2-Clause */
#include "cpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static passes_fn *const passes[] = {
	[CPU_ISA_PLAIN] = passes_plain,
#ifdef __x86_64__
	[CPU_ISA_AVX2] = passes_avx2,
	[CPU_ISA_AVX512] = passes_avx512,
#endif
};

struct cpu_processor {
	struct passes_scratch scratch;
	struct pl_immediate immediate;
	const struct tables *tables;
	passes_fn *passes;
	uint8_t *used;	       /* marks, see struct tables_view; on cache lines of its own */
	struct police *police; /* NULL: punts are not limited */
};

static void process(void *ctx, struct pl_burst *burst)
{
	struct cpu_processor *cpu = ctx;
	struct tables_view view = *tables_view(cpu->tables);

	view.used = cpu->used;
	cpu->passes(&cpu->scratch, &view, burst);
	if (cpu->police)
		police_burst(cpu->police, &view, burst);
}

/* A processor's context is its immediate. */
static struct cpu_processor *of(const struct pl_processor *processor)
{
	struct pl_immediate *immediate = processor->ctx;

	return immediate ? immediate->ctx : NULL;
}

void cpu_process(const struct pl_processor *processor, struct pl_burst *burst)
{
	process(of(processor), burst);
}

int cpu_processor_init(struct pl_processor *processor, const struct tables *tables,
		       enum cpu_isa isa)
{
	struct cpu_processor *cpu;
	uint8_t *used;

	if (!cpu_isa_name(isa) || isa > cpu_isa_best())
		return -EINVAL;
	cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~(size_t)63);
	used = aligned_alloc(64, TABLES_NEXTHOPS_MAX);
	if (!cpu || !used) {
		free(cpu);
		free(used);
		return -ENOMEM;
	}
	memset(used, 0, TABLES_NEXTHOPS_MAX);
	*cpu = (struct cpu_processor){.tables = tables, .passes = passes[isa], .used = used};
	*processor = pl_immediate_processor(&cpu->immediate, process, cpu);
	return 0;
}

/* The plane may set the mark between the load and the store: it is lost, and the answer the same. */
bool cpu_processor_take_used(const struct pl_processor *processor, uint32_t index)
{
	const struct cpu_processor *cpu = of(processor);

	if (!__atomic_load_n(&cpu->used[index], __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&cpu->used[index], 0, __ATOMIC_RELAXED);
	return true;
}

void cpu_processor_limit(struct pl_processor *processor, struct police *police)
{
	struct cpu_processor *cpu = of(processor);

	cpu->police = police;
}

void cpu_processor_fini(struct pl_processor *processor)
{
	struct cpu_processor *cpu = of(processor);

	if (cpu)
		free(cpu->used);
	free(cpu);
	*processor = (struct pl_processor){0};
}
