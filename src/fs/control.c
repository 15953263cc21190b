/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of .shardyfs/: state as text, and two that take a word. Status
 * is one list of facts, printed as lines and as JSON, so that both say the
 * same.
 */
#include "fs/routing.h"
#include "fs/staging_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "build/area.h"

#include <string.h>
#include <unistd.h>

enum { STALE_INTERVALS = 3, WORD_BYTES = 256 };

enum health {
	HEALTHY = 0,
	DEGRADED,
	UNHEALTHY,
};

static const char *const health_words[] = { "healthy", "degraded",
	                                    "unhealthy" };

/* How the mount is, and why where it is not well. */
static enum health health_of(struct sfs_fs *fs,
                             const struct sfs_tracker_status *s,
                             char reason[SFS_ERR_MSG_BYTES])
{
	int64_t quiet_ns = sfs_clock_wall_ns() - s->last_success_ns;
	int64_t refresh_ms = fs->config.refresh_ms;

	reason[0] = '\0';
	if (s->generation == 0) {
		(void)snprintf(reason, SFS_ERR_MSG_BYTES,
		               "nothing is published");
		return UNHEALTHY;
	}
	if (s->fault.rc != SFS_OK) {
		memcpy(reason, s->fault.msg, SFS_ERR_MSG_BYTES);
		return DEGRADED;
	}
	if (s->is_fallback) {
		(void)snprintf(reason, SFS_ERR_MSG_BYTES,
		               "an older snapshot is shown: the published "
		               "manifest cannot be used");
		return DEGRADED;
	}
	if (refresh_ms > 0 && !fs->config.is_pinned &&
	    quiet_ns / 1000000 > STALE_INTERVALS * (refresh_ms + 1000)) {
		(void)snprintf(reason, SFS_ERR_MSG_BYTES,
		               "_CURRENT was not seen for %lld s",
		               (long long)(quiet_ns / 1000000000));
		return DEGRADED;
	}
	return HEALTHY;
}

/* Receives facts: as lines or as JSON members. */
struct report {
	struct sfs_buf *lines;         /* or NULL */
	struct sfs_json_printer *json; /* or NULL */
};

static void fact_text(const struct report *r, const char *name,
                      const char *value)
{
	if (r->lines != NULL) {
		sfs_buf_printf(r->lines, "%s: %s\n", name, value);
	} else {
		sfs_json_key(r->json, name);
		sfs_json_cstring(r->json, value);
	}
}

static void fact_number(const struct report *r, const char *name,
                        uint64_t value)
{
	if (r->lines != NULL) {
		sfs_buf_printf(r->lines, "%s: %llu\n", name,
		               (unsigned long long)value);
	} else {
		sfs_json_key(r->json, name);
		sfs_json_uint(r->json, value);
	}
}

static void fact_time(const struct report *r, const char *name, int64_t ns)
{
	char text[SFS_TIME_BYTES];

	sfs_time_format(ns, text);
	fact_text(r, name, text);
}

/* In one line, whatever is in the expression. */
static void fact_expression(const struct report *r,
                            const struct sfs_cel_text *e)
{
	char *line = sfs_memdup0(e->data, e->len);

	for (size_t i = 0; line != NULL && i < e->len; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	}
	if (line != NULL)
		fact_text(r, "expression", line);
	sfs_free(line);
}

static void report_routing(const struct sfs_snapshot *s, const struct report *r)
{
	const struct sfs_sharding *sharding =
		&sfs_snapshot_manifest(s)->routing;
	struct sfs_buf columns = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);

	fact_text(r, "strategy", sfs_fs_strategy(s));
	if (sharding->strategy != SFS_STRATEGY_CEL)
		return;
	fact_expression(r, &sharding->expr);
	sfs_fs_print_columns(sharding, &columns);
	if (columns.failed == SFS_OK && columns.len > 0)
		fact_text(r, "columns", columns.data);
	sfs_buf_release(&columns);
	if (sharding->has_tokens)
		fact_number(r, "routing_values", sharding->token_count);
}

