/* SPDX-License-Identifier: BSD-2-Clause */
/* The instruction sets that lookups and the packet program are built for. */
#ifndef PEERLANE_TABLES_ISA_H
#define PEERLANE_TABLES_ISA_H

/* Which build to run. All give the same answers; but for the first they are there on x86 only. */
enum cpu_isa { CPU_ISA_PLAIN, CPU_ISA_AVX2, CPU_ISA_AVX512 };

/* The best this processor has: all before it in the list are there too. */
enum cpu_isa cpu_isa_best(void);
const char *cpu_isa_name(enum cpu_isa isa); /* "plain C", "AVX2", "AVX-512"; NULL for others */

#endif
