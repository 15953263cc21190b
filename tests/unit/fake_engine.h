/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_FAKE_ENGINE_H
#define SFS_TESTS_FAKE_ENGINE_H

/*
 * An engine that builds nothing: it writes down what it is told and answers
 * what the test wants. It takes the place of the real one in the programs
 * that include this.
 */
#include "base/alloc.h"
#include "build/engine.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct sfs_engine {
	struct sfs_files *files;
	struct sfs_build_config config;
};

static struct {
	pthread_mutex_t lock;
	char log[8192]; /* what it was told, one a line */
	int engines;
	int discarded;
	int published;
	int configs;
	struct sfs_build_config config; /* the last one */
	enum sfs_rc publish_rc;
	enum sfs_rc settle_rc;
	enum sfs_rc discard_rc;
	enum sfs_rc wait_rc;
	enum sfs_rc recover_rc;
	bool is_published;    /* answer of recover */
	void (*during)(void); /* called by publish and settle */
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER };

SFS_PRINTF(1, 2) static void fake_note(const char *fmt, ...)
{
	va_list args;
	size_t len;

	pthread_mutex_lock(&fake.lock);
	len = strlen(fake.log);
	va_start(args, fmt);
	(void)vsnprintf(fake.log + len, sizeof(fake.log) - len, fmt, args);
	va_end(args);
	pthread_mutex_unlock(&fake.lock);
}

static inline const char *fake_told(void)
{
	static char copy[sizeof(fake.log)];

	pthread_mutex_lock(&fake.lock);
	memcpy(copy, fake.log, sizeof(copy));
	fake.log[0] = '\0';
	pthread_mutex_unlock(&fake.lock);
	return copy;
}

static inline void fake_reset(void)
{
	fake.log[0] = '\0';
	fake.discarded = 0;
	fake.published = 0;
	fake.configs = 0;
	fake.publish_rc = SFS_OK;
	fake.settle_rc = SFS_OK;
	fake.discard_rc = SFS_OK;
	fake.wait_rc = SFS_OK;
	fake.recover_rc = SFS_OK;
	fake.is_published = false;
	fake.during = NULL;
}

static enum sfs_rc fake_answer(enum sfs_rc rc, const char *what,
                               struct sfs_err *err)
{
	if (rc == SFS_OK)
		return SFS_OK;
	return sfs_err_set(err, rc, "the fake engine refuses: %s", what);
}

enum sfs_rc sfs_engine_new(const struct sfs_engine_context *context,
                           const char *name, struct sfs_files *files,
                           struct sfs_engine **out, struct sfs_err *err)
{
	struct sfs_engine *e = sfs_calloc(1, sizeof(*e));

	(void)context;
	(void)name;
	if (e == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	e->files = files;
	__atomic_add_fetch(&fake.engines, 1, __ATOMIC_SEQ_CST);
	*out = e;
	return SFS_OK;
}

void sfs_engine_clean(struct sfs_engine *e)
{
	(void)e;
}

void sfs_engine_free(struct sfs_engine *e)
{
	if (e != NULL)
		__atomic_sub_fetch(&fake.engines, 1, __ATOMIC_SEQ_CST);
	sfs_free(e);
}

enum sfs_rc sfs_engine_discard(struct sfs_engine *e, struct sfs_err *err)
{
	(void)e;
	fake.discarded++;
	return fake_answer(fake.discard_rc, "discard", err);
}

void sfs_engine_set_config(struct sfs_engine *e,
                           const struct sfs_build_config *config)
{
	e->config = *config;
	fake.config = *config;
	fake.configs++;
}

void sfs_engine_ingest_grew(struct sfs_engine *e, uint64_t seq, uint64_t size)
{
	(void)e;
	fake_note("grew %" PRIu64 " %" PRIu64 "\n", seq, size);
}

void sfs_engine_ingest_changed(struct sfs_engine *e, uint64_t seq)
{
	(void)e;
	fake_note("changed %" PRIu64 "\n", seq);
}

void sfs_engine_ingest_writers(struct sfs_engine *e, uint64_t seq, bool is_open)
{
	(void)e;
	fake_note("writers %" PRIu64 " %s\n", seq, is_open ? "yes" : "no");
}

void sfs_engine_ingest_listed(struct sfs_engine *e)
{
	(void)e;
	fake_note("listed\n");
}

enum sfs_rc sfs_engine_ingest_wait(struct sfs_engine *e, uint64_t seq,
                                   const struct sfs_call *call,
                                   struct sfs_err *err)
{
	(void)e;
	(void)call;
	fake_note("wait %" PRIu64 "\n", seq);
	return fake_answer(fake.wait_rc, "wait", err);
}

enum sfs_rc sfs_engine_settle(struct sfs_engine *e, const struct sfs_call *call,
                              struct sfs_err *err)
{
	(void)e;
	(void)call;
	if (fake.during != NULL)
		fake.during();
	return fake_answer(fake.settle_rc, "settle", err);
}

enum sfs_rc sfs_engine_publish(struct sfs_engine *e,
                               struct sfs_snapshot_id *id_out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	(void)e;
	(void)call;
	memset(id_out, 0, sizeof(*id_out));
	fake.published++;
	if (fake.during != NULL)
		fake.during();
	return fake_answer(fake.publish_rc, "publish", err);
}

enum sfs_rc sfs_engine_recover(struct sfs_engine *e, bool *is_published,
                               struct sfs_snapshot_id *id_out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	(void)e;
	(void)call;
	memset(id_out, 0, sizeof(*id_out));
	*is_published = fake.is_published;
	return fake_answer(fake.recover_rc, "recover", err);
}

void sfs_engine_get_progress(struct sfs_engine *e,
                             struct sfs_build_progress *out)
{
	(void)e;
	*out = (struct sfs_build_progress){ .state = "open" };
}

void sfs_engine_print_status(struct sfs_engine *e, struct sfs_buf *out)
{
	(void)e;
	sfs_buf_puts(out, "status\n");
}

void sfs_engine_print_errors(struct sfs_engine *e, struct sfs_buf *out)
{
	(void)e;
	sfs_buf_puts(out, "errors of the engine\n");
}

enum sfs_rc sfs_engine_print_plan(struct sfs_engine *e, struct sfs_buf *out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	(void)e;
	(void)call;
	(void)err;
	sfs_buf_puts(out, "{}\n");
	return SFS_OK;
}

void sfs_engine_print_json(struct sfs_engine *e, struct sfs_buf *out)
{
	(void)e;
	sfs_buf_puts(out, "{}");
}

#endif
