/* SPDX-License-Identifier: Apache-2.0 */
/* Debug steps: fail, end or wait at one of them; without hooks, nothing. */
#include "base/debugstep.h"
#include "unit/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void set(const char *value)
{
	if (value == NULL)
		(void)unsetenv("SHARDYFS_DEBUG_FAIL");
	else
		(void)setenv("SHARDYFS_DEBUG_FAIL", value, 1);
}

static void nothing_fails_unless_asked(void)
{
	struct sfs_err err;

	set(NULL);
	OK(sfs_debug_step("swap", &err) == SFS_OK);
	set("other");
	OK(sfs_debug_step("swap", &err) == SFS_OK);
	set("swapped");
	OK(sfs_debug_step("swap", &err) == SFS_OK);
	set(NULL);
}

#ifdef SFS_DEBUG
static void a_step_fails_once_or_always(void)
{
	struct sfs_err err;

	set("swap");
	OK(sfs_debug_step("swap", &err) == SFS_E_IO);
	HAS_STR(err.msg, "swap");
	OK(sfs_debug_step("swap", &err) == SFS_OK);
	set(NULL);
	OK(sfs_debug_step("swap", &err) == SFS_OK);
	set("swap");
	OK(sfs_debug_step("swap", &err) == SFS_E_IO);
	set("swap:always");
	OK(sfs_debug_step("swap", &err) == SFS_E_IO);
	OK(sfs_debug_step("swap", &err) == SFS_E_IO);
	set(NULL);
}

static void a_step_ends_the_process(void)
{
	struct sfs_err err;
	int status = 0;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		set("swap:kill");
		_exit(sfs_debug_step("swap", &err) == SFS_OK);
	}
	OK(waitpid(pid, &status, 0) == pid);
	OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_step_waits_for_the_gate(void)
{
	char gate[] = "/tmp/sfs-gate-XXXXXX";
	struct sfs_err err;
	int fd = mkstemp(gate);

	OK(fd >= 0);
	(void)setenv("SHARDYFS_DEBUG_GATE", gate, 1);
	set("swap:wait");
	OK(sfs_debug_step("swap", &err) == SFS_OK);
	set(NULL);
	(void)unlink(gate);
	(void)close(fd);
}
#endif

int main(void)
{
	RUN(nothing_fails_unless_asked);
#ifdef SFS_DEBUG
	RUN(a_step_fails_once_or_always);
	RUN(a_step_ends_the_process);
	RUN(a_step_waits_for_the_gate);
#endif
	return tap_done();
}
