/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing, by published vectors and by every key of every golden snapshot:
 * a key that is looked for in the wrong shard is silently lost.
 */
#include "base/json.h"
#include "format/current.h"
#include "format/manifest.h"
#include "format/router.h"
#include "unit/tap.h"
#include "unit/testdata.h"

/* A number of shards so large that the remainder tells the hash. */
static const uint32_t MANY = 1000003;

static void expect_route(enum sfs_key_encoding encoding, const char *key,
                         size_t len, uint64_t hash)
{
	static const uint32_t counts[] = { 1, 2, 3, 8, 1000 };
	struct sfs_bytes bytes = { (const uint8_t *)key, len };
	struct sfs_router r;
	size_t i;

	sfs_router_init_hash(&r, encoding, MANY);
	IS_INT(sfs_router_hash(&r, bytes), hash % MANY);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		r.num_dbs = counts[i];
		IS_INT(sfs_router_hash(&r, bytes), hash % counts[i]);
	}
}

static void integers_hash_little_endian(void)
{
	expect_route(SFS_KEY_U64BE, "\0\0\0\0\0\0\0\0", 8,
	             UINT64_C(14374147212387527897));
	expect_route(SFS_KEY_U64BE, "\0\0\0\0\0\0\0\x2a", 8,
	             UINT64_C(15395265915043915720));
	expect_route(SFS_KEY_U64BE, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8,
	             UINT64_C(11687913294787043142));
}

static void u32be_hashes_as_the_same_integer_in_u64be(void)
{
	expect_route(SFS_KEY_U32BE, "\0\0\0\0", 4,
	             UINT64_C(14374147212387527897));
	expect_route(SFS_KEY_U32BE, "\0\0\0\x2a", 4,
	             UINT64_C(15395265915043915720));
}

static void texts_and_bytes_hash_as_they_are(void)
{
	expect_route(SFS_KEY_UTF8, "", 0, UINT64_C(3244421341483603138));
	expect_route(SFS_KEY_UTF8, NULL, 0, UINT64_C(3244421341483603138));
	expect_route(SFS_KEY_UTF8, "hello", 5, UINT64_C(10760762337991515389));
	expect_route(SFS_KEY_UTF8, "us-west:3", 9,
	             UINT64_C(10205495391576723513));
	expect_route(SFS_KEY_RAW, "a\0b", 3, UINT64_C(15393423168975819601));
}

static void a_strategy_is_needed(void)
{
	struct sfs_sharding s = { .strategy = SFS_STRATEGY_INVALID };
	struct sfs_router r;
	struct sfs_err err;

	IS_INT(sfs_router_init(&r, &s, SFS_KEY_U64BE, 3, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "no sharding strategy");
	s.strategy = SFS_STRATEGY_HASH;
	IS_INT(sfs_router_init(&r, &s, SFS_KEY_U64BE, 3, &err), SFS_OK);
	IS_INT(r.num_dbs, 3);
	sfs_router_release(&r);
}

/* One line of expected.jsonl. */
struct line {
	uint8_t key[8192];
	size_t key_len;
	int64_t db_id;
	bool has_key;
};

static void take_hex(struct line *line, const struct sfs_json_token *t)
{
	unsigned byte;
	size_t i;

	for (i = 0; i + 1 < t->len && i / 2 < sizeof(line->key); i += 2) {
		if (sscanf(t->text + i, "%2x", &byte) != 1)
			return;
		line->key[i / 2] = (uint8_t)byte;
	}
	line->key_len = t->len / 2;
	line->has_key = i == t->len;
}

static bool read_line(const char *text, size_t len, struct line *line)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	char name[16];
	bool is_ok;

	line->has_key = false;
	line->db_id = -1;
	sfs_json_reader_init(&r, text, len);
	is_ok = sfs_json_next(&r, &t, NULL) == SFS_OK;
	while (is_ok && t.type != SFS_JSON_END) {
		is_ok = sfs_json_next(&r, &t, NULL) == SFS_OK;
		if (!is_ok || t.type != SFS_JSON_KEY)
			continue;
		(void)snprintf(name, sizeof(name), "%s", t.text);
		is_ok = sfs_json_next(&r, &t, NULL) == SFS_OK;
		if (is_ok && strcmp(name, "key_hex") == 0)
			take_hex(line, &t);
		else if (is_ok && strcmp(name, "db_id") == 0)
			line->db_id = t.integer;
	}
	sfs_json_reader_release(&r);
	return is_ok && line->has_key;
}

