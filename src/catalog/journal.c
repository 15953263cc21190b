/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of what was done to a store. An object is never changed, so an
 * event that finds its name taken by another one moves on by a microsecond.
 */
#include "catalog/journal.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "catalog/author.h"
#include "format/names.h"

#include <string.h>

enum { EVENT_MAX_BYTES = 1 << 20, NAME_TRIES = 1000 };

static bool is_ours(const char *name)
{
	static const char *const ours[] = { "event", "host", "pid", "when",
		                            "who" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strcmp(name, ours[i]) == 0)
			return true;
	}
	return false;
}

/* Copies the members of a JSON object, but those that are the log's own. */
static enum sfs_rc add_details(struct sfs_json_printer *p, const char *json,
                               struct sfs_err *err)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	const char *raw;
	size_t len;
	enum sfs_rc rc;

	sfs_json_reader_init(&r, json, strlen(json));
	rc = sfs_json_next(&r, &t, err);
	if (rc == SFS_OK && t.type != SFS_JSON_OBJECT_BEGIN)
		rc = sfs_err_set(err, SFS_E_INVALID, "not a JSON object");
	while (rc == SFS_OK && (rc = sfs_json_next(&r, &t, err)) == SFS_OK &&
	       t.type == SFS_JSON_KEY) {
		bool is_wanted = !is_ours(t.text);

		if (is_wanted)
			sfs_json_key(p, t.text);
		rc = sfs_json_skip(&r, &raw, &len, err);
		if (rc == SFS_OK && is_wanted)
			sfs_json_raw(p, raw, len);
	}
	if (rc == SFS_OK)
		rc = sfs_json_next(&r, &t, err);
	sfs_json_reader_release(&r);
	if (rc == SFS_E_CORRUPT)
		rc = sfs_err_set(err, SFS_E_INVALID, "not a JSON object");
	return rc;
}

/* *head_out is the length of what tells one event from another. */
static enum sfs_rc print(const char *event, const char *details, int64_t now,
                         struct sfs_buf *out, size_t *head_out,
                         struct sfs_err *err)
{
	struct sfs_json_printer p;
	struct sfs_author author;
	char when[SFS_TIME_BYTES];
	enum sfs_rc rc;

	sfs_author_get(&author);
	sfs_timestamp_format(now, when);
	sfs_json_printer_init(&p, out, false, true);
	sfs_json_object_begin(&p);
	rc = add_details(&p, details, err);
	sfs_json_key(&p, "event");
	sfs_json_cstring(&p, event);
	*head_out = out->len;
	sfs_json_key(&p, "host");
	sfs_json_cstring(&p, author.host);
	sfs_json_key(&p, "pid");
	sfs_json_int(&p, author.pid);
	sfs_json_key(&p, "when");
	sfs_json_cstring(&p, when);
	sfs_json_key(&p, "who");
	sfs_json_cstring(&p, author.who);
	sfs_json_object_end(&p);
	if (rc == SFS_OK)
		rc = sfs_buf_finish(out, "log entry", err);
	return rc;
}

/* OK: what lies there is the same event, whoever logged it; else CONFLICT. */
static enum sfs_rc find_same(struct sfs_store *store, const char *key,
                             const struct sfs_buf *text, size_t head,
                             const struct sfs_call *call, struct sfs_err *err)
{
	char *data = NULL;
	size_t len = 0;
	bool is_same;
	enum sfs_rc rc;

	rc = sfs_store_get(store, key, EVENT_MAX_BYTES, &data, &len, NULL, call,
	                   err);
	is_same = rc == SFS_OK && len >= head &&
	          memcmp(data, text->data, head) == 0;
	sfs_free(data);
	if (rc != SFS_OK && rc != SFS_E_NOT_FOUND && rc != SFS_E_TOO_BIG)
		return rc;
	if (is_same)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_CONFLICT, "%s is another event", key);
}

enum sfs_rc sfs_journal_add(struct sfs_store *store, const char *event,
                            int64_t at_ns, const char *details_json,
                            const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(EVENT_MAX_BYTES);
	int64_t now = at_ns != 0 ? at_ns : sfs_clock_wall_ns();
	size_t head = 0;
	char key[SFS_STORE_KEY_MAX];
	char when[SFS_TIME_BYTES];
	enum sfs_rc rc;

	if (!sfs_run_id_is_valid(event, strlen(event)))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "\"%.64s\" is no name for an event", event);
	rc = print(event, details_json, now, &text, &head, err);
	if (rc != SFS_OK)
		goto out;
	for (int i = 0; i < NAME_TRIES; i++) {
		sfs_time_format(now + i * INT64_C(1000), when);
		(void)snprintf(key, sizeof(key),
		               SFS_JOURNAL_PREFIX "%s_%s.json", when, event);
		rc = store->ops->put_if(store, key, text.data, text.len, NULL,
		                        NULL, call, err);
		if (rc == SFS_E_CONFLICT && at_ns != 0)
			rc = find_same(store, key, &text, head, call, err);
		if (rc != SFS_E_CONFLICT)
			break;
	}
out:
	sfs_buf_release(&text);
	return rc;
}
