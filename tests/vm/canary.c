/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether anybody writes into huge pages that were given back, a device say:
 *
 *   vm-canary frames PID FILE    notes the page frames of the process's huge pages
 *   vm-canary hold FILE SECONDS  takes all free huge pages, which must include all of those noted,
 *                                fills them, waits, looks at them
 *
 * hold exits with 0: untouched, 1: somebody wrote there, 2: it could not tell. Root, in a virtual
 * machine: all huge pages are taken for a while. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_BYTES ((size_t)2 << 20)
#define PAGES_MAX 4096u
#define WORDS (HUGE_BYTES / sizeof(uint64_t))

static uint64_t frames[PAGES_MAX];
static unsigned n_frames;

/* The page frame behind an address of the process whose pagemap this is; 0: none. */
static uint64_t frame_of(int pagemap, uintptr_t address)
{
	uint64_t entry;
	off_t at = (off_t)(address / 4096 * sizeof(entry));

	if (pread(pagemap, &entry, sizeof(entry), at) != sizeof(entry) || !(entry >> 63))
		return 0;
	return entry & (((uint64_t)1 << 55) - 1);
}

static int give_up(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 2;
}

/* Writes down the frames of one mapping. */
static void note_mapping(FILE *out, int pagemap, uintptr_t begin, uintptr_t end)
{
	for (uintptr_t at = begin; at < end; at += HUGE_BYTES) {
		uint64_t frame = frame_of(pagemap, at);

		if (frame) {
			fprintf(out, "%" PRIx64 "\n", frame);
			n_frames++;
		}
	}
}

static int note(const char *pid, const char *file)
{
	char path[64], line[512];
	uintptr_t begin = 0, end = 0;
	unsigned kb;
	FILE *maps, *out;
	int pagemap;

	snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
	maps = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%s/pagemap", pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	out = fopen(file, "we");
	if (!maps || pagemap < 0 || !out)
		return give_up(path);
	while (fgets(line, sizeof(line), maps)) {
		uintptr_t b, e;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &b, &e) == 2) {
			begin = b;
			end = e;
		} else if (sscanf(line, "KernelPageSize: %u kB", &kb) == 1 && kb == 2048) {
			note_mapping(out, pagemap, begin, end);
		}
	}
	printf("%u huge pages\n", n_frames);
	return fclose(out) || !n_frames ? 2 : 0;
}

static uint64_t pattern(const uint64_t *at)
{
	return (uintptr_t)at * 0x9e3779b97f4a7c15u;
}

static int read_frames(const char *file)
{
	FILE *in = fopen(file, "re");

	if (!in)
		return -1;
	while (n_frames < PAGES_MAX && fscanf(in, "%" SCNx64, &frames[n_frames]) == 1)
		n_frames++;
	fclose(in);
	return n_frames ? 0 : -1;
}

static bool noted(uint64_t frame)
{
	for (unsigned i = 0; i < n_frames; i++)
		if (frames[i] == frame)
			return true;
	return false;
}

/* Looks at one page; says where it is not as it was filled. */
static bool untouched(const uint64_t *page, uint64_t frame)
{
	for (size_t i = 0; i < WORDS; i++) {
		if (page[i] == pattern(&page[i]))
			continue;
		printf("written: frame %" PRIx64 " at byte %zu: %016" PRIx64 "\n", frame,
		       i * sizeof(page[0]), page[i]);
		return false;
	}
	return true;
}

static int hold(const char *file, unsigned seconds)
{
	static uint64_t *pages[PAGES_MAX];
	static uint64_t held[PAGES_MAX];
	unsigned n = 0, again = 0, bad = 0;
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (read_frames(file) || pagemap < 0)
		return give_up(file);
	for (; n < PAGES_MAX; n++) {
		void *page = mmap(NULL, HUGE_BYTES, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

		if (page == MAP_FAILED)
			break;
		pages[n] = page;
		for (size_t i = 0; i < WORDS; i++)
			pages[n][i] = pattern(&pages[n][i]);
		held[n] = frame_of(pagemap, (uintptr_t)page);
		again += noted(held[n]);
	}
	printf("holding %u huge pages, %u of the %u noted\n", n, again, n_frames);
	fflush(stdout);
	sleep(seconds);
	for (unsigned i = 0; i < n; i++)
		bad += !untouched(pages[i], held[i]);
	printf("%u pages written to\n", bad);
	if (bad)
		return 1;
	return again == n_frames ? 0 : 2;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "frames"))
		return note(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "hold"))
		return hold(argv[2], (unsigned)atoi(argv[3]));
	fprintf(stderr, "usage: vm-canary frames PID FILE | hold FILE SECONDS\n");
	return 2;
}
