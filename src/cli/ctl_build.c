/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building and publishing without a mount: the same engine on a staging area
 * of the caller's. Files are read where they lie, so they must not change
 * meanwhile; standard input is staged first.
 */
#include "cli/ctl_staging.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { COPY_BYTES = 1 << 20 };

/* --- what is asked for --------------------------------------------------- */

/* Digits, which stand for a number, are left without quotes. */
static bool is_number(const char *text)
{
	const char *digits = text + (text[0] == '-');
	size_t len = strspn(digits, "0123456789");

	return len > 0 &&
	       strcmp(digits + len, digits[len] == 'u' ? "u" : "") == 0;
}

/* Adds the parts of "a,b" in quotes, between them ", ". */
static enum sfs_rc add_list(struct sfs_buf *out, const char *list,
                            bool has_numbers, struct sfs_err *err)
{
	char *copy = sfs_strdup(list);
	char *rest = copy;
	const char *item;

	if (copy == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	while ((item = strsep(&rest, ",")) != NULL) {
		sfs_buf_puts(out, item != copy ? ", " : "");
		if (has_numbers && is_number(item))
			sfs_buf_puts(out, item);
		else
			sfs_build_config_quote(out, item);
	}
	sfs_free(copy);
	return SFS_OK;
}

/* "region:string,tier:int" as a YAML mapping. */
static enum sfs_rc add_columns(struct sfs_buf *out, const char *list,
                               struct sfs_err *err)
{
	char *copy = sfs_strdup(list);
	char *rest = copy;
	enum sfs_rc rc = SFS_OK;
	char *name, *type;

	if (copy == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	while (rc == SFS_OK && (type = strsep(&rest, ",")) != NULL) {
		sfs_buf_puts(out, type != copy ? ", " : "");
		name = strsep(&type, ":");
		if (type == NULL) {
			rc = sfs_err_set(err, SFS_E_INVALID,
			                 "--cel-columns=%s: must be like "
			                 "region:string,tier:int",
			                 list);
			break;
		}
		sfs_build_config_quote(out, name);
		sfs_buf_puts(out, ": ");
		sfs_build_config_quote(out, type);
	}
	sfs_free(copy);
	return rc;
}

static enum sfs_rc compose_routing(const struct sfs_ctl_args *args,
                                   struct sfs_buf *out, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	if (args->cel != NULL) {
		sfs_buf_puts(out, "cel: ");
		sfs_build_config_quote(out, args->cel);
		sfs_buf_putc(out, '\n');
	}
	if (args->cel_columns != NULL) {
		sfs_buf_puts(out, "cel_columns: {");
		rc = add_columns(out, args->cel_columns, err);
		sfs_buf_puts(out, "}\n");
	}
	if (rc == SFS_OK && args->routing_values != NULL &&
	    strcmp(args->routing_values, "inferred") == 0) {
		sfs_buf_puts(out, "routing_values: inferred\n");
	} else if (rc == SFS_OK && args->routing_values != NULL) {
		sfs_buf_puts(out, "routing_values: [");
		rc = add_list(out, args->routing_values, true, err);
		sfs_buf_puts(out, "]\n");
	}
	if (args->ranges != NULL) {
		sfs_buf_puts(out, "ranges: ");
		sfs_build_config_quote(out, args->ranges);
		sfs_buf_putc(out, '\n');
	}
	if (rc == SFS_OK && args->bounds != NULL) {
		sfs_buf_puts(out, "sharding: {strategy: range, bounds: [");
		rc = add_list(out, args->bounds, false, err);
		sfs_buf_puts(out, "]}\n");
	}
	return rc;
}

/* config.yaml of the options that were given. */
static enum sfs_rc compose_config(const struct sfs_ctl_args *args,
                                  struct sfs_buf *out, struct sfs_err *err)
{
	enum sfs_rc rc = compose_routing(args, out, err);

	if (rc != SFS_OK)
		return rc;
	if (args->key_encoding != SFS_KEY_INVALID)
		sfs_buf_printf(out, "key_encoding: %s\n",
		               sfs_key_encoding_text(args->key_encoding));
	if (args->num_dbs > 0)
		sfs_buf_printf(out, "num_dbs: %" PRIu32 "\n", args->num_dbs);
	if (args->max_keys_per_shard > 0)
		sfs_buf_printf(out, "max_keys_per_shard: %" PRIu64 "\n",
		               args->max_keys_per_shard);
	if (args->page_size == 0)
		sfs_buf_puts(out, "page_size: auto\n");
	if (args->page_size > 0)
		sfs_buf_printf(out, "page_size: %" PRId64 "\n",
		               args->page_size);
	if (args->on_bad_record != NULL)
		sfs_buf_printf(out, "on_bad_record: %s\n", args->on_bad_record);
	return sfs_buf_finish(out, "config.yaml", err);
}

static enum sfs_rc write_top(struct sfs_build *b, const char *name,
                             const char *text, size_t len, struct sfs_err *err)
{
	struct sfs_staged_file *f;
	enum sfs_rc rc;

	rc = sfs_build_open(b, SFS_BUILD_TOP, name,
	                    O_WRONLY | O_CREAT | O_TRUNC, 0644, &f, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_staged_write(f, 0, false, text, len, err);
	if (rc == SFS_OK)
		rc = sfs_staged_flush(f, NULL, err);
	sfs_staged_close(f);
	return rc;
}

static enum sfs_rc write_settings(const struct sfs_ctl_args *args,
                                  const struct sfs_ctl_target *t,
                                  struct sfs_build *b, struct sfs_err *err)
{
	struct sfs_buf config = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	struct sfs_snapshot_id base;
	enum sfs_rc rc = SFS_OK;

	if (args->base != NULL) {
		rc = sfs_ctl_resolve(t, args->base, &base, err);
		if (rc == SFS_OK)
			rc = sfs_build_set_base(b, &base, NULL, err);
	}
	if (rc == SFS_OK)
		rc = compose_config(args, &config, err);
	if (rc == SFS_OK && config.len > 0)
		rc = write_top(b, "config.yaml", config.data, config.len, err);
	if (rc == SFS_OK && args->message != NULL)
		rc = write_top(b, "message", args->message,
		               strlen(args->message), err);
	if (rc == SFS_OK && args->tag != NULL)
		rc = write_top(b, "tag", args->tag, strlen(args->tag), err);
	sfs_buf_release(&config);
	return rc;
}

/* --- the records --------------------------------------------------------- */

/* Data, its end, or SFS_E_CANCELED. */
static enum sfs_rc wait_input(struct sfs_ctl_work *w, int fd,
                              struct sfs_err *err)
{
	struct sfs_call call = { 0, &w->cancel };
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
		                { .fd = w->cancel.event_fd,
		                  .events = POLLIN } };

	if (poll(fds, 2, -1) < 0 && errno != EINTR)
		return sfs_err_sys(err, errno, "poll");
	return sfs_call_check(&call, "build", err);
}

static enum sfs_rc copy_in(struct sfs_ctl_work *w, const char *name, int fd,
                           struct sfs_err *err)
{
	struct sfs_build *b = w->build;
	struct sfs_staged_file *f = NULL;
	char *buf = sfs_malloc(COPY_BYTES);
	enum sfs_rc rc;
	ssize_t n = 1;

	if (buf == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	rc = sfs_build_open(b, SFS_BUILD_INGEST, name,
	                    O_WRONLY | O_CREAT | O_EXCL, 0644, &f, err);
	while (rc == SFS_OK && n > 0) {
		rc = wait_input(w, fd, err);
		if (rc != SFS_OK)
			break;
		n = read(fd, buf, COPY_BYTES);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			rc = sfs_err_sys(err, errno, "ingest/%s", name);
		else if (n > 0)
			rc = sfs_staged_write(f, 0, true, buf, (size_t)n, err);
	}
	sfs_staged_close(f);
	sfs_free(buf);
	return rc;
}

/* Pipes and the like are staged; files are read where they lie. */
static enum sfs_rc add_file(struct sfs_ctl_work *w, const char *name,
                            const char *path, struct sfs_err *err)
{
	enum sfs_rc rc;
	struct stat st;
	int fd;

	if (strcmp(path, "-") == 0)
		return copy_in(w, name, STDIN_FILENO, err);
	if (stat(path, &st) != 0)
		return sfs_err_sys(err, errno, "%s", path);
	if (S_ISREG(st.st_mode))
		return sfs_build_add_source(w->build, name, path, err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sfs_err_sys(err, errno, "%s", path);
	rc = copy_in(w, name, fd, err);
	(void)close(fd);
	return rc;
}

static enum sfs_rc add_files(const struct sfs_ctl_args *args,
                             struct sfs_ctl_work *w, struct sfs_err *err)
{
	char name[SFS_CTL_INGEST_NAME_BYTES];
	enum sfs_rc rc = SFS_OK;
	const char *path;

	for (size_t i = 0; rc == SFS_OK && i < args->from.count; i++) {
		path = args->from.values[i];
		sfs_ctl_ingest_name(args, i, name, sizeof(name));
		rc = add_file(w, name, path, err);
	}
	return rc;
}

/* --- the command ---------------------------------------------------------- */

static enum sfs_rc check_store(const struct sfs_ctl_target *t,
                               struct sfs_err *err)
{
	struct sfs_stack *stack = (struct sfs_stack *)&t->stack;
	struct sfs_snapshot_id current;
	bool is_empty = false;
	enum sfs_rc rc;

	rc = sfs_ctl_current_id(t, &current, err);
	if (rc != SFS_E_NOT_FOUND)
		return rc;
	rc = sfs_stack_is_empty(stack, &is_empty, err);
	if (rc == SFS_OK && !is_empty)
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "%s holds other things and no %s: a new "
		                 "store is an empty directory",
		                 stack->store->url, SFS_CURRENT_KEY);
	return rc;
}

static int build_in(const struct sfs_ctl_args *args,
                    const struct sfs_ctl_target *t, struct sfs_ctl_work *w,
                    struct sfs_area *area)
{
	struct sfs_build *b = NULL;
	char name[64];
	struct sfs_err err;
	enum sfs_rc rc;
	int status;

	(void)snprintf(name, sizeof(name), "build-%ld-%" PRId64, (long)getpid(),
	               sfs_clock_wall_ns());
	rc = sfs_area_begin(area, name, &b, NULL, &err);
	if (rc != SFS_OK)
		return sfs_ctl_fail(&err);
	sfs_ctl_work_show(w, b);
	rc = write_settings(args, t, b, &err);
	if (rc == SFS_OK)
		rc = add_files(args, w, &err);
	if (rc != SFS_OK)
		sfs_ctl_speak_of_options(args, &err);
	if (rc == SFS_OK)
		status = sfs_ctl_publish_build(args, w, b);
	else
		status = rc == SFS_E_INVALID ? sfs_ctl_refuse(&err)
		                             : sfs_ctl_fail_or_conflict(&err);
	if (status != SFS_CTL_OK &&
	    sfs_area_discard(area, b, true, &err) != SFS_OK)
		sfs_ctl_note("%s", err.msg);
	sfs_ctl_work_show(w, NULL);
	sfs_build_unref(b);
	return status;
}

static int build(const struct sfs_ctl_args *args,
                 const struct sfs_ctl_target *t)
{
	struct sfs_ctl_work work;
	struct sfs_area *area;
	struct sfs_err err;
	int status;

	if (args->from.count == 0) {
		(void)sfs_err_set(&err, SFS_E_INVALID,
		                  "build needs records: --from FILE");
		return sfs_ctl_refuse(&err);
	}
	if (check_store(t, &err) != SFS_OK ||
	    sfs_ctl_work_begin(&work, &err) != SFS_OK)
		return sfs_ctl_fail(&err);
	if (sfs_ctl_area_open(args, t, false, &area, &err) == SFS_OK) {
		status = build_in(args, t, &work, area);
		sfs_area_close(area);
	} else {
		status = sfs_ctl_fail(&err);
	}
	sfs_ctl_work_end(&work);
	return status;
}

int sfs_ctl_build(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_target(args, build);
}
