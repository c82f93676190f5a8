/* SPDX-License-Identifier: BSD-2-Clause */
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "landlock.h"
#include "syscalls.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A sanitizer reads files, makes threads and runs a symbolizer when it likes. Such a build is for
 * tests: its filter only logs, and Landlock stays off. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* Needed at the start. Those that are kept are for something that goes on happening. Programs are
 * loaded at the start alone. To attach one anew and to change what its map holds, the kernel wants
 * their descriptors, but since 5.19 no CAP_BPF, whatever unprivileged_bpf_disabled says. */
static const struct {
	unsigned number;
	const char *name;
	bool kept;
	bool cleanup; /* needs it too */
} needed[] = {
	{CAP_NET_ADMIN, "CAP_NET_ADMIN", true, true}, /* TAPs, sysctls, MTU, MAC of links, XDP */
	{CAP_NET_RAW, "CAP_NET_RAW", true, false},   /* AF_XDP sockets, a device's address filter */
	{CAP_BPF, "CAP_BPF", false, false},	     /* the XDP programs and their maps */
	{CAP_IPC_LOCK, "CAP_IPC_LOCK", true, false}, /* the buffers that the kernel pins */
};

const char *privileges_missing(bool cleanup, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process())
		return out; /* then the steps themselves will tell */
	for (unsigned i = 0; i < COUNT(needed) && len < size; i++) {
		if (cleanup && !needed[i].cleanup)
			continue;
		if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i].number))
			len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "",
						needed[i].name);
	}
	return out;
}

/* ---- capabilities ---- */

static uint64_t effective(void)
{
	uint64_t set = 0;

	for (unsigned i = 0; i <= CAP_LAST_CAP; i++)
		if (capng_have_capability(CAPNG_EFFECTIVE, i))
			set |= UINT64_C(1) << i;
	return set;
}

/* Keeps those to be kept. The bounding set only matters to programs that are executed, which the
 * filter does not allow; without CAP_SETPCAP, as under systemd, it stays as it is. So do the
 * securebits, and a core can be dumped: a router's crash has to be looked into; only root can. */
static int drop_capabilities(struct confinement *c, struct pl_error *err)
{
	bool may_bound;
	int rc;

	capng_get_caps_process();
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned i = 0; i < COUNT(needed); i++)
		if (needed[i].kept)
			capng_update(CAPNG_ADD,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
				     needed[i].number);
	rc = may_bound ? capng_apply(CAPNG_SELECT_BOUNDS) : 0;
	if (!rc)
		rc = capng_apply(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
	if (rc)
		return pl_error_set(err, -EPERM, NULL,
				    "confinement: cannot drop capabilities (libcap-ng: %d)", rc);
	capng_get_caps_process();
	c->capabilities = effective();
	return 0;
}

/* ---- all of it ---- */

static int restrict_files(struct confinement *c, const struct config *config, struct pl_error *err)
{
	const char *sockets[1 + PL_PORTS_MAX] = {config->control_socket};
	unsigned n = 1;
	int rc;

	for (unsigned i = 0; i < config->n_ports; i++)
		if (config->ports[i].wire[0])
			sockets[n++] = config->ports[i].wire;
	rc = SANITIZED ? 0 : landlock_confine(sockets, n);
	if (rc < 0)
		return pl_error_set(err, rc, NULL, "confinement: Landlock: %s", strerror(-rc));
	c->landlock = (unsigned)rc;
	return 0;
}

/* What a filter does in this build. */
static enum config_seccomp seccomp_mode(const struct config *config)
{
	if (SANITIZED && config->seccomp == CONFIG_SECCOMP_YES)
		return CONFIG_SECCOMP_LOG;
	return config->seccomp;
}

static int cannot_filter(int rc, struct pl_error *err)
{
	return pl_error_set(err, rc, "use a kernel with CONFIG_SECCOMP_FILTER=y, or Seccomp=no",
			    "confinement: cannot load the seccomp filter: %s", strerror(-rc));
}

