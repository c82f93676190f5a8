/* SPDX-License-Identifier: BSD-2-Clause */
/* sysfs: driver_override names the one driver that may have a device, drivers_probe looks for one, unbind and
 * bind do what they say. Documentation/ABI/testing/sysfs-bus-pci of the kernel. */
#include "bind.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <peerlane/nic.h>
#include <peerlane/pci_scan.h>

#include "lifeline.h"

#define DRIVER_VFIO "vfio-pci"
#define DRIVER_KMOD "peerlane"
#define DRIVER_SIZE 64

/* A device that is being handed over. */
struct handover {
	const struct bind_world *world;
	struct pl_pci_function f;
	char override[DRIVER_SIZE]; /* as it was; "": none */
	char remembered[DRIVER_SIZE];
};

/* ---- sysfs ---- */

int bind_write(void *ctx, const char *path, const char *line)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;
	size_t len = strlen(line);
	ssize_t n;

	(void)ctx;
	if (fd < 0)
		return -errno;
	n = write(fd, line, len);
	if (n != (ssize_t)len)
		rc = n < 0 ? -errno : -EIO;
	close(fd);
	return rc;
}

/* Reads the first line of a file. Returns false, and "", if there is none. */
static bool read_line(const char *path, char *out, size_t size)
{
	FILE *file = fopen(path, "re");

	out[0] = '\0';
	if (!file)
		return false;
	if (!fgets(out, (int)size, file))
		out[0] = '\0';
	fclose(file);
	out[strcspn(out, "\n")] = '\0';
	return out[0];
}

static const char *device_path(const struct handover *h, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/bus/pci/devices/%s/%s", h->world->sysfs, h->f.address, name);
	return out;
}

static bool has_driver(const struct handover *h, const char *driver)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/drivers/%s", h->world->sysfs, driver);
	return access(path, F_OK) == 0;
}

/* Which driver has it now. */
static const char *driver_now(const struct handover *h, char out[DRIVER_SIZE])
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len = readlink(device_path(h, "driver", path), target, sizeof(target) - 1);
	const char *last;

	target[len > 0 ? len : 0] = '\0';
	last = strrchr(target, '/');
	snprintf(out, DRIVER_SIZE, "%.63s", last ? last + 1 : target);
	return out;
}

static int set_override(const struct handover *h, const char *driver)
{
	char path[PATH_MAX], line[DRIVER_SIZE + 1];

	snprintf(line, sizeof(line), "%.62s\n", driver); /* an empty line: no more */
	return h->world->write(h->world->ctx, device_path(h, "driver_override", path), line);
}

/* Writes the address to a file of a driver or of the bus. */
static int tell(const struct handover *h, const char *folder, const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/%s%s", h->world->sysfs, folder, file);
	return h->world->write(h->world->ctx, path, h->f.address);
}

static int tell_driver(const struct handover *h, const char *driver, const char *file)
{
	char folder[DRIVER_SIZE + 16];

	snprintf(folder, sizeof(folder), "drivers/%s/", driver);
	return tell(h, folder, file);
}

static bool is_ours(const char *driver)
{
	return !strcmp(driver, DRIVER_VFIO) || !strcmp(driver, DRIVER_KMOD);
}

/* ---- what must be remembered: the driver it was taken from ---- */

static const char *state_path(const struct handover *h, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", h->world->state, h->f.address);
	return out;
}

static int remember(const struct handover *h, struct pl_error *err)
{
	char path[PATH_MAX];
	FILE *file;
	int code;

	if (mkdir(h->world->state, 0755) && errno != EEXIST)
		return pl_error_set(err, -errno, errno == EACCES ? "run it as root" : NULL,
				    "%s: cannot make this folder: %s", h->world->state,
				    strerror(errno));
	file = fopen(state_path(h, path), "we");
	if (file)
		fprintf(file, "%s\n", h->f.driver); /* a failure is fclose()'s, too */
	if (file && fclose(file) == 0)
		return 0;
	code = errno;
	unlink(path);
	return pl_error_set(err, -code, code == EACCES ? "run it as root" : NULL,
			    "%s: cannot write down that %s is %s's: %s", path, h->f.address,
			    h->f.driver, strerror(code));
}