static void report_snapshot(struct sfs_fs *fs, const struct report *r)
{
	struct sfs_snapshot *s = sfs_tracker_current(fs->config.tracker, NULL);
	const struct sfs_manifest *m;

	if (s == NULL)
		return;
	m = sfs_snapshot_manifest(s);
	fact_text(r, "snapshot", sfs_snapshot_text_id(s));
	fact_text(r, "run_id", m->run_id);
	fact_time(r, "published_at", sfs_snapshot_id_of(s)->published_at_ns);
	fact_text(r, "key_encoding", sfs_key_encoding_text(m->key_encoding));
	fact_number(r, "num_dbs", m->num_dbs);
	report_routing(s, r);
	fact_number(r, "rows", sfs_manifest_rows(m));
	fact_number(r, "bytes", sfs_manifest_bytes(m));
	sfs_snapshot_unref(s);
}

static bool count_build(void *arg, const char *name)
{
	uint64_t *count = arg;

	(void)name;
	++*count;
	return true;
}

static void report_staging(struct sfs_fs *fs, const struct report *r)
{
	uint64_t builds = 0;

	if (fs->config.no_area != NULL)
		fact_text(r, "no_staging", fs->config.no_area);
	if (fs->config.area == NULL)
		return;
	sfs_area_list(fs->config.area, count_build, &builds);
	fact_text(r, "staging_dir", fs->config.area_dir);
	fact_number(r, "builds", builds);
	fact_number(r, "staged_nodes", sfs_staged_count(fs->staged));
}

static void report_all(struct sfs_fs *fs, const struct report *r)
{
	char reason[SFS_ERR_MSG_BYTES];
	struct sfs_shard_pool_stats pool;
	struct sfs_tracker_status status;
	enum health health;

	sfs_tracker_get_status(fs->config.tracker, &status);
	sfs_shard_pool_get_stats(fs->config.source.pool, &pool);
	health = health_of(fs, &status, reason);
	fact_text(r, "version", PACKAGE_VERSION);
	fact_number(r, "pid", (uint64_t)getpid());
	fact_text(r, "store", fs->config.source.store->url);
	fact_text(r, "mountpoint", fs->config.mountpoint);
	fact_text(r, "run_prefix", fs->config.run_prefix);
	fact_time(r, "started_at", fs->started_ns);
	fact_text(r, "health", health_words[health]);
	if (health != HEALTHY)
		fact_text(r, "reason", reason);
	report_snapshot(fs, r);
	fact_number(r, "generation", status.generation);
	fact_number(r, "refresh_checks", status.checks);
	fact_number(r, "refresh_failures", status.failures);
	fact_time(r, "last_check", status.last_check_ns);
	fact_time(r, "last_success", status.last_success_ns);
	fact_number(r, "open_snapshots", sfs_views_count(fs->views));
	fact_number(r, "where_directories", sfs_where_count(fs->where));
	fact_number(r, "open_shards", pool.open);
	fact_number(r, "shards_opened", pool.opened);
	fact_number(r, "shards_evicted", pool.evicted);
	fact_number(r, "unlistable_keys_seen", atomic_load(&fs->long_names));
	report_staging(fs, r);
}

static void print_status(struct sfs_fs *fs, struct sfs_buf *out)
{
	struct report r = { out, NULL };

	report_all(fs, &r);
}

static void print_status_json(struct sfs_fs *fs, struct sfs_buf *out)
{
	struct sfs_json_printer p;
	struct report r = { NULL, &p };

	sfs_json_printer_init(&p, out, true, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "schema");
	sfs_json_int(&p, 1);
	report_all(fs, &r);
	sfs_json_object_end(&p);
	sfs_buf_putc(out, '\n');
}

static void print_health(struct sfs_fs *fs, struct sfs_buf *out)
{
	char reason[SFS_ERR_MSG_BYTES];
	struct sfs_tracker_status status;
	enum health health;

	sfs_tracker_get_status(fs->config.tracker, &status);
	health = health_of(fs, &status, reason);
	sfs_buf_puts(out, health_words[health]);
	if (health != HEALTHY)
		sfs_buf_printf(out, ": %s", reason);
	sfs_buf_putc(out, '\n');
}

static void print_config(struct sfs_fs *fs, struct sfs_buf *out)
{
	sfs_buf_puts(out, fs->config.config_text);
}

