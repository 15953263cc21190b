/* SPDX-License-Identifier: Apache-2.0 */
/* config.yaml and the base of a build. */
#include "unit/stage.h"

static const int64_t AT_NS = 1750000000123456000;

static void mkdir_fills_in_the_defaults(void)
{
	HAS_STR(get_file(TOP, "config.yaml"), "utf8");
	IS_INT(fake.config.num_dbs, 4);
	stage_close();
	area_config.key_encoding = SFS_KEY_INVALID;
	area_config.num_dbs = 0;
	stage_open();
	IS_INT(sfs_area_begin(area, "fresh", &b, NULL, &err), SFS_OK);
	IS_INT(sfs_build_encoding(b), SFS_KEY_U64BE);
	IS_INT(fake.config.num_dbs, 8);
	sfs_build_unref(b);
	publish_manifest("run-1", AT_NS, 5);
	IS_INT(sfs_area_begin(area, "next", &b, NULL, &err), SFS_OK);
	IS_INT(sfs_build_encoding(b), SFS_KEY_UTF8);
	IS_INT(fake.config.num_dbs, 5);
}

static void what_config_yaml_does_not_name_is_as_mkdir_wrote_it(void)
{
	IS_INT(put_file(TOP, "config.yaml", "num_dbs: 9\n"), SFS_OK);
	IS_INT(fake.config.num_dbs, 9);
	IS_INT(fake.config.key_encoding, SFS_KEY_UTF8);
	area_config.key_encoding = SFS_KEY_RAW;
	stage_again();
	IS_INT(fake.config.num_dbs, 9);
	IS_INT(fake.config.key_encoding, SFS_KEY_UTF8);
}

static void the_engine_hears_of_settings_that_changed(void)
{
	int before = fake.configs;

	IS_INT(put_file(TOP, "config.yaml", "num_dbs: 4\n"), SFS_OK);
	IS_INT(put_file(TOP, "message", "num_dbs: 5\n"), SFS_OK);
	IS_INT(fake.configs, before);
	IS_INT(put_file(TOP, "config.yaml", "num_dbs: 5\n"), SFS_OK);
	IS_INT(fake.configs, before + 1);
}

static const char *errors_of(void)
{
	static char text[1024];
	struct sfs_buf out = SFS_BUF_INIT(sizeof(text) - 1);

	sfs_build_print_errors(b, &out);
	(void)snprintf(text, sizeof(text), "%s", out.data);
	sfs_buf_release(&out);
	return text;
}

static void a_wrong_config_written_in_place_is_a_fault(void)
{
	struct sfs_snapshot_id id;

	IS_INT(put_file(TOP, "config.yaml", "num_dbs: 5\nnum_db: 6\n"),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "config.yaml:2");
	IS_STR(get_file(TOP, "config.yaml"), "num_dbs: 5\nnum_db: 6\n");
	IS_INT(fake.config.num_dbs, 4);
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_E_CORRUPT);
	HAS_STR(err.msg, "config.yaml:2");
	IS_INT(sfs_build_publish(b, &id, NULL, &err), SFS_E_CORRUPT);
	IS_INT(fake.published, 0);
	HAS_STR(errors_of(), "config.yaml:2");
	HAS_STR(errors_of(), "errors of the engine");
	stage_again();
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_E_CORRUPT);
	IS_INT(put_file(TOP, "config.yaml", "num_dbs: 6\n"), SFS_OK);
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_OK);
	IS_INT(fake.config.num_dbs, 6);
	IS_STR(errors_of(), "errors of the engine\n");
}

static void fsync_of_a_wrong_config_says_so(void)
{
	struct sfs_staged_file *f = open_staged(TOP, "config.yaml", O_RDWR);

	IS_INT(sfs_staged_truncate(f, 0, &err), SFS_OK);
	IS_INT(append(f, "nonsense"), SFS_OK);
	IS_INT(sfs_staged_sync(f, false, &err), SFS_E_INVALID);
	sfs_staged_close(f);
}

static void a_wrong_config_is_not_renamed_into_place(void)
{
	IS_INT(put_file(TOP, ".config.yaml.tmp", "num_dbs: x\n"), SFS_OK);
	IS_INT(rename_file(TOP, ".config.yaml.tmp", TOP, "config.yaml", 0),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "config.yaml:1");
	HAS_STR(get_file(TOP, "config.yaml"), "utf8");
	IS_STR(get_file(TOP, ".config.yaml.tmp"), "num_dbs: x\n");
	IS_INT(put_file(TOP, ".config.yaml.tmp", "num_dbs: 3\n"), SFS_OK);
	IS_INT(fake.config.num_dbs, 4);
	IS_INT(rename_file(TOP, ".config.yaml.tmp", TOP, "config.yaml", 0),
	       SFS_OK);
	IS_INT(fake.config.num_dbs, 3);
	IS_INT(put_file(TOP, "x", "?"), SFS_OK);
	IS_INT(rename_file(TOP, "config.yaml", TOP, "x", RENAME_EXCHANGE),
	       SFS_E_INVALID);
}