static void forget(const struct handover *h)
{
	char path[PATH_MAX];

	unlink(state_path(h, path));
}

/* ---- one at a time ---- */

/* The steps of two runs must not mix, of one device nor of two (a group's): waits for the other. Returns the
 * descriptor that holds the lock, -1 where the folder cannot be written to: the caller may not change drivers
 * either, and the step that fails says so. */
static int lock(const struct bind_world *world)
{
	char path[PATH_MAX];
	int fd;

	(void)mkdir(world->state, 0755);
	snprintf(path, sizeof(path), "%s/lock", world->state);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	while (fd >= 0 && flock(fd, LOCK_EX) && errno == EINTR)
		;
	return fd;
}

static void unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* ---- finding it ---- */

/* "pci:0000:03:00.0", "0000:03:00.0", "03:00.0", or an interface that it has. */
static bool is_named(const struct pl_pci_function *f, const char *name)
{
	if (!strncmp(name, "pci:", 4))
		name += 4;
	if (!strcasecmp(name, f->address))
		return true;
	if (!strncmp(f->address, "0000:", 5) && !strcasecmp(name, f->address + 5))
		return true;
	for (unsigned i = 0; i < f->n_interfaces; i++)
		if (!strcmp(name, f->interfaces[i]))
			return true;
	return false;
}

static int find(struct handover *h, const char *name, struct pl_error *err)
{
	static const char remedy[] = "see what there is: peerlane devices";
	struct pl_pci_function *functions;
	char path[PATH_MAX];
	unsigned n, i = 0;
	int rc = pl_pci_scan(h->world->sysfs, &functions, &n, err);

	if (rc)
		return rc;
	while (i < n && !is_named(&functions[i], name))
		i++;
	if (i < n)
		h->f = functions[i];
	free(functions);
	if (i == n)
		return pl_error_set(
			err, -ENODEV, remedy,
			"%.60s: no network device on the PCI bus, and no interface of one", name);
	if (h->f.is_virtual || !pl_nic_model(h->f.vendor, h->f.device))
		return pl_error_set(err, -ENODEV, remedy,
				    "%s: %04x:%04x is a device that Peerlane has no driver for",
				    h->f.address, h->f.vendor, h->f.device);
	if (!read_line(device_path(h, "driver_override", path), h->override, sizeof(h->override)) ||
	    !strcmp(h->override, "(null)"))
		h->override[0] = '\0';
	read_line(state_path(h, path), h->remembered, sizeof(h->remembered));
	return 0;
}

/* ---- what stands against it ---- */

/* The daemon's port that it is, or that its interface is. NULL. */
static const char *used_by(const struct handover *h)
{
	json_t *port;
	size_t i;

	json_array_foreach(json_object_get(h->world->ports, "ports"), i, port) {
		const char *device = json_string_value(json_object_get(port, "device"));

		/* Of afxdp: it is the interface alone. */
		if (device && (is_named(&h->f, device) ||
			       (!strncmp(device, "emu:", 4) && is_named(&h->f, device + 4))))
			return json_string_value(json_object_get(port, "name"));
	}
	return NULL;
}

static int check_use(const struct handover *h, struct pl_error *err)
{
	const char *port = used_by(h);

	if (h->world->unknown)
		return pl_error_set(err, -EBUSY,
				    "see that it answers: peerlane show ports; or, if none of its "
				    "ports is the device: --force",
				    "%s: whether it is a port of the daemon is not known: %s",
				    h->f.address, h->world->unknown);
	if (!port)
		return 0;
	return pl_error_set(err, -EBUSY, "stop peerlaned; or, to take it away from it: --force",
			    "%s: it is port %s of the daemon that runs", h->f.address, port);
}

static int check_lifelines(const struct handover *h, struct pl_error *err)
{
	char why[120];

	for (unsigned i = 0; i < h->f.n_interfaces; i++)
		if (lifeline_is(h->world->sysfs, h->world->proc, h->f.interfaces[i], why,
				sizeof(why)))
			return pl_error_set(err, -EBUSY,
					    "reach the machine another way first; or, if it may be "
					    "cut off: --force",
					    "%s: %s, and the interface goes when it is bound",
					    h->f.address, why);
	return 0;
}

