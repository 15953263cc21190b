/* SPDX-License-Identifier: Apache-2.0 */
/* Where builds are staged, and publishing one with progress. */
#include "cli/ctl_staging.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "build/progress.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum {
	BUILD_MEMORY = 256 << 20,
	VALUE_MAX = 64 << 20,
	LOCK_MS = 30000,
	TERMINAL_MS = 200,
	PLAIN_MS = 5000,
};

enum sfs_rc sfs_ctl_staging_dir(const struct sfs_ctl_args *args,
                                const struct sfs_ctl_target *t, char *out,
                                size_t cap, struct sfs_err *err)
{
	const char *given = args->staging_dir;
	int len;

	if (given == NULL)
		given = t->staging_dir;
	if (given == NULL)
		return sfs_area_default_dir(t->stack.store->url, out, cap, err);
	len = snprintf(out, cap, "%s", given);
	if (len < 0 || (size_t)len >= cap)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%s: the path is too long", given);
	return SFS_OK;
}

static unsigned processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1                     ? 1
	       : n > SFS_CTL_THREADS_MAX ? SFS_CTL_THREADS_MAX
	                                 : (unsigned)n;
}

enum sfs_rc sfs_ctl_area_open(const struct sfs_ctl_args *args,
                              const struct sfs_ctl_target *t, bool adopt,
                              struct sfs_area **out, struct sfs_err *err)
{
	char dir[PATH_MAX];
	struct sfs_area_config config = {
		.dir = dir,
		.store = t->stack.store,
		.catalog = t->stack.catalog,
		.run_prefix = t->run_prefix,
		.url = args->url,
		.build_memory = args->build_memory > 0
		                        ? (size_t)args->build_memory
		                        : BUILD_MEMORY,
		.threads = args->threads > 0 ? args->threads : processors(),
		.value_max = VALUE_MAX,
		.lock_ms = LOCK_MS,
		.key_encoding = SFS_KEY_INVALID,
		.adopt = adopt,
	};
	enum sfs_rc rc;

	rc = sfs_ctl_staging_dir(args, t, dir, sizeof(dir), err);
	if (rc == SFS_OK)
		rc = sfs_area_open(&config, out, err);
	return rc;
}

/* --- progress -------------------------------------------------------------- */

void sfs_ctl_work_show(struct sfs_ctl_work *w, struct sfs_build *b)
{
	pthread_mutex_lock(&w->lock);
	w->build = b;
	pthread_mutex_unlock(&w->lock);
}

static void print_progress(struct sfs_ctl_work *w)
{
	struct sfs_build_progress p = { .state = "done" };
	double seconds;

	pthread_mutex_lock(&w->lock);
	if (w->build != NULL)
		sfs_build_get_progress(w->build, &p);
	pthread_mutex_unlock(&w->lock);
	if (strcmp(p.state, "done") == 0)
		return;
	seconds = p.ms > 0 ? (double)p.ms / 1000 : 0;
	(void)fprintf(stderr,
	              "%s%-9s %" PRIu64 " records, %.2f M/s, %u %% read, "
	              "shards %" PRIu32 "/%" PRIu32 "%s",
	              w->is_terminal ? "\r" : "shardyctl: ", p.state, p.records,
	              seconds > 0 ? (double)p.records / seconds / 1e6 : 0,
	              p.bytes > 0 ? (unsigned)(p.bytes_parsed * 100 / p.bytes)
	                          : 100,
	              p.sealed, p.to_seal, w->is_terminal ? "  " : "\n");
	(void)fflush(stderr);
}

static void wait_signal(struct sfs_ctl_work *w, const sigset_t *signals)
{
	int64_t ms = w->is_terminal ? TERMINAL_MS : PLAIN_MS;
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000 };
	int n = sigtimedwait(signals, NULL, &wait);

	if (atomic_load(&w->is_over))
		return;
	if (n == SIGINT || n == SIGTERM)
		sfs_cancel_raise(&w->cancel);
	else
		print_progress(w);
}

static void stop_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGUSR1); /* wakes the watcher at the end */
}

static void *watch(void *arg)
{
	struct sfs_ctl_work *w = arg;
	sigset_t signals;

	stop_signals(&signals);
	while (!atomic_load(&w->is_over))
		wait_signal(w, &signals);
	if (w->is_terminal)
		(void)fputc('\n', stderr);
	return NULL;
}

enum sfs_rc sfs_ctl_work_begin(struct sfs_ctl_work *w, struct sfs_err *err)
{
	sigset_t signals;
	enum sfs_rc rc;
	int error;

	w->build = NULL;
	pthread_mutex_init(&w->lock, NULL);
	w->is_over = false;
	w->is_terminal = isatty(STDERR_FILENO) != 0;
	rc = sfs_cancel_init(&w->cancel, err);

	if (rc != SFS_OK)
		return rc;
	stop_signals(&signals);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* valid set */
	error = pthread_create(&w->thread, NULL, watch, w);
	if (error == 0)
		return SFS_OK;
	sfs_cancel_release(&w->cancel);
	return sfs_err_sys(err, error, "thread");
}

void sfs_ctl_work_end(struct sfs_ctl_work *w)
{
	atomic_store(&w->is_over, true);
	(void)pthread_kill(w->thread, SIGUSR1);
	(void)pthread_join(w->thread, NULL);
	sfs_cancel_release(&w->cancel);
	pthread_mutex_destroy(&w->lock);
}

/* --- publishing ------------------------------------------------------------ */

