/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug steps. The variable is read at each step, not once, so that a test
 * program can sweep over the steps; a build without debug hooks never looks.
 */
#include "base/debugstep.h"

#ifdef SFS_DEBUG

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char spent[128]; /* what failed once already; protected by lock */

/* True the first time that it is asked of this setting; "": forgets it. */
static bool is_first(const char *setting)
{
	bool is_new;

	pthread_mutex_lock(&lock);
	is_new = strcmp(spent, setting) != 0;
	(void)snprintf(spent, sizeof(spent), "%s", setting);
	pthread_mutex_unlock(&lock);
	return is_new;
}

static void wait_at_gate(void)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	const char *gate = getenv("SHARDYFS_DEBUG_GATE");
	char sign[PATH_MAX];
	int fd = -1;

	if (gate != NULL &&
	    snprintf(sign, sizeof(sign), "%s.waits", gate) < (int)sizeof(sign))
		fd = open(sign, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)close(fd);
	while (gate == NULL || access(gate, F_OK) != 0)
		(void)nanosleep(&pause, NULL);
}

enum sfs_rc sfs_debug_step(const char *step, struct sfs_err *err)
{
	const char *setting = getenv("SHARDYFS_DEBUG_FAIL");
	size_t len = strlen(step);
	const char *how;

	if (setting == NULL) {
		(void)is_first("");
		return SFS_OK;
	}
	if (strncmp(setting, step, len) != 0)
		return SFS_OK;
	how = setting + len;
	if (strcmp(how, ":kill") == 0)
		(void)kill(getpid(), SIGKILL);
	if (strcmp(how, ":wait") == 0)
		wait_at_gate();
	if (strcmp(how, ":always") != 0 && (*how != '\0' || !is_first(setting)))
		return SFS_OK;
	return sfs_err_set(err, SFS_E_IO, "SHARDYFS_DEBUG_FAIL=%s", setting);
}

#else

enum sfs_rc sfs_debug_step(const char *step, struct sfs_err *err)
{
	(void)step;
	(void)err;
	return SFS_OK;
}

#endif