/* Whether there may be one whose driver has a part in the kernel. */
static bool has_accelerator(const struct config *config)
{
	return config_mode(config)->accelerated &&
	       (config->accelerator.any || config->accelerator.kind != PL_ACCEL_HOST);
}

static bool has_devices(const struct config *config)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (config->ports[i].kind == CONFIG_PCI)
			return true;
	return false;
}

static bool has_wires(const struct config *config)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (config->ports[i].wire[0])
			return true;
	return false;
}

static int restrict_calls(struct confinement *c, const struct config *config, struct pl_error *err)
{
	const struct syscalls_needs needs = {
		.may_write = c->landlock > 0,
		.has_devices = has_devices(config),
		.has_wires = has_wires(config),
		.has_accelerator = has_accelerator(config),
	};
	int rc;

	c->seccomp = seccomp_mode(config);
	if (c->seccomp == CONFIG_SECCOMP_NO)
		return 0;
	rc = syscalls_export_worker(c->seccomp, &needs, &c->worker);
	if (!rc)
		rc = syscalls_confine(c->seccomp, &needs);
	return rc ? cannot_filter(rc, err) : 0;
}

static void say(const struct confinement *c, const struct log *log)
{
	static const char *const seccomp[] = {
		[CONFIG_SECCOMP_NO] = "no seccomp filter",
		[CONFIG_SECCOMP_LOG] = "seccomp filter that only logs",
		[CONFIG_SECCOMP_YES] = "seccomp filter",
	};
	char names[256] = "";
	size_t len = 0;

	for (unsigned i = 0; i <= CAP_LAST_CAP && len < sizeof(names); i++)
		if (c->capabilities >> i & 1)
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
						len ? ", " : "", capng_capability_to_name(i));
	log_info(log, "confined: capabilities %s; %s; %s", names, seccomp[c->seccomp],
		 c->landlock  ? "Landlock"
		 : SANITIZED  ? "no Landlock, for the sanitizer's sake"
		 : c->seccomp ? "no Landlock in this kernel, so no file may be written at all"
			      : "no Landlock in this kernel, so files may be written as by root");
}

int privileges_confine(struct confinement *c, const struct config *config, const struct log *log,
		       struct pl_error *err)
{
	int rc;

	*c = (struct confinement){.log = log};
	/* What comes after wants this; and no set-user-ID program gives anything back. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return pl_error_set(err, -errno, NULL, "confinement: no_new_privs: %s",
				    strerror(errno));
	rc = restrict_files(c, config, err);
	if (!rc)
		rc = drop_capabilities(c, err);
	if (!rc)
		rc = restrict_calls(c, config, err);
	if (!rc)
		say(c, log);
	return rc;
}

/* Gives up all capabilities of the calling thread: the call itself, since libraries would first ask for
 * things that are not allowed any more, or are not made for threads. Returns 0 or -1. */
static int drop_all_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return (int)syscall(SYS_capset, &header, none);
}

void privileges_confine_worker(void *confinement)
{
	const struct confinement *c = confinement;

	if (drop_all_capabilities() ||
	    (c->worker.len && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0UL, &c->worker)))
		log_warning(c->log, "confinement of a plane or of the TAPs' thread: %s",
			    strerror(errno));
}

int privileges_confine_driver(const struct config *config, const char *cache, struct pl_error *err)
{
	enum config_seccomp mode = seccomp_mode(config);
	int rc = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || drop_all_capabilities())
		rc = -errno;
	if (!rc && !SANITIZED)
		rc = landlock_confine_driver(cache);
	if (rc < 0)
		return pl_error_set(err, rc, NULL, "confinement of the accelerator's driver: %s",
				    strerror(-rc));
	rc = mode == CONFIG_SECCOMP_NO ? 0 : syscalls_confine_driver(mode);
	return rc ? cannot_filter(rc, err) : 0;
}

void privileges_free(struct confinement *c)
{
	free(c->worker.filter);
	c->worker = (struct sock_fprog){0};
}
