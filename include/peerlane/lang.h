/* SPDX-License-Identifier: BSD-2-Clause */
/* One source, three compilers: gcc or clang for the CPU, OpenCL C, and clang to PTX for CUDA.
 *
 * What an accelerator runs or reads (the mailbox, the tables' image, the packet program) is written in what
 * all of them take: no bit-fields, function pointers, VLAs or <stdint.h>; no identifiers `kernel`, `local`,
 * `global`, `class`. Defined here, beside fixed-width types:
 *
 *	PL_FN			function qualifier
 *	PL_G, PL_L		pointer to packets or tables; to what the items of a group share
 *	PL_LOAD16/32/64(p)	a load of a word that another processor may be changing
 *	PL_MARK(p)		sets a byte that another processor may be clearing
 *	pl_pair			16 bytes that are 16-byte aligned, as two words: x, y
 *	PL_PAIR_SET(p, a, b)	a store of one
 *	PL_PAIR_COPY(to, from)	a copy of one
 *
 * A device runs a program by groups (work groups, thread blocks) of items (work items, threads). On
 * the host a group is a thread, and has one item.
 *
 *	PL_ENTRY		qualifier of the function that a device starts at
 *	PL_SHARED		of a variable in it that the group's items share
 *	PL_GROUP(), PL_GROUPS()	index of this group, and how many there are; not on the host, where the entry
 *				is told
 *	PL_ITEM(), PL_ITEMS()	index of this item in its group, and how many there are
 *	PL_BARRIER()		all items of the group come here before any goes on; what they stored
 *				before is seen by all behind it. All must come.
 *	PL_TAKE32(p)		adds 1 to a word that the group's items share; the value before: no two items get
 *				the same
 *	PL_STORE16/32/64(p, v)	a store of a word, at once
 *	PL_FENCE_DEVICE()	keeps this item's stores behind it, as all groups see them, after all that
 *				it stored or saw stored before it
 *
 * and what a device and the host say to each other by:
 *
 *	PL_POLL64(p)		a load, anew each time; with a fence behind it, an acquire
 *	PL_AWAIT64(p)		the same for a value that is waited for, with PL_AWAITED() behind the load that found it:
 *				an acquire, which makes visible also what others saw stored before it was
 *	PL_RELEASE64(p, v)	a store, seen after all that this item stored or saw stored before
 *	PL_FENCE_SYSTEM()	sequentially consistent, with the host
 *	PL_BACK_OFF(turns)	waits a little before the next look, the `turns`th in vain
 */
#ifndef PEERLANE_LANG_H
#define PEERLANE_LANG_H

#if defined(__OPENCL_VERSION__) || defined(__OPENCL_C_VERSION__)

typedef uchar uint8_t;
typedef ushort uint16_t;
typedef uint uint32_t;
typedef ulong uint64_t;
#define PL_FN static inline
#define PL_G __global
#define PL_L __local
#define PL_ASSERT_CAT2(a, b) a##b
#define PL_ASSERT_CAT(a, b) PL_ASSERT_CAT2(a, b)
#define PL_ASSERT(cond, text) typedef char PL_ASSERT_CAT(pl_assert_, __LINE__)[(cond) ? 1 : -1]
#define PL_LOAD16(p) (*(volatile PL_G const uint16_t *)(p))
#define PL_LOAD32(p) (*(volatile PL_G const uint32_t *)(p))
#define PL_LOAD64(p) (*(volatile PL_G const uint64_t *)(p))
/* Looks first: what is set already need not go to memory that all groups share. */
#define PL_MARK(p) ((void)(*(volatile PL_G uint8_t *)(p) || (*(volatile PL_G uint8_t *)(p) = 1)))
typedef ulong2 pl_pair;
#define PL_PAIR_SET(p, a, b) (*(PL_G pl_pair *)(p) = (pl_pair)((a), (b)))
#define PL_PAIR_COPY(to, from) (*(PL_G pl_pair *)(to) = *(PL_G const pl_pair *)(from))

