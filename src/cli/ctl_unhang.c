/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freeing a mount that does not answer. Everything that would look at it
 * (stat, umount, df) hangs too; the kernel's control files of FUSE do not
 * (Documentation/filesystems/fuse.rst, "Aborting a filesystem connection").
 */
#include "cli/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CONNECTIONS "/sys/fs/fuse/connections"

enum { FUSECTL_MAGIC = 0x65735543 };

static enum sfs_rc explain(const struct sfs_mount *mount, const char *path,
                           int fault, struct sfs_err *err)
{
	struct statfs fs;

	if (statfs(CONNECTIONS, &fs) != 0 ||
	    (unsigned long)fs.f_type != FUSECTL_MAGIC)
		return sfs_err_set(
			err, SFS_E_UNSUPPORTED,
			"%s: " CONNECTIONS " is not mounted; as "
			"root: mount -t fusectl fusectl " CONNECTIONS,
			mount->path);
	if (fault == EACCES || fault == EPERM)
		return sfs_err_set(err, SFS_E_AUTH,
		                   "%s: only root and the user who mounted may "
		                   "write to %s",
		                   mount->path, path);
	return sfs_err_sys(err, fault, "%s: %s", mount->path, path);
}

static enum sfs_rc abort_connection(const struct sfs_mount *mount,
                                    struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), CONNECTIONS "/%u/abort",
	               mount->device_minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return explain(mount, path, errno, err);
	if (write(fd, "1\n", 2) != 2)
		rc = sfs_err_sys(err, errno, "%s: %s", mount->path, path);
	(void)close(fd); /* the write did it */
	return rc;
}

static int print_aborted(const struct sfs_ctl_args *args,
                         const struct sfs_mount *mount)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_json_printer p;

	if (args->json) {
		sfs_json_printer_init(&p, &text, true, true);
		sfs_json_object_begin(&p);
		sfs_json_key(&p, "mountpoint");
		sfs_json_cstring(&p, mount->path);
		sfs_json_key(&p, "aborted");
		sfs_json_bool(&p, true);
		sfs_json_object_end(&p);
		sfs_buf_putc(&text, '\n');
	} else {
		sfs_buf_printf(
			&text,
			"%s: aborted; 'fusermount3 -u %s' takes the dead "
			"mount away, mounting again does so by itself\n",
			mount->path, mount->path);
	}
	return sfs_ctl_print(&text, SFS_CTL_OK);
}

int sfs_ctl_unhang(const struct sfs_ctl_args *args)
{
	struct sfs_mount mount;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_ctl_mount_find(args->target, &mount, &err);
	if (rc == SFS_E_NOT_FOUND) {
		sfs_ctl_note("%s", err.msg);
		return SFS_CTL_NO;
	}
	if (rc == SFS_OK)
		rc = abort_connection(&mount, &err);
	return rc == SFS_OK ? print_aborted(args, &mount) : sfs_ctl_fail(&err);
}