static int check_target(const struct handover *h, const char *driver, struct pl_error *err)
{
	char remedy[80];

	if (!strcmp(driver, DRIVER_VFIO) && h->f.iommu_group < 0) {
		snprintf(remedy, sizeof(remedy), "switch the IOMMU on, or: peerlane bind %s kmod",
			 h->f.address);
		return pl_error_set(err, -EOPNOTSUPP, remedy,
				    "%s: it has no IOMMU, which vfio needs", h->f.address);
	}
	if (has_driver(h, driver))
		return 0;
	snprintf(remedy, sizeof(remedy), "modprobe %s", driver);
	return pl_error_set(err, -ENOENT, remedy, "%s: the module %s is not loaded", h->f.address,
			    driver);
}

/* ---- the steps ---- */

static const char *root_remedy(int rc)
{
	return rc == -EACCES || rc == -EPERM ? "run it as root" : NULL;
}

/* Brings back what was before: the override, and the driver if it has lost it. Says in `out` how that
 * went. */
static void undo(const struct handover *h, char *out, size_t size)
{
	char now[DRIVER_SIZE];
	int rc = set_override(h, h->override);

	if (!rc && strcmp(driver_now(h, now), h->f.driver) != 0) {
		if (now[0])
			rc = tell_driver(h, now, "unbind");
		if (!rc && h->f.driver[0])
			rc = tell_driver(h, h->f.driver, "bind");
	}
	if (rc)
		snprintf(out, size, "; nor could it be given back: %s", strerror(-rc));
	else if (h->f.driver[0])
		snprintf(out, size, "; it is %s's, as before", h->f.driver);
	else
		snprintf(out, size, "; no driver has it, as before");
}

static int fail(const struct handover *h, int rc, const char *what, struct pl_error *err)
{
	char after[120];

	undo(h, after, sizeof(after));
	return pl_error_set(err, rc, root_remedy(rc), "%s: %s: %s%s", h->f.address, what,
			    strerror(-rc), after);
}

/* Takes it from its driver and has `driver` take it. The override first: between the two steps nobody
 * else may. */
static int hand_over(const struct handover *h, const char *driver, struct pl_error *err)
{
	char what[DRIVER_SIZE + 40], now[DRIVER_SIZE];
	int rc = set_override(h, driver);

	if (rc)
		return pl_error_set(err, rc, root_remedy(rc),
				    "%s: cannot set driver_override: %s; nothing has changed",
				    h->f.address, strerror(-rc));
	if (h->f.driver[0]) {
		rc = tell_driver(h, h->f.driver, "unbind");
		snprintf(what, sizeof(what), "cannot be taken from %s", h->f.driver);
	}
	if (!rc) {
		rc = tell(h, "", "drivers_probe");
		snprintf(what, sizeof(what), "cannot be bound to %s", driver);
	}
	/* The kernel says nothing of a driver that refuses, but to its log. */
	if (!rc && strcmp(driver_now(h, now), driver) != 0) {
		rc = -EIO;
		snprintf(what, sizeof(what), "%s has refused it (see dmesg)", driver);
	}
	return rc ? fail(h, rc, what, err) : 0;
}

static json_t *result(const struct handover *h, const char *now, bool changed, const char *note)
{
	char device[40];

	snprintf(device, sizeof(device), "pci:%s", h->f.address);
	return json_pack("{s:s, s:s, s:o, s:o, s:b, s:o}", "device", device, "model",
			 pl_nic_model(h->f.vendor, h->f.device), "driver",
			 now[0] ? json_string(now) : json_null(), "former_driver",
			 h->f.driver[0] ? json_string(h->f.driver) : json_null(), "changed",
			 changed, "note", note[0] ? json_string(note) : json_null());
}

static int answer(json_t *made, json_t **data, struct pl_error *err)
{
	*data = made;
	return made ? 0 : pl_error_set(err, -ENOMEM, NULL, "out of memory");
}