/* The last request that failed, and the refresh if that fails now. */
static void print_last_error(struct sfs_fs *fs, struct sfs_buf *out)
{
	struct sfs_tracker_status status;
	char when[SFS_TIME_BYTES];

	pthread_mutex_lock(&fs->lock);
	sfs_buf_puts(out, fs->last_error);
	pthread_mutex_unlock(&fs->lock);
	sfs_tracker_get_status(fs->config.tracker, &status);
	if (status.fault.rc == SFS_OK)
		return;
	sfs_time_format(status.last_check_ns, when);
	sfs_buf_printf(out, "%s refresh: %s: %s\n", when,
	               sfs_rc_name(status.fault.rc), status.fault.msg);
}

static void print_version(struct sfs_fs *fs, struct sfs_buf *out)
{
	(void)fs;
	sfs_buf_puts(out, PACKAGE_VERSION "\n");
}

static void print_log_level(struct sfs_fs *fs, struct sfs_buf *out)
{
	char levels[WORD_BYTES];

	(void)fs;
	sfs_log_get_levels(levels, sizeof(levels));
	sfs_buf_printf(out, "%s\n", levels);
}

static enum sfs_rc set_log_level(struct sfs_fs *fs, const char *word,
                                 struct sfs_err *err)
{
	(void)fs;
	return sfs_log_set_levels(word, err);
}

static void print_refresh(struct sfs_fs *fs, struct sfs_buf *out)
{
	(void)fs;
	sfs_buf_puts(out, "write any word to look for a new snapshot now\n");
}

/* Builds begun or ended meanwhile are there or not. */
static void print_builds(struct sfs_fs *fs, struct sfs_buf *out)
{
	struct sfs_children names = { 0 };
	struct sfs_build *build;
	struct sfs_err ignored;
	bool is_first = true;

	sfs_buf_puts(out, "[");
	if (sfs_children_take(fs, SFS_STATIC_STAGING, &names, NULL, &ignored) !=
	    SFS_OK)
		out->failed = SFS_E_NO_MEMORY;
	for (size_t i = 0; i < names.count; i++) {
		build = sfs_area_find(fs->config.area, names.of[i].name);
		if (build == NULL)
			continue;
		sfs_buf_puts(out, is_first ? "\n" : ",\n");
		is_first = false;
		sfs_build_print_json(build, out);
		while (out->len > 0 && out->data[out->len - 1] == '\n')
			out->len--;
		sfs_build_unref(build);
	}
	sfs_buf_puts(out, is_first ? "]\n" : "\n]\n");
	sfs_children_reset(&names);
}

static enum sfs_rc refresh(struct sfs_fs *fs, const char *word,
                           struct sfs_err *err)
{
	(void)word;
	(void)err;
	sfs_tracker_refresh(fs->config.tracker);
	return SFS_OK;
}

static const char *const op_names[SFS_OP_COUNT] = {
	"lookup",   "getattr",  "open",   "read",   "readdir",
	"readlink", "getxattr", "statfs", "write",  "create",
	"flush",    "fsync",    "unlink", "rename", "other",
};

static void metric(struct sfs_buf *out, const char *name, const char *type,
                   uint64_t value)
{
	sfs_buf_printf(out, "# TYPE shardyfs_%s %s\nshardyfs_%s %llu\n", name,
	               type, name, (unsigned long long)value);
}

static void metric_seconds(struct sfs_buf *out, const char *name, int64_t ns)
{
	sfs_buf_printf(out, "# TYPE shardyfs_%s gauge\nshardyfs_%s %lld.%06d\n",
	               name, name, (long long)(ns / 1000000000),
	               (int)(ns % 1000000000 / 1000));
}

static void print_op_metrics(struct sfs_fs *fs, struct sfs_buf *out)
{
	uint64_t failed;
	uint64_t all;

	sfs_buf_puts(out, "# TYPE shardyfs_fuse_requests_total counter\n");
	for (int i = 0; i < SFS_OP_COUNT; i++) {
		failed = atomic_load(&fs->failures[i]);
		all = atomic_load(&fs->ops[i]);
		sfs_buf_printf(out,
		               "shardyfs_fuse_requests_total{op=\"%s\","
		               "result=\"ok\"} %llu\n"
		               "shardyfs_fuse_requests_total{op=\"%s\","
		               "result=\"error\"} %llu\n",
		               op_names[i], (unsigned long long)(all - failed),
		               op_names[i], (unsigned long long)failed);
	}
}