#define PL_ENTRY __kernel
#define PL_SHARED __local
#define PL_GROUP() ((uint32_t)get_group_id(0))
#define PL_GROUPS() ((uint32_t)get_num_groups(0))
#define PL_ITEM() ((uint32_t)get_local_id(0))
#define PL_ITEMS() ((uint32_t)get_local_size(0))
#define PL_BARRIER() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define PL_TAKE32(p) ((uint32_t)atomic_inc((volatile PL_L uint32_t *)(p)))
#define PL_STORE16(p, v) (*(volatile PL_G uint16_t *)(p) = (v))
#define PL_STORE32(p, v) (*(volatile PL_G uint32_t *)(p) = (v))
#define PL_STORE64(p, v) (*(volatile PL_G uint64_t *)(p) = (v))
/* OpenCL C 2.0's fences, as 1.2's mem_fence() says nothing of other groups or the host, and PoCL 3.1's is empty.
 * Where 3.0 has no fence with the host, all that is stored goes to memory that both see anyway. */
#if __OPENCL_C_VERSION__ == 200 || defined(__opencl_c_atomic_scope_all_devices)
#define PL_SYSTEM memory_scope_all_svm_devices
#else
#define PL_SYSTEM memory_scope_device
#endif
#define PL_FENCE(order, scope) atomic_work_item_fence(CLK_GLOBAL_MEM_FENCE, order, scope)
#define PL_FENCE_DEVICE() PL_FENCE(memory_order_acq_rel, memory_scope_device)
#define PL_POLL64(p) PL_LOAD64(p)
#define PL_AWAIT64(p) PL_POLL64(p)
#define PL_AWAITED() PL_FENCE_SYSTEM()
#define PL_RELEASE64(p, v) (PL_FENCE(memory_order_release, PL_SYSTEM), PL_STORE64(p, v))
#define PL_FENCE_SYSTEM() PL_FENCE(memory_order_seq_cst, PL_SYSTEM)
#define PL_BACK_OFF(turns) ((void)(turns))

#elif defined(__CUDA__)

typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long uint64_t;
#define PL_FN static __attribute__((device)) inline __attribute__((always_inline))
/* Global memory, the host's included: not to be mistaken for a group's shared memory, and so loaded by the
 * instructions that need not look which it is. */
#define PL_G __attribute__((address_space(1)))
#define PL_L
#define PL_ASSERT(cond, text) static_assert(cond, text)
/* "volatile" is "relaxed.sys" to PTX: served by the L2 cache, not by a multiprocessor's L1.
 *
 * Assumption: a load whose address another one's value gave sees what was stored, with a fence behind, before
 * that value was. PTX's memory model knows no such dependencies and would want acquires, each of which empties
 * the L1 cache. The hardware sends the second load after the first is back, to the same cache in which the
 * fence made the earlier store take effect. */
#define PL_LOAD16(p) (*(volatile PL_G const uint16_t *)(p))
#define PL_LOAD32(p) (*(volatile PL_G const uint32_t *)(p))
#define PL_LOAD64(p) (*(volatile PL_G const uint64_t *)(p))
/* Looks first: what is set already need not go to memory that all groups share. */
#define PL_MARK(p) ((void)(*(volatile PL_G uint8_t *)(p) || (*(volatile PL_G uint8_t *)(p) = 1)))
typedef unsigned long pl_pair __attribute__((ext_vector_type(2)));
#define PL_PAIR_SET(p, a, b) (*(PL_G pl_pair *)(p) = (pl_pair){(a), (b)})
#define PL_PAIR_COPY(to, from) (*(PL_G pl_pair *)(to) = *(PL_G const pl_pair *)(from))

#define PL_ENTRY extern "C" __attribute__((global))
#define PL_SHARED __attribute__((shared))
#define PL_GROUP() ((uint32_t)__nvvm_read_ptx_sreg_ctaid_x())
#define PL_GROUPS() ((uint32_t)__nvvm_read_ptx_sreg_nctaid_x())
#define PL_ITEM() ((uint32_t)__nvvm_read_ptx_sreg_tid_x())
#define PL_ITEMS() ((uint32_t)__nvvm_read_ptx_sreg_ntid_x())
#define PL_BARRIER() __syncthreads()
#define PL_TAKE32(p) __atomic_fetch_add((uint32_t *)(p), 1u, __ATOMIC_RELAXED)
#define PL_STORE16(p, v) (*(volatile PL_G uint16_t *)(p) = (v))
#define PL_STORE32(p, v) (*(volatile PL_G uint32_t *)(p) = (v))
#define PL_STORE64(p, v) (*(volatile PL_G uint64_t *)(p) = (v))
#define PL_FENCE_DEVICE() asm volatile("fence.acq_rel.gpu;" ::: "memory")
#define PL_POLL64(p) pl_poll64(p)
/* Assumption: no fence is needed beside. What is stored to the device's memory its L2 cache has before the host hears of
 * it, and loads behind an acquire are made after it, so they find that (docs/architecture.md, "Memory ordering"). A
 * fence would wait for all that is on its way over the bus. */
