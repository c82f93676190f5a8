/* SPDX-License-Identifier: BSD-2-Clause */
/* See privileges_lab.h. */
#include "privileges_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

char folder[48], elsewhere[64], file_elsewhere[80], file_in_folder[64];
struct config config;
struct confinement confinement;
static struct log quiet;

/* Has landlock_create_ruleset() fail as on a kernel without Landlock. */
static void hide_landlock(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* seccomp_data.nr */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0x00050000u | EOPNOTSUPP), /* SECCOMP_RET_ERRNO */
		BPF_STMT(BPF_RET | BPF_K, 0x7fff0000u),		     /* SECCOMP_RET_ALLOW */
	};
	struct sock_fprog program = {COUNT(code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, 2 /* SECCOMP_MODE_FILTER */, &program))
		_exit(254);
}

void confine_or_exit(enum confined how)
{
	struct pl_error err = {"", ""};

	if (how == CONFINED_WITHOUT_LANDLOCK)
		hide_landlock();
	if (how == FREELY)
		return;
	if (how == DRIVER ? privileges_confine_driver(&config, folder, &err)
			  : privileges_confine(&confinement, &config, &quiet, &err)) {
		fprintf(stderr, "%s\n", err.what);
		_exit(254);
	}
}

int in_child(int (*attempt)(void), enum confined how)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		confine_or_exit(how);
		_exit(attempt());
	}
	assert_int_equal(child, waitpid(child, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

long bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int mode_in_force(void)
{
	return (int)confinement.seccomp;
}

static bool to_be_skipped(void)
{
	char missing[128];

	if (privileges_missing(false, missing, sizeof(missing))[0])
		printf("SKIP: what a router starts with is needed: %s\n", missing);
	else if (unshare(CLONE_NEWNET))
		printf("SKIP: needs a network namespace of its own: %s\n", strerror(errno));
	else if (in_child(mode_in_force, CONFINED) != CONFIG_SECCOMP_YES)
		printf("SKIP: built with a sanitizer, which needs calls that would be refused\n");
	else
		return false;
	return true;
}

int privileges_lab_begin(void)
{
	snprintf(folder, sizeof(folder), "/tmp/test_privileges_%d", getpid());
	snprintf(elsewhere, sizeof(elsewhere), "%s_elsewhere", folder);
	snprintf(file_elsewhere, sizeof(file_elsewhere), "%s_new", elsewhere);
	snprintf(file_in_folder, sizeof(file_in_folder), "%s/new", folder);
	config_init(&config);
	snprintf(config.control_socket, sizeof(config.control_socket), "%s/socket", folder);
	log_init(&quiet);
	quiet.out = fopen("/dev/null", "w");
	if (mkdir(folder, 0700) || !quiet.out)
		return 1;
	close(open(elsewhere, O_WRONLY | O_CREAT, 0600));
	return to_be_skipped() ? 77 : 0;
}

void privileges_lab_end(void)
{
	unlink(config.control_socket);
	unlink(elsewhere);
	rmdir(folder);
}
