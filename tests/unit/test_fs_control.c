/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes and control files of the tree, without a mount. */
#include "base/log.h"
#include "unit/tree.h"

static void forget(uint64_t node)
{
	sfs_fs_forget(w.fs, node, 1);
}

static const char *xattr(uint64_t node, const char *name)
{
	static char text[512];
	struct sfs_buf out = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	char full[128];
	enum sfs_rc rc;

	(void)snprintf(full, sizeof(full), "user.shardyfs.%s", name);
	rc = sfs_fs_getxattr(w.fs, node, full, &out, NULL, &w.err);
	(void)snprintf(text, sizeof(text), "%s",
	               rc != SFS_OK       ? sfs_rc_name(rc)
	               : out.data != NULL ? out.data
	                                  : "");
	sfs_buf_release(&out);
	return text;
}

static void check_key_attributes(const struct golden_row *row)
{
	char want[512] = "";
	struct sfs_digest digest = { NULL };
	const char *name = name_of(row);
	struct sfs_err err;
	uint64_t keys;
	uint64_t file;

	if (name == NULL)
		return;
	keys = world_resolve(&w, "keys");
	file = world_lookup(&w, keys, name);
	for (size_t i = 0; i < row->key.len && i < 200; i++)
		(void)snprintf(want + 2 * i, 3, "%02x", row->key.data[i]);
	if (row->key.len < 200)
		IS_STR(xattr(file, "key_hex"), want);
	(void)snprintf(want, sizeof(want), "%u", row->db_id);
	IS_STR(xattr(file, "shard"), want);
	if (row->sha256[0] != '\0') {
		IS_STR(xattr(file, "value_sha256"), row->sha256);
	} else {
		IS_INT(sfs_digest_begin(&digest, &err), SFS_OK);
		IS_INT(sfs_digest_add(&digest, row->value.data, row->value_len,
		                      &err),
		       SFS_OK);
		IS_INT(sfs_digest_finish(&digest, want, &err), SFS_OK);
		sfs_digest_release(&digest);
		IS_STR(xattr(file, "value_sha256"), want);
	}
	IS_STR(xattr(file, "pid"), "no_attr");
	forget(file);
	forget(keys);
}

static void extended_attributes_tell_what_the_golden_data_say(void)
{
	static const char *const stores[] = { "hash-u64be", "hash-utf8",
		                              "hash-raw", "hash-pages" };
	struct sfs_snapshot *s;

	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		begin(stores[i]);
		for (size_t r = 0; r < present; r += 7)
			check_key_attributes(&golden.rows[r]);
		s = sfs_tracker_current(w.tracker, NULL);
		IS_STR(xattr(SFS_FS_ROOT, "snapshot"), sfs_snapshot_text_id(s));
		IS_STR(xattr(SFS_FS_ROOT, "run_id"),
		       sfs_snapshot_id_of(s)->run_id);
		IS_STR(xattr(SFS_FS_ROOT, "key_encoding"),
		       sfs_key_encoding_text(encoding()));
		IS_INT(strtoull(xattr(SFS_FS_ROOT, "rows"), NULL, 10),
		       sfs_manifest_rows(sfs_snapshot_manifest(s)));
		IS_STR(xattr(SFS_FS_ROOT, "shard"), "no_attr");
		IS_STR(xattr(SFS_FS_ROOT, "version"), PACKAGE_VERSION);
		IS_INT(strtol(xattr(SFS_FS_ROOT, "pid"), NULL, 10), getpid());
		sfs_snapshot_unref(s);
		end();
	}
}

static void only_the_root_lists_its_attributes_and_all_can_be_read(void)
{
	struct sfs_buf names = SFS_BUF_INIT(4096);
	struct sfs_buf out = SFS_BUF_INIT(4096);
	uint64_t keys;
	int count = 0;

	begin("hash-u64be");
	sfs_fs_listxattr(w.fs, SFS_FS_ROOT, &names);
	for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1) {
		IS_INT(sfs_fs_getxattr(w.fs, SFS_FS_ROOT, names.data + at, &out,
		                       NULL, &w.err),
		       SFS_OK);
		count++;
	}
	OK(count >= 9);
	keys = world_resolve(&w, "keys");
	sfs_buf_reset(&names);
	sfs_fs_listxattr(w.fs, keys, &names);
	IS_INT(names.len, 0);
	IS_STR(xattr(keys, "snapshot"), id_text(0));
	IS_STR(xattr(keys, "shard"), "no_attr");
	forget(keys);
	keys = world_resolve(&w, "shards/00005/keys");
	IS_STR(xattr(keys, "shard"), "5");
	forget(keys);
	IS_INT(sfs_fs_getxattr(w.fs, SFS_FS_ROOT, "user.mine", &out, NULL,
	                       &w.err),
	       SFS_E_NO_ATTR);
	IS_INT(sfs_fs_getxattr(w.fs, SFS_FS_ROOT, "security.capability", &out,
	                       NULL, &w.err),
	       SFS_E_NO_ATTR);
	IS_INT(sfs_fs_getxattr(w.fs, SFS_FS_ROOT, "system.posix_acl_access",
	                       &out, NULL, &w.err),
	       SFS_E_UNSUPPORTED);
	sfs_buf_release(&names);
	sfs_buf_release(&out);
	end();
}

