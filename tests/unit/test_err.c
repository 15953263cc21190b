/* SPDX-License-Identifier: Apache-2.0 */
/* The error record: set, wrapped, cut, and one name for each code. */
#include "shardyfs/err.h"
#include "unit/tap.h"

#include <errno.h>

static void a_record_holds_code_and_message(void)
{
	struct sfs_err err = { .sys_errno = 7 };

	IS_INT(sfs_err_set(&err, SFS_E_CORRUPT, "shard %d: %s", 3, "torn"),
	       SFS_E_CORRUPT);
	IS_INT(err.rc, SFS_E_CORRUPT);
	IS_INT(err.sys_errno, 0);
	IS_STR(err.msg, "shard 3: torn");
}

static void no_record_is_fine(void)
{
	IS_INT(sfs_err_set(NULL, SFS_E_IO, "x"), SFS_E_IO);
	IS_INT(sfs_err_sys(NULL, ENOENT, "x"), SFS_E_NOT_FOUND);
}

static void system_errors_map_to_codes(void)
{
	static const struct {
		int sys_errno;
		enum sfs_rc rc;
	} rows[] = {
		{ ENOENT, SFS_E_NOT_FOUND },
		{ EACCES, SFS_E_AUTH },
		{ EPERM, SFS_E_AUTH },
		{ ENOSPC, SFS_E_NO_SPACE },
		{ EDQUOT, SFS_E_NO_SPACE },
		{ ENOMEM, SFS_E_NO_MEMORY },
		{ ENOTDIR, SFS_E_NOT_DIR },
		{ EISDIR, SFS_E_IS_DIR },
		{ EEXIST, SFS_E_EXISTS },
		{ EROFS, SFS_E_READ_ONLY },
		{ EFBIG, SFS_E_TOO_BIG },
		{ ENAMETOOLONG, SFS_E_NAME_TOO_LONG },
		{ EBUSY, SFS_E_BUSY },
		{ ESTALE, SFS_E_STALE },
		{ ETIMEDOUT, SFS_E_TIMEOUT },
		{ EAGAIN, SFS_E_TRANSIENT },
		{ EMFILE, SFS_E_TRANSIENT },
		{ ENFILE, SFS_E_TRANSIENT },
		{ EIO, SFS_E_IO },
		{ ELOOP, SFS_E_IO },
	};
	struct sfs_err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		IS_INT(sfs_err_sys(&err, rows[i].sys_errno, "it"), rows[i].rc);
		IS_INT(err.rc, rows[i].rc);
		IS_INT(err.sys_errno, rows[i].sys_errno);
	}
	(void)sfs_err_sys(&err, ENOENT, "open %s", "x");
	IS_STR(err.msg, "open x: No such file or directory");
}

static void wrapping_puts_context_in_front(void)
{
	struct sfs_err err;

	(void)sfs_err_sys(&err, EIO, "read");
	IS_INT(sfs_err_wrap(&err, "shard %d", 5), SFS_E_IO);
	IS_STR(err.msg, "shard 5: read: Input/output error");
	IS_INT(err.sys_errno, EIO);
}

static void long_messages_are_cut_and_terminated(void)
{
	char longer[2 * SFS_ERR_MSG_BYTES];
	struct sfs_err err;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	(void)sfs_err_sys(&err, EIO, "%s", longer);
	IS_INT(strlen(err.msg), SFS_ERR_MSG_BYTES - 1);
	(void)sfs_err_wrap(&err, "front");
	IS_INT(strlen(err.msg), SFS_ERR_MSG_BYTES - 1);
	OK(strncmp(err.msg, "front: xxx", 10) == 0);
	(void)sfs_err_wrap(&err, "%s", longer);
	IS_INT(strlen(err.msg), SFS_ERR_MSG_BYTES - 1);
}

static void each_code_has_a_name_of_its_own(void)
{
	const char *name;

	IS_STR(sfs_rc_name(SFS_OK), "ok");
	for (int a = 0; a >= SFS_E_AMBIGUOUS; a--) {
		name = sfs_rc_name((enum sfs_rc)a);
		OK(strcmp(name, "unknown") != 0);
		for (int b = a + 1; b <= 0; b++)
			OK(strcmp(name, sfs_rc_name((enum sfs_rc)b)) != 0);
	}
	IS_STR(sfs_rc_name((enum sfs_rc)(SFS_E_AMBIGUOUS - 1)), "unknown");
}

int main(void)
{
	RUN(a_record_holds_code_and_message);
	RUN(no_record_is_fine);
	RUN(system_errors_map_to_codes);
	RUN(wrapping_puts_context_in_front);
	RUN(long_messages_are_cut_and_terminated);
	RUN(each_code_has_a_name_of_its_own);
	return tap_done();
}
