/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying a snapshot, a line for each fault as it is found. Lines come from
 * several threads and are written whole.
 */
#include "cli/ctl.h"

#include "snapshot/verify.h"

#include <pthread.h>

struct output {
	pthread_mutex_t lock;
	bool is_json;
	enum sfs_rc rc; /* of writing; protected by lock, as all below */
	struct sfs_err err;
	uint64_t undigested;
};

static void write_line(struct output *o, struct sfs_buf *line)
{
	sfs_buf_putc(line, '\n');
	(void)pthread_mutex_lock(&o->lock);
	if (o->rc == SFS_OK)
		o->rc = sfs_buf_finish(line, "the answer", &o->err);
	if (o->rc == SFS_OK)
		o->rc = sfs_ctl_write(line->data, line->len, &o->err);
	(void)pthread_mutex_unlock(&o->lock);
	sfs_buf_release(line);
}

static void add_fault(void *arg, const struct sfs_verify_fault *fault)
{
	struct sfs_buf line = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct output *o = arg;
	struct sfs_json_printer p;

	if (o->is_json) {
		sfs_json_printer_init(&p, &line, true, true);
		sfs_json_object_begin(&p);
		sfs_json_key(&p, "shard");
		sfs_json_uint(&p, fault->db_id);
		sfs_json_key(&p, "error");
		sfs_json_cstring(&p, fault->type);
		sfs_json_key(&p, "message");
		sfs_json_cstring(&p, fault->message);
		sfs_json_object_end(&p);
	} else {
		sfs_buf_printf(&line, "shard %u: %s: %s", fault->db_id,
		               fault->type, fault->message);
	}
	write_line(o, &line);
}

static void add_shard(void *arg, const struct sfs_verify_shard *shard)
{
	struct sfs_buf line = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct output *o = arg;

	if (shard->is_empty || shard->has_digest)
		return;
	(void)pthread_mutex_lock(&o->lock);
	o->undigested++;
	(void)pthread_mutex_unlock(&o->lock);
	if (o->is_json)
		return; /* the sum says it */
	sfs_buf_printf(&line, "shard %u: no digest in the manifest",
	               shard->db_id);
	write_line(o, &line);
}

/* Of what cannot be checked nobody shall think that it was. */
static void add_routing(struct output *o)
{
	struct sfs_buf line = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);

	if (o->is_json)
		return; /* the sum says it */
	sfs_buf_puts(&line, "routing is not checked: it needs columns, which "
	                    "shards do not keep");
	write_line(o, &line);
}

static void add_sum(struct output *o, const char *snapshot,
                    const struct sfs_verify_result *r)
{
	const struct {
		const char *name;
		uint64_t value;
	} facts[] = {
		{ "shards", r->shards },
		{ "digests", r->digests },
		{ "rows", r->rows },
		{ "bytes", r->bytes },
		{ "faults", r->faults },
		{ "unknown", r->unknown },
		{ "no_digest", o->undigested },
	};
	struct sfs_buf line = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_json_printer p;

	sfs_json_printer_init(&p, &line, true, true);
	if (o->is_json) {
		sfs_json_object_begin(&p);
		sfs_json_key(&p, "snapshot");
		sfs_json_cstring(&p, snapshot);
	} else {
		sfs_buf_printf(&line, "%s:", snapshot);
	}
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		if (!o->is_json) {
			sfs_buf_printf(&line, "%s %s: %llu", i > 0 ? "," : "",
			               facts[i].name,
			               (unsigned long long)facts[i].value);
			continue;
		}
		sfs_json_key(&p, facts[i].name);
		sfs_json_uint(&p, facts[i].value);
	}
	if (o->is_json) {
		sfs_json_key(&p, "routing_checked");
		sfs_json_bool(&p, r->is_routing_checked);
		sfs_json_object_end(&p);
	}
	write_line(o, &line);
}

/* A fault that is proven is an answer, whatever else could not be read. */
static int status_of(const struct sfs_verify_result *r)
{
	if (r->faults > 0)
		return SFS_CTL_NO;
	return r->unknown > 0 ? SFS_CTL_FAULT : SFS_CTL_OK;
}

static int verify_snapshot(const struct sfs_ctl_args *args,
                           const struct sfs_ctl_target *t,
                           struct sfs_snapshot *snapshot)
{
	struct output o = { .is_json = args->json };
	struct sfs_verify_config config = { .threads = args->threads,
		                            .fault = add_fault,
		                            .shard = add_shard,
		                            .arg = &o };
	struct sfs_verify_result result;
	struct sfs_err err;
	enum sfs_rc rc;

	(void)pthread_mutex_init(&o.lock, NULL); /* cannot fail on Linux */
	rc = sfs_snapshot_verify(snapshot, t->stack.store, &config, &result,
	                         NULL, &err);
	if (rc == SFS_OK && !result.is_routing_checked)
		add_routing(&o);
	if (rc == SFS_OK)
		add_sum(&o, sfs_snapshot_text_id(snapshot), &result);
	(void)pthread_mutex_destroy(&o.lock);
	if (rc != SFS_OK)
		return sfs_ctl_fail(&err);
	return o.rc == SFS_OK ? status_of(&result) : sfs_ctl_fail(&o.err);
}

static int verify(const struct sfs_ctl_args *args,
                  const struct sfs_ctl_target *t)
{
	struct sfs_snapshot *snapshot = NULL;
	struct sfs_err err;
	int status;

	if (sfs_ctl_snapshot_open(t, args->snapshot, &snapshot, &err) != SFS_OK)
		return sfs_ctl_fail(&err);
	status = verify_snapshot(args, t, snapshot);
	sfs_snapshot_unref(snapshot);
	return status;
}

int sfs_ctl_verify(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_target(args, verify);
}