static void check_name(enum sfs_key_encoding encoding, struct sfs_bytes key)
{
	static char name[4 * sizeof(((struct line *)NULL)->key)];
	static uint8_t again[sizeof(name)];
	size_t name_len;
	size_t len;

	if (sfs_key_to_name(encoding, key, name, sizeof(name), &name_len) !=
	            SFS_OK ||
	    !sfs_key_from_name(encoding, name, name_len, again, &len) ||
	    len != key.len || (len > 0 && memcmp(again, key.data, len) != 0))
		TAP_FAIL("a key of %zu bytes lost its name", key.len);
}

/* The keys of one JSON Lines file; their number. */
static int check_file(const char *name, const struct sfs_router *r)
{
	static struct line line;
	struct testdata d = testdata_read(name);
	struct sfs_bytes key;
	char *text = d.bytes;
	char *end;
	int keys = 0;

	for (; text != NULL && *text != '\0'; text = end + 1) {
		end = strchr(text, '\n');
		if (end == NULL)
			break;
		if (!read_line(text, (size_t)(end - text), &line)) {
			TAP_FAIL("%s: a line cannot be read", name);
			break;
		}
		key = (struct sfs_bytes){ line.key, line.key_len };
		if (sfs_router_hash(r, key) != line.db_id)
			TAP_FAIL("%s: key %d goes to %u, not %d", name, keys,
			         sfs_router_hash(r, key), (int)line.db_id);
		check_name(r->encoding, key);
		keys++;
	}
	free(d.bytes);
	return keys;
}

struct walk {
	const char *store;
	char current_run[SFS_RUN_ID_BYTES];
	int keys;
};

static void check_manifest(void *arg, const char *dir)
{
	char path[TESTDATA_PATH_BYTES + sizeof("/manifest")];
	struct walk *walk = arg;
	struct sfs_manifest *m = NULL;
	struct sfs_err err = { 0 };
	struct sfs_router r;
	struct testdata d;

	(void)snprintf(path, sizeof(path), "%s/manifest", dir);
	d = testdata_read(path);
	if (sfs_manifest_parse(d.bytes, d.len, &m, &err) != SFS_OK) {
		TAP_FAIL("%s: %s", path, err.msg);
		goto out;
	}
	if (m->routing.strategy != SFS_STRATEGY_HASH)
		goto out;
	sfs_router_init_hash(&r, m->key_encoding, m->num_dbs);
	(void)snprintf(path, sizeof(path), "%s/expected_%s.jsonl", walk->store,
	               m->run_id);
	walk->keys += check_file(path, &r);
	if (strcmp(m->run_id, walk->current_run) != 0)
		goto out;
	(void)snprintf(path, sizeof(path), "%s/expected.jsonl", walk->store);
	walk->keys += check_file(path, &r);
	(void)snprintf(path, sizeof(path), "%s/missing.jsonl", walk->store);
	(void)check_file(path, &r);
out:
	sfs_manifest_free(m);
	free(d.bytes);
}

static void check_store(void *arg, const char *store)
{
	char path[TESTDATA_PATH_BYTES];
	struct walk walk = { .store = store };
	struct sfs_current current;
	struct testdata d;
	int *keys = arg;

	(void)snprintf(path, sizeof(path), "%s/tree/_CURRENT", store);
	d = testdata_read(path);
	if (d.bytes == NULL)
		return;
	IS_INT(sfs_current_parse(d.bytes, d.len, &current, NULL), SFS_OK);
	free(d.bytes);
	memcpy(walk.current_run, current.run_id, sizeof(walk.current_run));
	(void)snprintf(path, sizeof(path), "%s/tree/manifests", store);
	OK(testdata_each(path, check_manifest, &walk) > 0);
	if (strstr(store, "/hash-") != NULL && walk.keys == 0)
		TAP_FAIL("%s: no key was checked", store);
	*keys += walk.keys;
}

static void every_golden_key_is_found_in_its_shard(void)
{
	int keys = 0;

	OK(testdata_each("golden", check_store, &keys) > 0);
	OK(keys > 2000);
}

int main(void)
{
	RUN(integers_hash_little_endian);
	RUN(u32be_hashes_as_the_same_integer_in_u64be);
	RUN(texts_and_bytes_hash_as_they_are);
	RUN(a_strategy_is_needed);
	RUN(every_golden_key_is_found_in_its_shard);
	return tap_done();
}
