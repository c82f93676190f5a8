/* SPDX-License-Identifier: BSD-2-Clause */
#include "accelerator.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../offload/offload.h"
#include "server.h"
#include "warnings.h"

#define INFOS_MAX 32u

/* Without one: the remedy that always works. */
#define WITHOUT "or Mode=nic-cpu"

static bool wanted(const struct router *router)
{
	return config_mode(router->config)->accelerated;
}

const char *accelerator_name(const struct pl_accel_info *info, char out[ACCELERATOR_NAME_SIZE])
{
	snprintf(out, ACCELERATOR_NAME_SIZE, "%s:%u %s", pl_accel_kind_name(info->kind),
		 info->index, info->name);
	return out;
}

const char *accelerator_launch_name(enum pl_accel_launch launch)
{
	return launch == PL_ACCEL_BURST ? "burst" : "persistent";
}

/* Puts in front of an error that it is about the accelerator, and where it was asked for. */
static int of_accelerator(const struct router *router, int rc, struct pl_error *err)
{
	const struct config *config = router->config;
	struct pl_error plain = *err;
	char remedy[sizeof(plain.remedy) + 24];

	snprintf(remedy, sizeof(remedy), "%s%s" WITHOUT, plain.remedy, plain.remedy[0] ? ", " : "");
	return pl_error_set(err, rc, remedy, "%.100s: %s",
			    config->accelerator_at[0] ? config->accelerator_at : config->mode_at,
			    plain.what);
}

/* ---- the thread that asks drivers ---- */

struct errand {
	struct router *router;
	int (*fn)(struct router *router, struct pl_error *err);
	struct pl_error *err;
	int rc;
};

/* Once: a driver's threads may look at it then. */
static void tell_cache(const char *variable, const char *path)
{
	const char *told = getenv(variable);

	if (!told || strcmp(told, path) != 0)
		setenv(variable, path, 1);
}

/* What drivers compile they keep in a folder: that which the service manager made for it, or one beside the
 * control socket. */
static int make_cache(const struct config *config, char *path, size_t size, struct pl_error *err)
{
	const char *given = getenv("CACHE_DIRECTORY");
	size_t folder = (size_t)(strrchr(config->control_socket, '/') - config->control_socket);
	/* With --check there is no server that has made it. */
	int rc = given ? 0 : server_make_folder(config->control_socket, err);

	if (rc)
		return rc;
	if (given)
		snprintf(path, size, "%s", given);
	else
		snprintf(path, size, "%.*s/accelerator", (int)folder, config->control_socket);
	if ((mkdir(path, 0700) && errno != EEXIST) || access(path, W_OK | X_OK))
		return pl_error_set(err, -errno,
				    given ? "set CACHE_DIRECTORY to a folder that can be written"
					  : "choose another ControlSocket=, or set CACHE_DIRECTORY",
				    "%s: cannot keep there what drivers compile: %s", path,
				    strerror(errno));
	tell_cache("POCL_CACHE_DIR", path);
	tell_cache("CUDA_CACHE_PATH", path);
	return 0;
}

static void *on_errand(void *arg)
{
	struct errand *errand = arg;
	const struct config *config = errand->router->config;
	char cache[PATH_MAX];

	pthread_setname_np(pthread_self(), "accelerator"); /* and so those that it makes */
	errand->rc = make_cache(config, cache, sizeof(cache), errand->err);
	if (!errand->rc)
		errand->rc = privileges_confine_driver(config, cache, errand->err);
	if (!errand->rc)
		errand->rc = errand->fn(errand->router, errand->err);
	return NULL;
}

/* Runs `fn` on a thread of its own, that is confined, and waits for it. */
static int with_drivers(struct router *router,
			int (*fn)(struct router *router, struct pl_error *err),
			struct pl_error *err)
{
	struct errand errand = {router, fn, err, 0};
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, on_errand, &errand);

	if (rc)
		return pl_error_set(err, -rc, NULL, "cannot start a thread: %s", strerror(rc));
	pthread_join(thread, NULL);
	return errand.rc;
}

/* ---- which one ---- */

/* Whether it can be used as asked; else *rc and *why tell. A device that cannot be persistent is launched for
 * each burst, unless persistent was asked for. */
static bool usable(const struct config *config, const struct pl_accel_info *info, int *rc,
		   const struct pl_error **why)
{
	*why = &info->why;
	*rc = info->unusable;
	if (!*rc && config->launch == PL_ACCEL_PERSISTENT && config->launch_at[0])
		*rc = info->no_persistent;
	if (!*rc && config_mode(config)->remote) {
		*why = &info->why_no_packets;
		*rc = info->no_packets;
	}
	return !*rc;
}