static void a_missing_config_is_a_fault_until_it_is_back(void)
{
	IS_INT(rename_file(TOP, "config.yaml", TOP, "config.yaml~", 0), SFS_OK);
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_E_CORRUPT);
	HAS_STR(err.msg, "missing");
	IS_INT(put_file(TOP, "config.yaml", ""), SFS_OK);
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_OK);
	IS_INT(sfs_build_unlink(b, TOP, "config.yaml", &err), SFS_OK);
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_E_CORRUPT);
}

static void a_config_has_a_largest_size(void)
{
	struct sfs_staged_file *f = open_staged(TOP, "config.yaml", O_RDWR);

	IS_INT(sfs_staged_truncate(f, 2 << 20, &err), SFS_OK);
	IS_INT(sfs_staged_flush(f, NULL, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "larger than");
	sfs_staged_close(f);
}

/* --- the base --------------------------------------------------------------------- */

static void a_base_must_be_current(void)
{
	struct sfs_snapshot_id one = snapshot_id("run-1", AT_NS);
	struct sfs_snapshot_id two = snapshot_id("run-2", AT_NS + 1000);
	struct sfs_snapshot_id got;

	IS_INT(sfs_build_set_base(b, &one, NULL, &err), SFS_E_STALE);
	publish_manifest("run-1", AT_NS, 4);
	IS_INT(sfs_build_set_base(b, &one, NULL, &err), SFS_OK);
	publish_manifest("run-2", AT_NS + 1000, 4);
	IS_INT(sfs_build_set_base(b, &one, NULL, &err), SFS_E_STALE);
	HAS_STR(err.msg, "ln -sfn snapshots/");
	OK(sfs_build_get_base(b, &got));
	IS_STR(got.run_id, "run-1");
	IS_INT(sfs_build_set_base(b, &two, NULL, &err), SFS_OK);
	stage_again();
	OK(sfs_build_get_base(b, &got));
	IS_STR(got.run_id, "run-2");
	IS_INT(got.published_at_ns, AT_NS + 1000);
	IS_INT(sfs_area_discard(area, b, false, &err), SFS_E_INVALID);
	IS_INT(sfs_build_clear_base(b, &err), SFS_OK);
	IS_INT(sfs_build_clear_base(b, &err), SFS_E_NOT_FOUND);
	OK(!sfs_build_get_base(b, &got));
}

static void a_base_replaces_settings_that_nobody_made(void)
{
	struct sfs_snapshot_id one = snapshot_id("run-1", AT_NS);

	publish_manifest("run-1", AT_NS, 5);
	IS_INT(sfs_build_set_base(b, &one, NULL, &err), SFS_OK);
	IS_INT(fake.config.num_dbs, 5);
	stage_again();
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_OK);
	IS_INT(fake.config.num_dbs, 5);
}

static void a_base_and_config_yaml_agree(void)
{
	struct sfs_snapshot_id one = snapshot_id("run-1", AT_NS);
	struct sfs_snapshot_id got;

	publish_manifest("run-1", AT_NS, 5);
	IS_INT(put_file(TOP, "config.yaml", "num_dbs: 8\n"), SFS_OK);
	IS_INT(sfs_build_set_base(b, &one, NULL, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "num_dbs");
	OK(!sfs_build_get_base(b, &got));
	IS_INT(put_file(TOP, "config.yaml", ""), SFS_OK);
	IS_INT(sfs_build_set_base(b, &one, NULL, &err), SFS_OK);
	IS_INT(fake.config.num_dbs, 5);
	IS_INT(put_file(TOP, "config.yaml", "num_dbs: 6\n"), SFS_E_INVALID);
	HAS_STR(err.msg, "num_dbs");
	stage_again();
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_E_CORRUPT);
	IS_INT(sfs_build_clear_base(b, &err), SFS_OK);
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_OK);
	IS_INT(fake.config.num_dbs, 6);
}

int main(void)
{
	RUN_STAGED(mkdir_fills_in_the_defaults);
	RUN_STAGED(what_config_yaml_does_not_name_is_as_mkdir_wrote_it);
	RUN_STAGED(the_engine_hears_of_settings_that_changed);
	RUN_STAGED(a_wrong_config_written_in_place_is_a_fault);
	RUN_STAGED(fsync_of_a_wrong_config_says_so);
	RUN_STAGED(a_wrong_config_is_not_renamed_into_place);
	RUN_STAGED(a_missing_config_is_a_fault_until_it_is_back);
	RUN_STAGED(a_config_has_a_largest_size);
	RUN_STAGED(a_base_must_be_current);
	RUN_STAGED(a_base_replaces_settings_that_nobody_made);
	RUN_STAGED(a_base_and_config_yaml_agree);
	return tap_done();
}
