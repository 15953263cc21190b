/* SPDX-License-Identifier: Apache-2.0 */
/* A pinned snapshot: what is refused at opening, lookups, cursors. */
#include "unit/golden.h"
#include "unit/world.h"

static struct world w;
static struct sfs_err err;
static struct sfs_snapshot_id id;

static void begin(const char *store)
{
	world_begin(&w, store);
	IS_INT(world_open_source(&w), SFS_OK);
	id = world_id(&w, 0);
}

static void end(void)
{
	world_close_end(&w);
}

static struct sfs_snapshot *open_it(void)
{
	struct sfs_snapshot *s = NULL;

	IS_INT(sfs_snapshot_open(&w.source, &id, NULL, &s, NULL, &err), SFS_OK);
	return s;
}

static enum sfs_rc open_ref(const char *ref)
{
	struct sfs_snapshot *s = NULL;
	enum sfs_rc rc;

	rc = sfs_snapshot_open(&w.source, &id, ref, &s, NULL, &err);
	sfs_snapshot_unref(s);
	return rc;
}

static void the_pointers_reference_must_lead_to_the_manifest(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	char ref[SFS_URL_BYTES];

	begin("losers");
	sfs_snapshot_id_manifest_key(&id, key);
	(void)snprintf(ref, sizeof(ref), "s3://golden/losers/%s", key);
	IS_INT(open_ref(ref), SFS_OK);
	(void)snprintf(ref, sizeof(ref), "%s/%s", w.store->url, key);
	IS_INT(open_ref(ref), SFS_OK);
	(void)snprintf(ref, sizeof(ref), "s3://golden/another/%s", key);
	IS_INT(open_ref(ref), SFS_E_CORRUPT);
	HAS_STR(err.msg, "_CURRENT: manifest_ref");
	(void)snprintf(ref, sizeof(ref), "s3://golden/losers/deeper/%s", key);
	IS_INT(open_ref(ref), SFS_E_CORRUPT);
	end();
}

static void a_manifest_of_another_run_is_refused(void)
{
	struct sfs_snapshot_id other;
	char key[SFS_MANIFEST_KEY_BYTES];
	char *data = NULL;
	size_t len = 0;

	begin("losers");
	sfs_snapshot_id_manifest_key(&id, key);
	IS_INT(sfs_store_get(w.store, key, 1 << 20, &data, &len, NULL, NULL,
	                     &err),
	       SFS_OK);
	other = world_new_id(id.published_at_ns, "another");
	sfs_snapshot_id_manifest_key(&other, key);
	world_put(&w, key, data, len);
	sfs_free(data);
	id = other;
	IS_INT(open_ref(NULL), SFS_E_CORRUPT);
	HAS_STR(err.msg, "the manifest is of run");
	end();
}

/* Makes a manifest with one db_url, and tries to open it. */
static enum sfs_rc open_with_url(const char *db_url)
{
	struct sfs_snapshot_id to =
		world_new_id(id.published_at_ns + 1000, "copy");
	struct sfs_snapshot_id from = id;
	struct sfs_manifest *m = NULL;
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_manifest copy;
	const char *old;
	void *data = NULL;
	size_t len = 0;
	enum sfs_rc rc;

	IS_INT(w.source.catalog->ops->load(w.source.catalog, &from, &m, NULL,
	                                   &err),
	       SFS_OK);
	copy = *m;
	copy.run_id = to.run_id;
	old = m->shards[1].db_url;
	m->shards[1].db_url = db_url;
	IS_INT(sfs_manifest_serialize(&copy, &data, &len, &err), SFS_OK);
	m->shards[1].db_url = old;
	sfs_snapshot_id_manifest_key(&to, key);
	world_put(&w, key, data, len);
	sfs_free(data);
	sfs_manifest_free(m);
	id = to;
	rc = open_ref(NULL);
	id = from;
	return rc;
}

static void shards_outside_the_store_are_refused(void)
{
	begin("losers");
	IS_INT(open_with_url("s3://golden/losers/shards/x"), SFS_OK);
	IS_INT(open_with_url("s3://golden/another/shards/x"), SFS_E_CORRUPT);
	HAS_STR(err.msg, "shard 1");
	IS_INT(open_with_url("s3://golden/losers/../x"), SFS_E_CORRUPT);
	IS_INT(open_with_url("/etc/passwd"), SFS_E_CORRUPT);
	end();
}

static void a_missing_manifest_is_not_found(void)
{
	begin("losers");
	id.published_at_ns += 1000;
	IS_INT(open_ref(NULL), SFS_E_NOT_FOUND);
	end();
}

