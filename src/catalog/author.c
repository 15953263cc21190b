/* SPDX-License-Identifier: Apache-2.0 */
/* The name under which tags and log entries are written. */
#include "catalog/author.h"

#include <pwd.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

enum { PASSWD_BYTES = 4096 };

void sfs_author_get(struct sfs_author *out)
{
	char text[PASSWD_BYTES];
	struct passwd *found = NULL;
	struct passwd entry;
	uid_t uid = geteuid();

	if (getpwuid_r(uid, &entry, text, sizeof(text), &found) == 0 &&
	    found != NULL)
		(void)snprintf(out->who, sizeof(out->who), "%s",
		               found->pw_name);
	else
		(void)snprintf(out->who, sizeof(out->who), "uid %lu",
		               (unsigned long)uid);
	if (gethostname(out->host, sizeof(out->host)) != 0)
		out->host[0] = '\0';
	out->host[sizeof(out->host) - 1] = '\0';
	out->pid = (long)getpid();
}