static int do_bind(const struct bind_world *world, const char *device, const char *backend,
		   bool force, json_t **data, struct pl_error *err)
{
	struct handover h = {.world = world};
	const char *driver, *note = "";
	int rc = find(&h, device, err);

	if (rc)
		return rc;
	driver = backend		? !strcmp(backend, "vfio") ? DRIVER_VFIO : DRIVER_KMOD
		 : h.f.iommu_group >= 0 ? DRIVER_VFIO
					: DRIVER_KMOD;
	if (!strcmp(h.f.driver, driver))
		return answer(result(&h, driver, false, ""), data, err);
	rc = check_target(&h, driver, err);
	if (!rc && !force)
		rc = check_use(&h, err);
	if (!rc && !force)
		rc = check_lifelines(&h, err);
	if (!rc && h.f.driver[0] && !is_ours(h.f.driver))
		rc = remember(&h, err);
	if (rc)
		return rc;
	rc = hand_over(&h, driver, err);
	if (rc) {
		if (!is_ours(h.f.driver))
			forget(&h);
		return rc;
	}
	if (!strcmp(driver, DRIVER_KMOD) && h.f.iommu_group < 0)
		note = "no IOMMU keeps it from writing anywhere in memory: who opens it owns the "
		       "machine, and needs CAP_SYS_RAWIO for that (in a drop-in of "
		       "peerlaned.service: "
		       "CapabilityBoundingSet=CAP_SYS_RAWIO)";
	return answer(result(&h, driver, true, note), data, err);
}

/* Has the driver take it that it was taken from, or one that the kernel finds. */
static void give_back(const struct handover *h)
{
	char now[DRIVER_SIZE];

	if (h->remembered[0] && has_driver(h, h->remembered))
		(void)tell_driver(h, h->remembered, "bind");
	if (!driver_now(h, now)[0])
		(void)tell(h, "", "drivers_probe");
}

static void describe_end(const struct handover *h, const char *now, char *note, size_t size)
{
	note[0] = '\0';
	if (is_ours(now))
		snprintf(note, size,
			 "the kernel has no other driver for it than %s: load one, then repeat",
			 now);
	else if (!now[0] && h->remembered[0])
		snprintf(note, size, "%s, which had it, does not take it: modprobe %s, then repeat",
			 h->remembered, h->remembered);
	else if (!now[0])
		snprintf(note, size, "the kernel has no driver for it: load one, then repeat");
}

static int do_unbind(const struct bind_world *world, const char *device, bool force, json_t **data,
		     struct pl_error *err)
{
	struct handover h = {.world = world};
	char now[DRIVER_SIZE], note[200] = "", what[DRIVER_SIZE + 40];
	int rc = find(&h, device, err);

	if (rc)
		return rc;
	if (h.f.driver[0] && !is_ours(h.f.driver))
		return answer(result(&h, h.f.driver, false, ""), data, err);
	if (!force)
		rc = check_use(&h, err);
	if (rc)
		return rc;
	rc = set_override(&h, "");
	if (rc)
		return pl_error_set(err, rc, root_remedy(rc),
				    "%s: cannot clear driver_override: %s; nothing has changed",
				    h.f.address, strerror(-rc));
	if (h.f.driver[0])
		rc = tell_driver(&h, h.f.driver, "unbind");
	if (rc) {
		snprintf(what, sizeof(what), "cannot be taken from %s", h.f.driver);
		return fail(&h, rc, what, err);
	}
	give_back(&h);
	driver_now(&h, now);
	describe_end(&h, now, note, sizeof(note));
	if (now[0] && !is_ours(now))
		forget(&h);
	return answer(result(&h, now, strcmp(now, h.f.driver) != 0, note), data, err);
}

int bind_device(const struct bind_world *world, const char *device, const char *backend, bool force,
		json_t **data, struct pl_error *err)
{
	int locked = lock(world), rc = do_bind(world, device, backend, force, data, err);

	unlock(locked);
	return rc;
}

int unbind_device(const struct bind_world *world, const char *device, bool force, json_t **data,
		  struct pl_error *err)
{
	int locked = lock(world), rc = do_unbind(world, device, force, data, err);

	unlock(locked);
	return rc;
}