static void command(const char *name, const char *text, enum sfs_rc want)
{
	uint64_t node = world_resolve(&w, name);

	OK(sfs_fs_is_writable(w.fs, node));
	IS_INT(attr_of(node).mode, S_IFREG | 0600);
	IS_INT(sfs_fs_write(w.fs, node, text, strlen(text), &w.err), want);
	forget(node);
}

static void control_files_take_commands(void)
{
	char longer[400];
	uint64_t node;

	begin("hash-u64be");
	command(".shardyfs/log_level", "debug\n", SFS_OK);
	HAS_STR(world_text(&w, ".shardyfs/log_level"), "debug");
	command(".shardyfs/log_level", "nonsense", SFS_E_INVALID);
	HAS_STR(world_text(&w, ".shardyfs/log_level"), "debug");
	command(".shardyfs/log_level", "none", SFS_OK);
	command(".shardyfs/refresh", "1\n", SFS_OK);
	command(".shardyfs/refresh", "", SFS_OK);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	command(".shardyfs/refresh", longer, SFS_E_INVALID);
	node = world_resolve(&w, ".shardyfs/log_level");
	IS_INT(sfs_fs_write(w.fs, node, "a\0b", 3, &w.err), SFS_E_INVALID);
	forget(node);
	node = world_resolve(&w, ".shardyfs/status");
	IS_INT(sfs_fs_write(w.fs, node, "x", 1, &w.err), SFS_E_READ_ONLY);
	forget(node);
	end();
}

static void control_files_tell_the_state(void)
{
	struct sfs_err fault;

	begin("hash-u64be");
	IS_STR(world_text(&w, ".shardyfs/health"), "healthy\n");
	IS_STR(world_text(&w, ".shardyfs/config"), "store: here\n");
	IS_STR(world_text(&w, ".shardyfs/last_error"), "");
	IS_STR(world_text(&w, ".shardyfs/version"), PACKAGE_VERSION "\n");
	HAS_STR(world_text(&w, ".shardyfs/status"), "\nnum_dbs: 8\n");
	HAS_STR(world_text(&w, ".shardyfs/status.json"), "\"num_dbs\": 8");
	(void)sfs_err_set(&fault, SFS_E_IO, "disk on fire");
	sfs_fs_note_error(w.fs, "read", &fault);
	HAS_STR(world_text(&w, ".shardyfs/last_error"),
	        "read: io: disk on fire\n");
	sfs_fs_count_op(w.fs, SFS_OP_READ, false);
	sfs_fs_count_op(w.fs, SFS_OP_READ, true);
	HAS_STR(world_text(&w, ".shardyfs/metrics"),
	        "{op=\"read\",result=\"error\"} 1\n");
	HAS_STR(world_text(&w, ".shardyfs/metrics"),
	        "{op=\"read\",result=\"ok\"} 1\n");
	end();
}

/* Size and content agree for who opened it, whatever happens meanwhile. */
static void control_files_are_frozen_at_lookup(void)
{
	struct sfs_err fault;
	uint64_t old;
	uint64_t new;
	char buf[256];
	size_t got;

	begin("hash-u64be");
	old = world_resolve(&w, ".shardyfs/last_error");
	(void)sfs_err_set(&fault, SFS_E_IO, "later");
	sfs_fs_note_error(w.fs, "read", &fault);
	new = world_resolve(&w, ".shardyfs/last_error");
	OK(old != new);
	IS_INT(attr_of(old).size, 0);
	IS_INT(sfs_fs_read(w.fs, old, 0, buf, sizeof(buf), &got, NULL, &w.err),
	       SFS_OK);
	IS_INT(got, 0);
	IS_INT(sfs_fs_read(w.fs, new, 0, buf, sizeof(buf), &got, NULL, &w.err),
	       SFS_OK);
	IS_INT(got, attr_of(new).size);
	OK(got > 0);
	IS_INT(attr_of(old).ino, attr_of(new).ino);
	forget(old);
	forget(new);
	IS_INT(sfs_fs_read(w.fs, new, 0, buf, sizeof(buf), &got, NULL, &w.err),
	       SFS_E_STALE);
	end();
}

static void health_says_why_it_is_bad(void)
{
	struct sfs_snapshot_id missing = world_new_id(1000, "missing");

	begin("history");
	IS_INT(sfs_tracker_start(w.tracker, &w.err), SFS_OK);
	world_point(&w, "s3://golden/history", &missing);
	world_look(&w);
	HAS_STR(world_text(&w, ".shardyfs/health"), "degraded: ");
	HAS_STR(world_text(&w, ".shardyfs/health"), "is missing");
	IS_INT(world_status(&w, "refresh_failures"), 1);
	end();
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &w.err), SFS_OK);
	RUN(extended_attributes_tell_what_the_golden_data_say);
	RUN(only_the_root_lists_its_attributes_and_all_can_be_read);
	RUN(control_files_take_commands);
	RUN(control_files_tell_the_state);
	RUN(control_files_are_frozen_at_lookup);
	RUN(health_says_why_it_is_bad);
	return tap_done();
}