#define PL_AWAIT64(p) pl_await64(p)
#define PL_AWAITED() ((void)0)
#define PL_RELEASE64(p, v) \
	asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(p), "l"(v) : "memory")
#define PL_FENCE_SYSTEM() asm volatile("fence.sc.sys;" ::: "memory")
/* A look costs a round trip to the host's memory anyway. */
#define PL_BACK_OFF(turns) \
	asm volatile("nanosleep.u32 %0;" ::"r"((turns) < 1000u ? 20u : 500u) : "memory")

PL_FN uint64_t pl_poll64(const volatile PL_G uint64_t *p)
{
	uint64_t value;

	asm volatile("ld.relaxed.sys.global.u64 %0, [%1];" : "=l"(value) : "l"(p) : "memory");
	return value;
}

PL_FN uint64_t pl_await64(const volatile PL_G uint64_t *p)
{
	uint64_t value;

	asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(value) : "l"(p) : "memory");
	return value;
}

#else

#include <sched.h>
#include <stdint.h>

#define PL_FN static inline
#define PL_G
#define PL_L
#define PL_ASSERT(cond, text) _Static_assert(cond, text)
/* Acquire: pairs with the release store that publishes a change (tables/), so that what the word
 * refers to is seen as it was when the word was written. Plain moves on x86. */
#define PL_LOAD16(p) __atomic_load_n((const uint16_t *)(p), __ATOMIC_ACQUIRE)
#define PL_LOAD32(p) __atomic_load_n((const uint32_t *)(p), __ATOMIC_ACQUIRE)
#define PL_LOAD64(p) __atomic_load_n((const uint64_t *)(p), __ATOMIC_ACQUIRE)
/* Relaxed: a mark says nothing about anything but itself. */
#define PL_MARK(p) __atomic_store_n((uint8_t *)(p), (uint8_t)1, __ATOMIC_RELAXED)
typedef struct {
	uint64_t x, y;
} pl_pair;
/* Volatile: to put two words together for one store takes longer than to store them. */
#define PL_PAIR_SET(p, a, b) \
	((void)(((volatile uint64_t *)(p))[0] = (a), ((volatile uint64_t *)(p))[1] = (b)))
#define PL_PAIR_COPY(to, from) (*(pl_pair *)(to) = *(const pl_pair *)(from))
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the tables are little-endian images");

#define PL_HOST
#define PL_ITEM() 0u
#define PL_ITEMS() 1u
#define PL_BARRIER() ((void)0)
#define PL_TAKE32(p) ((*(uint32_t *)(p))++)
#define PL_STORE16(p, v) __atomic_store_n((uint16_t *)(p), (uint16_t)(v), __ATOMIC_RELEASE)
#define PL_STORE32(p, v) __atomic_store_n((uint32_t *)(p), (uint32_t)(v), __ATOMIC_RELEASE)
#define PL_STORE64(p, v) __atomic_store_n((uint64_t *)(p), (uint64_t)(v), __ATOMIC_RELEASE)
#define PL_FENCE_DEVICE() ((void)0) /* each store releases */
#define PL_POLL64(p) PL_LOAD64(p)
#define PL_AWAIT64(p) PL_POLL64(p)
#define PL_AWAITED() PL_FENCE_SYSTEM()
#define PL_RELEASE64(p, v) PL_STORE64(p, v)
#define PL_FENCE_SYSTEM() pl_fence_system()
/* Now and then lets others have the core: there may be fewer of them than threads. */
#define PL_BACK_OFF(turns) pl_back_off(turns)

static inline void pl_fence_system(void)
{
#ifdef __SANITIZE_THREAD__
	/* gcc takes no fences there. On x86 a locked instruction is one. */
	static _Thread_local uint32_t word;

	__atomic_exchange_n(&word, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static inline void pl_back_off(uint32_t turns)
{
#ifdef __x86_64__
	if (turns % 64 != 63) {
		__builtin_ia32_pause();
		return;
	}
#endif
	sched_yield();
}

#endif
#endif