static void keys_are_routed_found_and_read(void)
{
	struct golden golden = { 0 };
	struct sfs_pair_info info;
	struct sfs_snapshot *s;
	struct sfs_place place;
	uint8_t key[16];
	size_t key_len;
	struct sfs_query query = { .columns = NULL };
	struct sfs_hit hit;
	char buf[256];
	size_t got;

	begin("hash-u64be");
	golden_load(&golden, "hash-u64be", "expected");
	s = open_it();
	place.snapshot = s;
	for (size_t i = 0; i < golden.count; i += 11) {
		const struct golden_row *row = &golden.rows[i];

		query.key = row->key;
		IS_INT(sfs_snapshot_get(s, &query, &hit, NULL, &err), SFS_OK);
		OK(hit.found);
		place.db_id = hit.db_id;
		info = hit.info;
		IS_INT(place.db_id, row->db_id);
		IS_INT(info.value_size, row->value_len);
		place.locator = info.locator;
		IS_INT(sfs_snapshot_at(&place, &info, key, sizeof(key),
		                       &key_len, NULL, &err),
		       SFS_OK);
		OK(key_len == row->key.len &&
		   memcmp(key, row->key.data, key_len) == 0);
		if (row->value_len > sizeof(buf))
			continue;
		IS_INT(sfs_snapshot_read(&place, 0, buf, sizeof(buf), &got,
		                         NULL, &err),
		       SFS_OK);
		OK(golden_is_value(row, buf, got));
	}
	sfs_snapshot_unref(s);
	golden_free(&golden);
	end();
}

static void an_empty_shard_has_no_keys_and_no_places(void)
{
	uint8_t number[8] = { 0 };
	struct sfs_bytes key = { number, 8 };
	struct sfs_snapshot_cursor *c = NULL;
	struct sfs_place place = { 0 };
	struct sfs_pair_info info;
	struct sfs_snapshot *s;
	struct sfs_hit hit;
	size_t key_len;
	bool found = true;

	begin("hash-sparse");
	s = open_it();
	place.snapshot = s;
	while (sfs_snapshot_shard_prefix(s, place.db_id) != NULL)
		place.db_id++;
	while (sfs_router_hash(sfs_snapshot_router(s), key) != place.db_id)
		number[7]++;
	IS_INT(sfs_snapshot_get(s, &(struct sfs_query){ .key = key }, &hit,
	                        NULL, &err),
	       SFS_OK);
	OK(!hit.found);
	IS_INT(hit.db_id, place.db_id);
	IS_INT(sfs_snapshot_at(&place, &info, NULL, 0, &key_len, NULL, &err),
	       SFS_E_INVALID);
	IS_INT(sfs_snapshot_cursor_open(s, place.db_id, 0, &c, NULL, &err),
	       SFS_OK);
	found = true;
	IS_INT(sfs_snapshot_cursor_next(c, &found, &key, &info, NULL, &err),
	       SFS_OK);
	OK(!found);
	sfs_snapshot_cursor_close(c);
	sfs_snapshot_unref(s);
	end();
}

static void a_cursor_gives_its_last_row_once_more(void)
{
	struct sfs_snapshot_cursor *c = NULL;
	struct sfs_pair_info info;
	struct sfs_snapshot *s;
	struct sfs_bytes key;
	uint8_t first[8];
	bool found;

	begin("hash-u64be");
	s = open_it();
	IS_INT(sfs_snapshot_cursor_open(s, 0, 3, &c, NULL, &err), SFS_OK);
	sfs_snapshot_unref(s); /* the cursor keeps it */
	IS_INT(sfs_snapshot_cursor_next(c, &found, &key, &info, NULL, &err),
	       SFS_OK);
	OK(found && key.len == 8);
	memcpy(first, key.data, 8);
	sfs_snapshot_cursor_back(c);
	IS_INT(sfs_snapshot_cursor_next(c, &found, &key, &info, NULL, &err),
	       SFS_OK);
	OK(found && memcmp(first, key.data, 8) == 0);
	IS_INT(sfs_snapshot_cursor_next(c, &found, &key, &info, NULL, &err),
	       SFS_OK);
	OK(found && memcmp(first, key.data, 8) < 0);
	sfs_snapshot_cursor_close(c);
	end();
}

static void references_keep_a_snapshot_and_its_shards_open(void)
{
	uint8_t number[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };
	struct sfs_query query = { .key = { number, 8 } };
	struct sfs_snapshot *s;
	struct sfs_hit hit;

	begin("hash-u64be");
	s = open_it();
	OK(sfs_snapshot_ref(s) == s);
	sfs_snapshot_unref(s);
	IS_INT(sfs_snapshot_get(s, &query, &hit, NULL, &err), SFS_OK);
	/* the shard, and the pin of the manifest */
	IS_INT(sfs_store_fault_open_objects(w.store), 2);
	sfs_snapshot_unref(s);
	sfs_snapshot_unref(NULL);
	IS_INT(sfs_store_fault_open_objects(w.store), 0);
	end();
}

int main(void)
{
	RUN(the_pointers_reference_must_lead_to_the_manifest);
	RUN(a_manifest_of_another_run_is_refused);
	RUN(shards_outside_the_store_are_refused);
	RUN(a_missing_manifest_is_not_found);
	RUN(keys_are_routed_found_and_read);
	RUN(an_empty_shard_has_no_keys_and_no_places);
	RUN(a_cursor_gives_its_last_row_once_more);
	RUN(references_keep_a_snapshot_and_its_shards_open);
	return tap_done();
}