static void print_publish_metrics(struct sfs_fs *fs, struct sfs_buf *out)
{
	uint64_t count;

	sfs_buf_puts(out, "# TYPE shardyfs_publishes_total counter\n");
	for (int i = 0; i < SFS_PUBLISH_RESULTS; i++) {
		count = atomic_load(&fs->publishes[i]);
		if (i > 0 && count == 0)
			continue;
		sfs_buf_printf(out,
		               "shardyfs_publishes_total{result=\"%s\"} %llu\n",
		               sfs_rc_name((enum sfs_rc) - i),
		               (unsigned long long)count);
	}
}

static void print_metrics(struct sfs_fs *fs, struct sfs_buf *out)
{
	struct sfs_shard_pool_stats pool;
	struct sfs_tracker_status status;
	struct sfs_snapshot *s;

	sfs_tracker_get_status(fs->config.tracker, &status);
	sfs_shard_pool_get_stats(fs->config.source.pool, &pool);
	sfs_buf_puts(out, "# TYPE shardyfs_build_info gauge\n"
	                  "shardyfs_build_info{version=\"" PACKAGE_VERSION
	                  "\"} 1\n");
	s = sfs_tracker_current(fs->config.tracker, NULL);
	if (s != NULL) {
		sfs_buf_printf(out,
		               "# TYPE shardyfs_snapshot_info gauge\n"
		               "shardyfs_snapshot_info{run_id=\"%s\"} 1\n",
		               sfs_snapshot_id_of(s)->run_id);
		metric_seconds(out, "snapshot_published_timestamp_seconds",
		               sfs_snapshot_id_of(s)->published_at_ns);
	}
	sfs_snapshot_unref(s);
	metric_seconds(out, "refresh_last_success_timestamp_seconds",
	               status.last_success_ns);
	metric(out, "refresh_checks_total", "counter", status.checks);
	metric(out, "refresh_failures_total", "counter", status.failures);
	metric(out, "open_snapshots", "gauge", sfs_views_count(fs->views));
	metric(out, "open_shards", "gauge", pool.open);
	metric(out, "shards_opened_total", "counter", pool.opened);
	metric(out, "shards_evicted_total", "counter", pool.evicted);
	print_publish_metrics(fs, out);
	print_op_metrics(fs, out);
}

const struct sfs_control_file sfs_control_files[] = {
	{ "status", print_status, NULL },
	{ "status.json", print_status_json, NULL },
	{ "health", print_health, NULL },
	{ "metrics", print_metrics, NULL },
	{ "config", print_config, NULL },
	{ "last_error", print_last_error, NULL },
	{ "version", print_version, NULL },
	{ "builds", print_builds, NULL },
	{ "log_level", print_log_level, set_log_level },
	{ "refresh", print_refresh, refresh },
};
const int sfs_control_count =
	sizeof(sfs_control_files) / sizeof(sfs_control_files[0]);

bool sfs_fs_is_writable(struct sfs_fs *fs, uint64_t node)
{
	struct sfs_node n = sfs_node_of(node);
	struct sfs_frozen_info info;

	return n.class == SFS_NODE_FROZEN &&
	       sfs_frozen_info(fs->frozen, n.number, &info) &&
	       info.command >= 0;
}

enum sfs_rc sfs_fs_write(struct sfs_fs *fs, uint64_t node, const char *data,
                         size_t len, struct sfs_err *err)
{
	struct sfs_node n = sfs_node_of(node);
	struct sfs_frozen_info info;
	char word[WORD_BYTES];

	if (!sfs_fs_is_writable(fs, node) ||
	    !sfs_frozen_info(fs->frozen, n.number, &info))
		return sfs_err_set(err, SFS_E_READ_ONLY,
		                   "published snapshots are immutable");
	while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == ' '))
		len--;
	if (len >= sizeof(word) || memchr(data, '\0', len) != NULL)
		return sfs_err_set(err, SFS_E_INVALID, "%s: not one word",
		                   sfs_control_files[info.command].name);
	memcpy(word, data, len);
	word[len] = '\0';
	return sfs_control_files[info.command].command(fs, word, err);
}