/* Adds to a list of which each is about one kind, by which errors of lib/accel begin, or device. */
static void add(char *out, size_t size, const struct pl_accel_info *info, const char *text)
{
	const char *kind = pl_accel_kind_name(info->kind);
	size_t len = strlen(out);
	int n;

	if (!text[0] || len >= size)
		return;
	if (info->index == UINT_MAX && !strncasecmp(text, kind, strlen(kind)))
		n = snprintf(out + len, size - len, "%s%s", len ? "; " : "", text);
	else if (info->index == UINT_MAX)
		n = snprintf(out + len, size - len, "%s%s: %s", len ? "; " : "", kind, text);
	else
		n = snprintf(out + len, size - len, "%s%s:%u: %s", len ? "; " : "", kind,
			     info->index, text);
	if (n < 0)
		out[len] = '\0';
}

/* The first that can be used; never the host's threads, which are for tests. */
static int choose_any(struct router *router, const struct pl_accel_info *infos, unsigned n,
		      struct pl_error *err)
{
	char whys[200] = "", remedies[200] = "";
	const struct pl_error *why;
	int rc;

	for (unsigned i = 0; i < n; i++) {
		if (infos[i].kind == PL_ACCEL_HOST)
			continue;
		if (usable(router->config, &infos[i], &rc, &why) && infos[i].index != UINT_MAX) {
			router->accelerator = infos[i];
			return 0;
		}
		add(whys, sizeof(whys), &infos[i], why->what);
		add(remedies, sizeof(remedies), &infos[i], why->remedy);
	}
	return pl_error_set(err, -ENODEV, remedies, "no accelerator: %s", whys);
}

/* The one named. */
static int choose_named(struct router *router, const struct pl_accel_info *infos, unsigned n,
			struct pl_error *err)
{
	const struct config_accelerator *named = &router->config->accelerator;
	const char *kind = pl_accel_kind_name(named->kind);
	const struct pl_error *why;
	unsigned there = 0;
	int rc;

	for (unsigned i = 0; i < n; i++) {
		const struct pl_accel_info *info = &infos[i];

		if (info->kind != named->kind)
			continue;
		if (info->index == UINT_MAX)
			return pl_error_set(err, info->unusable ? info->unusable : -ENODEV,
					    info->why.remedy, "%s", info->why.what);
		there++;
		if (info->index != named->index)
			continue;
		router->accelerator = *info;
		if (usable(router->config, info, &rc, &why))
			return 0;
		return pl_error_set(err, rc, why->remedy, "%s", why->what);
	}
	return pl_error_set(err, -ENODEV, "see: peerlane devices", "no %s:%u (there %s %u)", kind,
			    named->index, there == 1 ? "is" : "are", there);
}

/* On the drivers' thread. */
static int choose(struct router *router, struct pl_error *err)
{
	struct pl_accel_info *infos = calloc(INFOS_MAX, sizeof(*infos));
	unsigned n;
	int rc;

	if (!infos)
		return pl_error_set(err, -ENOMEM, NULL, "out of memory");
	n = pl_accel_scan(infos, INFOS_MAX);
	if (n > INFOS_MAX)
		n = INFOS_MAX;
	if (router->config->accelerator.any)
		rc = choose_any(router, infos, n, err);
	else
		rc = choose_named(router, infos, n, err);
	free(infos);
	return rc;
}

int accelerator_probe(struct router *router, struct pl_error *err)
{
	int rc = wanted(router) ? with_drivers(router, choose, err) : 0;

	if (rc)
		return of_accelerator(router, rc, err);
	router->launch = router->config->launch;
	if (router->accelerator.no_persistent)
		router->launch = PL_ACCEL_BURST;
	return 0;
}

unsigned accelerator_packets(const struct config *config)
{
	return config_mode(config)->accelerated ? MAILBOX_SLOTS * PL_BURST_MAX : 0;
}

/* ---- packets in its memory ---- */

/* On the drivers' thread. */
static int make_packets(struct router *router, struct pl_error *err)
{
	const struct pl_accel_info *info = &router->accelerator;
	int rc = 0;

	for (unsigned i = 0; i < router->n_packets && !rc; i++)
		rc = pl_accel_packets_new(&router->packets[i], info->kind, info->index,
					  router->packets_bytes, err);
	return rc;
}

int accelerator_packets_new(struct router *router, unsigned n, size_t len_bytes,
			    struct pl_error *err)
{
	int rc;

	router->packets = calloc(n, sizeof(*router->packets));
	if (!router->packets)
		return pl_error_set(err, -ENOMEM, NULL, "accelerator: out of memory");
	router->n_packets = n;
	router->packets_bytes = len_bytes;
	rc = with_drivers(router, make_packets, err);
	return rc ? of_accelerator(router, rc, err) : 0;
}

void accelerator_packets_free(struct router *router)
{
	for (unsigned i = 0; i < router->n_packets; i++)
		pl_accel_packets_free(&router->packets[i]);
	free(router->packets);
	router->packets = NULL;
	router->n_packets = 0;
}

/* ---- from opening to end ---- */

/* On the drivers' thread. */
static int open_it(struct router *router, struct pl_error *err)
{
	const struct offload_config config = {
		.kind = router->accelerator.kind,
		.index = router->accelerator.index,
		.launch = router->launch,
		.n_planes = router->n_planes,
		.stays = router->config->busy_poll,
		.isa = router->isa,
	};
	int rc = offload_new(&router->offload, &config, router->tables, err);

	for (unsigned i = 0; i < router->n_planes && !rc; i++)
		rc = offload_processor(router->offload, i, &router->planes[i].pool,
				       router->police[i], &router->planes[i].processor, err);
	return rc;
}