static int tell_published(const struct sfs_ctl_args *args,
                          const struct sfs_snapshot_id *id,
                          const struct sfs_build_progress *p)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	char id_text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_json_printer j;

	sfs_snapshot_id_text(id, id_text);
	if (!args->json) {
		sfs_buf_printf(&text, "%s\n", id_text);
		return sfs_ctl_print(&text, SFS_CTL_OK);
	}
	sfs_json_printer_init(&j, &text, true, true);
	sfs_json_object_begin(&j);
	sfs_json_key(&j, "bad_records");
	sfs_json_uint(&j, p->bad_records);
	sfs_json_key(&j, "records");
	sfs_json_uint(&j, p->records);
	sfs_json_key(&j, "snapshot");
	sfs_json_cstring(&j, id_text);
	sfs_json_object_end(&j);
	sfs_buf_putc(&text, '\n');
	return sfs_ctl_print(&text, SFS_CTL_OK);
}

void sfs_ctl_ingest_name(const struct sfs_ctl_args *args, size_t index,
                         char *out, size_t cap)
{
	const char *path = args->from.values[index];
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;

	if (strcmp(path, "-") == 0)
		name = "stdin";
	(void)snprintf(out, cap, "%04zu-%.*s%s%s", index, NAME_MAX - 32, name,
	               args->input_format != NULL ? "." : "",
	               args->input_format != NULL ? args->input_format : "");
}

/* The file of --from whose name in the build begins text; or NULL. */
static const char *given_file(const struct sfs_ctl_args *args, const char *text,
                              size_t *len_out)
{
	char name[SFS_CTL_INGEST_NAME_BYTES + 16];

	for (size_t i = 0; i < args->from.count; i++) {
		memcpy(name, "ingest/", 8);
		sfs_ctl_ingest_name(args, i, name + 7, sizeof(name) - 7);
		*len_out = strlen(name);
		if (strncmp(text, name, *len_out) != 0)
			continue;
		return strcmp(args->from.values[i], "-") == 0
		               ? "standard input"
		               : args->from.values[i];
	}
	return NULL;
}

/* Copies text, with the given files in place of what lies in ingest/. */
static void name_given_files(const struct sfs_ctl_args *args, const char *text,
                             struct sfs_buf *out)
{
	const char *file;
	size_t len;

	while (*text != '\0') {
		file = *text == 'i' ? given_file(args, text, &len) : NULL;
		if (file != NULL) {
			sfs_buf_puts(out, file);
			text += len;
		} else {
			sfs_buf_putc(out, *text++);
		}
	}
}

void sfs_ctl_speak_of_options(const struct sfs_ctl_args *args,
                              struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_err unwanted;

	if (args->from.count == 0)
		return;
	if (err->rc == SFS_E_EXISTS && args->tag != NULL)
		(void)sfs_err_set(err, err->rc,
		                  "tag %s exists; give another --tag, or "
		                  "remove it with shardyctl tag --delete",
		                  args->tag);
	else if (err->rc == SFS_E_STALE && args->base != NULL)
		(void)sfs_err_set(err, err->rc,
		                  "--base=%s is no longer current; build "
		                  "again with --base=current",
		                  args->base);
	name_given_files(args, err->msg, &text);
	if (text.len > 0 &&
	    sfs_buf_finish(&text, "message", &unwanted) == SFS_OK)
		(void)sfs_err_set(err, err->rc, "%s", text.data);
	sfs_buf_release(&text);
}

/* The reason alone is not said here: it follows. */
static bool is_reason(const struct sfs_buf *errors, const struct sfs_err *why)
{
	size_t len = strlen(why->msg);

	return why->rc != SFS_E_CORRUPT && errors->len == len + 1 &&
	       memcmp(errors->data, why->msg, len) == 0;
}

static void print_errors(const struct sfs_ctl_args *args, struct sfs_build *b,
                         const struct sfs_err *why)
{
	struct sfs_buf errors = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_err unwanted;

	sfs_build_print_errors(b, &errors);
	if (errors.len > 0 && !is_reason(&errors, why) &&
	    sfs_buf_finish(&errors, "errors", &unwanted) == SFS_OK)
		name_given_files(args, errors.data, &text);
	if (text.len > 0)
		(void)fwrite(text.data, 1, text.len, stderr);
	sfs_buf_release(&errors);
	sfs_buf_release(&text);
}

/* All that stands in errors, then the reason. */
static int tell_refused(const struct sfs_ctl_args *args, struct sfs_build *b,
                        struct sfs_err *why)
{
	struct sfs_err once;

	print_errors(args, b, why);
	sfs_ctl_speak_of_options(args, why);
	if (why->rc == SFS_E_CORRUPT)
		(void)sfs_err_set(&once, why->rc,
		                  "the build was refused; nothing was "
		                  "published");
	return sfs_ctl_fail_or_conflict(why->rc == SFS_E_CORRUPT ? &once : why);
}

int sfs_ctl_publish_build(const struct sfs_ctl_args *args,
                          struct sfs_ctl_work *w, struct sfs_build *b)
{
	struct sfs_call call = { 0, &w->cancel };
	struct sfs_build_progress p;
	struct sfs_snapshot_id id;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_build_settle(b, &call, &err);
	sfs_build_get_progress(b, &p);
	if (rc == SFS_OK)
		rc = sfs_build_publish(b, &id, &call, &err);
	return rc == SFS_OK ? tell_published(args, &id, &p)
	                    : tell_refused(args, b, &err);
}
