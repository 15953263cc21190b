/* SPDX-License-Identifier: Apache-2.0 */
/* What staging/NAME/status, errors and plan.json show. */
#include "build/engine_internal.h"

#include "base/clock.h"
#include "base/debugstep.h"
#include "base/json.h"

#include <inttypes.h>
#include <string.h>

static const char *state_locked(const struct sfs_engine *e,
                                const struct sfs_build_progress *p)
{
	if (sfs_engine_has_problems_locked(e))
		return "refused";
	if (e->is_settling)
		return "settling";
	if (p->bytes_parsed < p->bytes || e->slices > 0)
		return "reading";
	if (p->files_open > 0)
		return "open";
	return e->needs_settle ? "waiting" : "settled";
}

void sfs_engine_get_progress(struct sfs_engine *e, struct sfs_build_progress *p)
{
	*p = (struct sfs_build_progress){ 0 };
	pthread_mutex_lock(&e->lock);
	for (const struct sfs_source *s = e->sources; s != NULL; s = s->next) {
		p->records += s->records;
		p->bad_records += s->bad;
		p->bytes += s->size;
		p->bytes_parsed += s->fed < s->size ? s->fed : s->size;
		p->files++;
		p->files_open += s->is_open;
	}
	if (e->busy_ms > e->started_ms && e->started_ms > 0)
		p->ms = e->busy_ms - e->started_ms;
	p->sealed = e->sealed;
	p->to_seal = e->to_seal;
	(void)snprintf(p->run_id, sizeof(p->run_id), "%s", e->run_id);
	p->state = state_locked(e, p);
	pthread_mutex_unlock(&e->lock);
}

static uint64_t rate(uint64_t count, uint64_t ms)
{
	return ms > 0 ? (uint64_t)((double)count * 1000.0 / (double)ms) : 0;
}

/* Seconds until what was written so far is parsed; 0: it is. */
static uint64_t eta(const struct sfs_build_progress *p)
{
	uint64_t speed = rate(p->bytes_parsed, p->ms);

	return speed > 0 ? (p->bytes - p->bytes_parsed) / speed : 0;
}

/* --- how keys are routed -------------------------------------------------- */

/* As far as it is known now; of the settings before it is. */
struct routing {
	const char *text;
	struct sfs_buf columns; /* "region: string, tier: int"; may be empty */
	uint64_t values;        /* 0: none, or not known yet */
	uint32_t num_dbs;       /* 0: not known yet */
};

static void print_columns(const struct sfs_placement *p, struct sfs_buf *out)
{
	const struct sfs_sharding *s = &p->sharding;

	for (size_t i = 0; i < s->column_count; i++)
		sfs_buf_printf(out, "%s%s: %s", i > 0 ? ", " : "",
		               s->columns[i].name,
		               sfs_column_kind_text(s->columns[i].kind));
}

/* Release the columns. */
static void get_routing(struct sfs_engine *e, struct routing *out)
{
	const struct sfs_placement *p;

	*out = (struct routing){ .columns = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES) };
	sfs_buf_puts(&out->columns, "");
	pthread_mutex_lock(&e->lock);
	p = e->placement != NULL ? e->placement : e->config.placement;
	out->text = sfs_placement_text(p);
	out->num_dbs = e->router.num_dbs;
	if (p != NULL) {
		out->values = p->sharding.token_count;
		print_columns(p, &out->columns);
	}
	pthread_mutex_unlock(&e->lock);
}

static const char *columns_text(const struct routing *r)
{
	return r->columns.failed == SFS_OK && r->columns.data != NULL
	               ? r->columns.data
	               : "";
}

static void print_routing_json(struct sfs_engine *e, struct sfs_json_printer *j)
{
	struct routing r;

	get_routing(e, &r);
	sfs_json_key(j, "routing");
	sfs_json_cstring(j, r.text);
	sfs_json_key(j, "routing_columns");
	sfs_json_cstring(j, columns_text(&r));
	sfs_json_key(j, "routing_values");
	sfs_json_uint(j, r.values);
	sfs_buf_release(&r.columns);
}

static void print_routing(struct sfs_engine *e, struct sfs_buf *out)
{
	struct routing r;

	get_routing(e, &r);
	sfs_buf_printf(out, "routing: %s\n", r.text);
	sfs_buf_printf(out, "columns: %s\n", columns_text(&r));
	sfs_buf_printf(out, "routing_values: %" PRIu64 "\n", r.values);
	sfs_buf_printf(out, "num_dbs: %" PRIu32 "\n", r.num_dbs);
	sfs_buf_release(&r.columns);
}