int accelerator_open(struct router *router, struct pl_error *err)
{
	int rc = wanted(router) ? with_drivers(router, open_it, err) : 0;

	return rc ? of_accelerator(router, rc, err) : 0;
}

/* On the drivers' thread: that of the accelerator is made here, and inherits. */
static int start_it(struct router *router, struct pl_error *err)
{
	return offload_start(router->offload, err);
}

static void log_start(struct router *router)
{
	char name[ACCELERATOR_NAME_SIZE], memory[32] = "the host's memory";
	struct offload_stats stats;

	offload_stats(router->offload, &stats);
	if (stats.device.memory_bytes)
		snprintf(memory, sizeof(memory), "%llu MiB",
			 (unsigned long long)(stats.device.memory_bytes >> 20));
	log_info(
		router->log, "accelerator: %s (%s), %s, launch %s, %u worker%s, tables of %llu MiB",
		accelerator_name(&stats.device, name), stats.device.driver, memory,
		accelerator_launch_name(stats.launch), stats.workers, stats.workers == 1 ? "" : "s",
		(unsigned long long)(stats.memory_bytes + (1 << 20) - 1) >> 20);
	router->accelerator_seen = (struct accelerator_seen){
		.failed = stats.state == OFFLOAD_FAILED, .faults = stats.faults};
}

int accelerator_start(struct router *router, struct pl_error *err)
{
	int rc = router->offload ? with_drivers(router, start_it, err) : 0;

	if (rc)
		return of_accelerator(router, rc, err);
	if (router->offload) {
		log_start(router);
		warn_accelerator(router);
	}
	return 0;
}

int accelerator_fd(const struct router *router)
{
	return router->offload ? offload_event_fd(router->offload) : -1;
}

static void log_fault(const struct router *router, const struct offload_stats *stats)
{
	char when[64] = "once it is known to touch packets no more";
	struct pl_error err;

	if (stats->retry_in_ms)
		snprintf(when, sizeof(when), "in %llu ms", (unsigned long long)stats->retry_in_ms);
	pl_error_set(&err, 0, stats->fault.remedy, "accelerator: %s: %s, it is tried again %s",
		     stats->fault.what, config_mode(router->config)->without, when);
	log_error(router->log, LOG_LEVEL_WARNING, &err);
}

/* The log hears of each failure once, however often it is tried again in vain for the same reason. */
static void log_change(struct router *router, const struct offload_stats *stats, uint64_t now_ms)
{
	struct accelerator_seen *seen = &router->accelerator_seen;
	char name[ACCELERATOR_NAME_SIZE];

	if (stats->faults != seen->faults &&
	    (!seen->failed || strcmp(seen->fault, stats->fault.what) != 0)) {
		log_fault(router, stats);
		snprintf(seen->fault, sizeof(seen->fault), "%s", stats->fault.what);
		if (!seen->failed)
			seen->since_ms = now_ms;
		seen->failed = true;
	}
	seen->faults = stats->faults;
	if (!seen->failed || stats->state != OFFLOAD_READY)
		return;
	seen->failed = false;
	log_info(router->log,
		 "accelerator: %s forwards again after %llu ms; since the start %llu packets were "
		 "lost with it, %llu forwarded by the CPU",
		 accelerator_name(&stats->device, name),
		 (unsigned long long)(now_ms - seen->since_ms),
		 (unsigned long long)stats->lost_packets, (unsigned long long)stats->cpu_packets);
}

void accelerator_follow(struct router *router, uint64_t now_ms)
{
	struct offload_stats stats;

	if (!router->offload)
		return;
	offload_attend(router->offload);
	offload_stats(router->offload, &stats);
	log_change(router, &stats, now_ms);
}

void accelerator_stop(struct router *router)
{
	if (router->offload)
		offload_stop(router->offload);
}

bool accelerator_free(struct router *router)
{
	int rc = offload_free(router->offload);

	if (rc)
		log_warning(router->log, "accelerator: it hangs: what it may write to, buffers and "
					 "tables, stays until this process has ended");
	router->offload = NULL;
	return !rc;
}

/* ---- --check ---- */

void accelerator_print(const struct router *router, FILE *out)
{
	const struct pl_accel_info *info = &router->accelerator;
	char name[ACCELERATOR_NAME_SIZE];

	if (!wanted(router)) {
		fputs("mode: nic-cpu, packets are processed by the planes' cores\n", out);
		return;
	}
	fprintf(out, "mode: %s, launch %s\n", config_mode(router->config)->name,
		accelerator_launch_name(router->launch));
	fprintf(out, "accelerator: %s (%s), ", accelerator_name(info, name), info->driver);
	if (info->memory_bytes)
		fprintf(out, "%llu MiB of memory\n",
			(unsigned long long)(info->memory_bytes >> 20));
	else
		fputs("in the host's memory\n", out);
}