void sfs_engine_print_status(struct sfs_engine *e, struct sfs_buf *out)
{
	struct sfs_build_progress p;

	sfs_engine_freshen(e);
	sfs_engine_get_progress(e, &p);
	sfs_buf_printf(out, "state: %s\n", p.state);
	sfs_buf_printf(out, "ingest_files: %u\n", p.files);
	sfs_buf_printf(out, "ingest_files_open: %u\n", p.files_open);
	sfs_buf_printf(out, "ingest_bytes: %" PRIu64 "\n", p.bytes);
	sfs_buf_printf(out, "ingest_bytes_parsed: %" PRIu64 "\n",
	               p.bytes_parsed);
	sfs_buf_printf(out, "records: %" PRIu64 "\n", p.records);
	sfs_buf_printf(out, "bad_records: %" PRIu64 "\n", p.bad_records);
	sfs_buf_printf(out, "records_per_second: %" PRIu64 "\n",
	               rate(p.records, p.ms));
	sfs_buf_printf(out, "bytes_per_second: %" PRIu64 "\n",
	               rate(p.bytes_parsed, p.ms));
	sfs_buf_printf(out, "shards_sealed: %" PRIu32 "\n", p.sealed);
	sfs_buf_printf(out, "shards_to_seal: %" PRIu32 "\n", p.to_seal);
	sfs_buf_printf(out, "eta_seconds: %" PRIu64 "\n", eta(&p));
	print_routing(e, out);
	sfs_buf_printf(out, "run_id: %s\n", p.run_id);
}

void sfs_engine_print_json(struct sfs_engine *e, struct sfs_buf *out)
{
	struct sfs_json_printer j;
	struct sfs_build_progress p;

	sfs_engine_freshen(e);
	sfs_engine_get_progress(e, &p);
	sfs_json_printer_init(&j, out, true, true);
	sfs_json_object_begin(&j);
	sfs_json_key(&j, "bad_records");
	sfs_json_uint(&j, p.bad_records);
	sfs_json_key(&j, "eta_seconds");
	sfs_json_uint(&j, eta(&p));
	sfs_json_key(&j, "ingest_bytes");
	sfs_json_uint(&j, p.bytes);
	sfs_json_key(&j, "ingest_bytes_parsed");
	sfs_json_uint(&j, p.bytes_parsed);
	sfs_json_key(&j, "name");
	sfs_json_string(&j, e->name, strlen(e->name));
	sfs_json_key(&j, "records");
	sfs_json_uint(&j, p.records);
	print_routing_json(e, &j);
	sfs_json_key(&j, "run_id");
	sfs_json_cstring(&j, p.run_id[0] != '\0' ? p.run_id : NULL);
	sfs_json_key(&j, "shards_sealed");
	sfs_json_uint(&j, p.sealed);
	sfs_json_key(&j, "shards_to_seal");
	sfs_json_uint(&j, p.to_seal);
	sfs_json_key(&j, "state");
	sfs_json_cstring(&j, p.state);
	sfs_json_object_end(&j);
}

const char *sfs_source_fault_text(const struct sfs_source *s)
{
	if (s->format == SFS_INGEST_INVALID)
		return "the name tells no format; it ends in .jsonl, .csv, "
		       ".tsv or .kv, and .gz or .zst";
	if (s->is_incomplete)
		return "incomplete: its writer ended without closing it; "
		       "write it again or remove it";
	return NULL;
}

void sfs_engine_print_errors(struct sfs_engine *e, struct sfs_buf *out)
{
	const char *text;

	sfs_engine_freshen(e);
	pthread_mutex_lock(&e->lock);
	for (const struct sfs_source *s = e->sources; s != NULL; s = s->next) {
		text = sfs_source_fault_text(s);
		if (text != NULL)
			sfs_buf_printf(out, "ingest/%s: %s\n", s->name, text);
		if (s->problems.len > 0)
			sfs_buf_add(out, s->problems.data, s->problems.len);
		if (s->bad > SFS_ENGINE_PROBLEMS_PER_FILE)
			sfs_buf_printf(
				out,
				"ingest/%s: %" PRIu64 " more bad records\n",
				s->name, s->bad - SFS_ENGINE_PROBLEMS_PER_FILE);
		if (s->fault.rc != SFS_OK)
			sfs_buf_printf(out, "ingest/%s: %s\n", s->name,
			               s->fault.msg);
	}
	if (e->fault.rc != SFS_OK)
		sfs_buf_printf(out, "%s\n", e->fault.msg);
	if (e->problems.len > 0)
		sfs_buf_add(out, e->problems.data, e->problems.len);
	if (e->refusal.rc != SFS_OK)
		sfs_buf_printf(out, "%s\n", e->refusal.msg);
	pthread_mutex_unlock(&e->lock);
}

/* --- the plan ------------------------------------------------------------ */

struct plan {
	struct sfs_merge_counts counts;
	struct sfs_snapshot_id current; /* what publishing would supersede */
	bool has_current;
	uint32_t touched;
	uint32_t linked;
	uint32_t empty;
};

static void add_shard(struct plan *plan, const struct sfs_engine *e,
                      uint32_t db_id, const struct sfs_merge_counts *c)
{
	enum sfs_shard_state state = sfs_engine_state_for(e, db_id, c);

	plan->counts.adds += c->adds;
	plan->counts.changes += c->changes;
	plan->counts.deletes += c->deletes;
	if (sfs_merge_changes_nothing(c)) {
		plan->linked += state == SFS_SHARD_LINKED;
		plan->empty += state == SFS_SHARD_EMPTY;
		return;
	}
	plan->touched++;
	plan->counts.rows += c->rows;
	plan->counts.value_bytes += c->value_bytes;
}

/* Merges what is stale, and takes what is known of the rest. */
static enum sfs_rc make_plan(struct sfs_engine *e, struct plan *plan,
                             const struct sfs_call *call, struct sfs_err *err)
{
	uint8_t *memory = sfs_slabs_get(e->context.slabs);
	struct sfs_merge_counts counts;
	enum sfs_rc rc = SFS_OK;

	for (uint32_t i = 0; rc == SFS_OK && i < e->num_dbs; i++) {
		struct sfs_shard *s = &e->shards[i];

		counts = s->counts;
		if (!s->is_touched)
			counts = (struct sfs_merge_counts){ 0 };
		else if (s->state == SFS_SHARD_STALE)
			rc = sfs_engine_measure_shard(e, i, memory, &counts,
			                              call, err);
		if (rc == SFS_OK)
			add_shard(plan, e, i, &counts);
		if (rc == SFS_OK && s->is_touched)
			rc = sfs_engine_check(e, call, err);
	}
	sfs_slabs_put(e->context.slabs, memory);
	return rc == SFS_OK ? sfs_debug_step("build.plan", err) : rc;
}

static enum sfs_rc find_current(struct sfs_engine *e, struct plan *plan,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_catalog *catalog = e->context.catalog;
	struct sfs_pointer pointer = { 0 };
	enum sfs_rc rc;

	rc = catalog->ops->current(catalog, &pointer, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return SFS_OK;
	if (rc != SFS_OK)
		return rc;
	rc = sfs_snapshot_id_from_ref(pointer.current->manifest_ref,
	                              &plan->current, err);
	sfs_pointer_release(&pointer);
	plan->has_current = rc == SFS_OK;
	return rc;
}

static void print_id(struct sfs_json_printer *j, const char *name, bool is_any,
                     const struct sfs_snapshot_id *id)
{
	char text[SFS_SNAPSHOT_ID_BYTES];

	sfs_json_key(j, name);
	if (is_any)
		sfs_snapshot_id_text(id, text);
	sfs_json_cstring(j, is_any ? text : NULL);
}

static void print_plan(struct sfs_engine *e, const struct plan *plan,
                       struct sfs_buf *out)
{
	struct sfs_json_printer j;

	sfs_json_printer_init(&j, out, true, true);
	sfs_json_object_begin(&j);
	sfs_json_key(&j, "adds");
	sfs_json_uint(&j, plan->counts.adds);
	print_id(&j, "base", e->has_base, &e->base_id);
	sfs_json_key(&j, "changes");
	sfs_json_uint(&j, plan->counts.changes);
	sfs_json_key(&j, "deletes");
	sfs_json_uint(&j, plan->counts.deletes);
	sfs_json_key(&j, "num_dbs");
	sfs_json_uint(&j, e->num_dbs);
	print_routing_json(e, &j);
	sfs_json_key(&j, "rows_in_touched_shards");
	sfs_json_uint(&j, plan->counts.rows);
	sfs_json_key(&j, "shards_empty");
	sfs_json_uint(&j, plan->empty);
	sfs_json_key(&j, "shards_linked");
	sfs_json_uint(&j, plan->linked);
	sfs_json_key(&j, "shards_touched");
	sfs_json_uint(&j, plan->touched);
	print_id(&j, "supersedes", plan->has_current, &plan->current);
	sfs_json_key(&j, "value_bytes_in_touched_shards");
	sfs_json_uint(&j, plan->counts.value_bytes);
	sfs_json_object_end(&j);
	sfs_buf_putc(out, '\n');
}

enum sfs_rc sfs_engine_print_plan(struct sfs_engine *e, struct sfs_buf *out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct plan plan = { 0 };
	enum sfs_rc rc = sfs_engine_work_begin(e, call, err);

	if (rc != SFS_OK)
		return rc;
	rc = sfs_engine_prepare(e, false, call, err);
	if (rc == SFS_OK)
		rc = sfs_engine_read_keys(e, call, err);
	if (rc == SFS_OK)
		rc = make_plan(e, &plan, call, err);
	if (rc == SFS_OK)
		rc = find_current(e, &plan, call, err);
	if (rc == SFS_OK)
		print_plan(e, &plan, out);
	sfs_runs_free(e->overlay);
	e->overlay = NULL;
	pthread_mutex_lock(&e->lock);
	e->is_building = false;
	pthread_mutex_unlock(&e->lock);
	sfs_engine_work_end(e);
	return rc;
}
