/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records go where readers look for them, however they are routed: a build by
 * the real engine, and its snapshot, asked with the same columns. Builds of
 * golden records are sharded as the golden stores are.
 */
#include "snapshot/verify.h"
#include "unit/golden_columns.h" /* before the globals of the other */

#include "unit/workshop.h"

#include <inttypes.h>

/* --- reading ------------------------------------------------------------------- */

static struct sfs_snapshot_source source;
static struct sfs_snapshot *snapshot;

static void open_snapshot(void)
{
	struct sfs_snapshot_id id;

	source = (struct sfs_snapshot_source){ .store = store,
		                               .catalog = catalog,
		                               .pool = sfs_shard_pool_new(64) };
	OK(shop_current_id(&id));
	if (sfs_snapshot_open(&source, &id, NULL, &snapshot, NULL, &err) !=
	    SFS_OK)
		TAP_FAIL("no snapshot: %s", err.msg);
}

static void close_snapshot(void)
{
	sfs_snapshot_unref(snapshot);
	snapshot = NULL;
	sfs_shard_pool_free(source.pool);
}

/* The only shard that has the key; or -1, and how many there are. */
static int shard_of(struct sfs_bytes key)
{
	const uint32_t num_dbs = sfs_snapshot_manifest(snapshot)->num_dbs;
	struct sfs_hit hit;
	int found = -1;

	for (uint32_t i = 0; i < num_dbs; i++) {
		IS_INT(sfs_snapshot_shard_get(snapshot, i, key, &hit, NULL,
		                              &err),
		       SFS_OK);
		if (hit.found && found >= 0)
			TAP_FAIL("a key is in shards %d and %d", found, (int)i);
		if (hit.found)
			found = (int)i;
	}
	return found;
}

static void note_fault(void *arg, const struct sfs_verify_fault *fault)
{
	(void)arg;
	TAP_FAIL("shard %d: %s: %s", (int)fault->db_id, fault->type,
	         fault->message);
}

static void verify_it(uint64_t rows)
{
	struct sfs_verify_config config = { .threads = 1, .fault = note_fault };
	struct sfs_verify_result result;

	IS_INT(sfs_snapshot_verify(snapshot, store, &config, &result, NULL,
	                           &err),
	       SFS_OK);
	IS_INT(result.faults, 0);
	IS_INT(result.unknown, 0);
	OK(result.rows == rows);
}

static const char *status(void)
{
	static char text[4096];
	struct sfs_buf out = SFS_BUF_INIT(sizeof(text) - 1);

	sfs_build_print_status(b, &out);
	(void)snprintf(text, sizeof(text), "%s", out.data);
	sfs_buf_release(&out);
	return text;
}

/* The sharding of what is current. */
static const char *sharding(void)
{
	static char text[1 << 16];
	struct sfs_manifest *m = manifest();

	(void)snprintf(text, sizeof(text), "%s", m != NULL ? m->sharding : "");
	sfs_manifest_free(m);
	return text;
}

/* --- golden stores ---------------------------------------------------------------- */

static struct sfs_manifest *golden_manifest(const char *name)
{
	char path[TESTDATA_PATH_BYTES];
	struct sfs_catalog *golden_catalog;
	struct sfs_pointer pointer = { 0 };
	struct sfs_store *golden_store;
	struct sfs_manifest *m = NULL;
	struct sfs_snapshot_id id;

	(void)snprintf(path, sizeof(path), "%s/golden/%s/tree",
	               getenv("SFS_TEST_DATA"), name);
	if (sfs_store_local_open(path, &golden_store, &err) != SFS_OK ||
	    sfs_catalog_object_open(golden_store, "runs", &golden_catalog,
	                            &err) != SFS_OK ||
	    golden_catalog->ops->current(golden_catalog, &pointer, NULL,
	                                 &err) != SFS_OK ||
	    sfs_snapshot_id_from_ref(pointer.current->manifest_ref, &id,
	                             &err) != SFS_OK ||
	    golden_catalog->ops->load(golden_catalog, &id, &m, NULL, &err) !=
	            SFS_OK) {
		printf("Bail out! golden %s: %s\n", name, err.msg);
		exit(1);
	}
	sfs_pointer_release(&pointer);
	golden_catalog->ops->close(golden_catalog);
	golden_store->ops->close(golden_store);
	return m;
}

static void print_columns(const struct sfs_sharding *s, struct sfs_buf *out)
{
	for (size_t i = 0; i < s->column_count; i++)
		sfs_buf_printf(out, "%s%s: %s", i > 0 ? ", " : "",
		               s->columns[i].name,
		               sfs_column_kind_text(s->columns[i].kind));
}

static void print_values(const struct sfs_sharding *s, struct sfs_buf *out)
{
	for (size_t i = 0; i < s->token_count; i++) {
		sfs_buf_puts(out, i > 0 ? ", " : "");
		if (s->tokens[i].kind == SFS_CEL_STRING)
			sfs_build_config_quote(out, s->tokens[i].as.text.data);
		else
			sfs_buf_printf(out, "%" PRId64,
			               s->tokens[i].as.integer);
	}
}

static void golden_config(const struct sfs_manifest *m, bool is_inferred,
                          struct sfs_buf *out)
{
	const struct sfs_sharding *s = &m->routing;

	sfs_buf_printf(out, "key_encoding: %s\ncel: ",
	               sfs_key_encoding_text(m->key_encoding));
	sfs_build_config_quote(out, s->expr.data);
	sfs_buf_puts(out, "\ncel_columns: {");
	print_columns(s, out);
	sfs_buf_puts(out, "}\n");
	if (is_inferred) {
		sfs_buf_puts(out, "routing_values: inferred\n");
	} else if (s->has_tokens) {
		sfs_buf_puts(out, "routing_values: [");
		print_values(s, out);
		sfs_buf_puts(out, "]\n");
	}
}

/* Without the key, which records have anyway. */
static bool has_columns(const struct golden_row *row)
{
	return row->context != NULL && strstr(row->context, "\"key\"") == NULL;
}

static void golden_record(const struct golden_row *row,
                          enum sfs_key_encoding encoding, struct sfs_buf *out)
{
	struct sfs_json_printer p;
	uint64_t number = 0;

	sfs_json_printer_init(&p, out, false, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "key");
	for (size_t i = 0; i < row->key.len; i++)
		number = number << 8 | row->key.data[i];
	if (encoding == SFS_KEY_UTF8)
		sfs_json_string(&p, (const char *)row->key.data, row->key.len);
	else
		sfs_json_uint(&p, number);
	sfs_json_key(&p, "value");
	sfs_json_cstring(&p, "v");
	if (has_columns(row)) {
		sfs_json_key(&p, "columns");
		sfs_json_raw(&p, row->context, strlen(row->context));
	}
	sfs_json_object_end(&p);
	sfs_buf_putc(out, '\n');
}

static void check_golden(const char *name, bool is_inferred)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_buf settings = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_manifest *m = golden_manifest(name);
	struct golden g = { 0 };

	golden_config(m, is_inferred, &settings);
	config(settings.data);
	golden_load(&g, name, "expected");
	OK(g.count > 100);
	for (size_t i = 0; i < g.count; i++)
		golden_record(&g.rows[i], m->key_encoding, &text);
	IS_INT(put_bytes(INGEST, "a.jsonl", text.data, text.len), SFS_OK);
	publish_well();
	IS_STR(sharding(), m->sharding);
	open_snapshot();
	IS_INT(sfs_snapshot_manifest(snapshot)->num_dbs, m->num_dbs);
	for (size_t i = 0; i < g.count; i++)
		IS_INT(shard_of(g.rows[i].key), (int)g.rows[i].db_id);
	verify_it(g.count);
	close_snapshot();
	golden_free(&g);
	sfs_manifest_free(m);
	sfs_buf_release(&settings);
	sfs_buf_release(&text);
}

static void golden_categorical_int(void)
{
	check_golden("cel-categorical-int", false);
}

static void golden_categorical_str(void)
{
	check_golden("cel-categorical-str", false);
}

static void golden_direct(void)
{
	check_golden("cel-direct", false);
}

static void golden_direct_columns(void)
{
	check_golden("cel-direct-columns", false);
}

static void golden_inferred_columns(void)
{
	check_golden("cel-inferred-columns", true);
}

static void golden_inferred_key(void)
{
	check_golden("cel-inferred-key", true);
}

static void golden_range(void)
{
	check_golden("cel-range", false);
}

/* --- random records ------------------------------------------------------------------ */

enum { RECORDS = 400 };

static const char *const REGIONS[] = { "eu", "us", "ap/1", "caf\xc3\xa9", "" };

struct record {
	char name[64]; /* its key as JSON */
	uint8_t bytes[64];
	struct sfs_bytes key;
	unsigned region;
	int tier;
};

static struct record records[RECORDS];

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *state >> 20;
}

static void make_key(struct record *r, enum sfs_key_encoding encoding,
                     uint64_t number)
{
	size_t len = encoding == SFS_KEY_U32BE ? 4 : 8;

	if (encoding == SFS_KEY_U64BE || encoding == SFS_KEY_U32BE) {
		number &= encoding == SFS_KEY_U32BE ? UINT32_MAX : INT64_MAX;
		(void)snprintf(r->name, sizeof(r->name), "%" PRIu64, number);
		for (size_t i = len; i > 0; i--, number >>= 8)
			r->bytes[i - 1] = (uint8_t)(number & 0xff);
	} else {
		(void)snprintf(r->name, sizeof(r->name), "\"k-%" PRIu64 "\"",
		               number);
		len = strlen(r->name) - 2;
		memcpy(r->bytes, r->name + 1, len);
	}
	r->key = (struct sfs_bytes){ r->bytes, len };
}

static void make_records(enum sfs_key_encoding encoding, uint64_t seed)
{
	for (size_t i = 0; i < RECORDS; i++) {
		/* the lowest bits keep keys apart */
		make_key(&records[i], encoding,
		         next_random(&seed) << 9 | (uint64_t)i);
		records[i].region = (unsigned)(next_random(&seed) % 5);
		records[i].tier = (int)(next_random(&seed) % 7) - 3;
	}
}

static void write_records(bool has_more)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);

	for (size_t i = 0; i < RECORDS; i++) {
		const struct record *r = &records[i];

		sfs_buf_printf(&text, "{\"key\":%s,\"value\":\"v\"", r->name);
		if (has_more)
			sfs_buf_printf(&text,
			               ",\"columns\":{\"region\":\"%s\","
			               "\"tier\":%d}",
			               REGIONS[r->region], r->tier);
		sfs_buf_puts(&text, "}\n");
	}
	IS_INT(put_bytes(INGEST, "a.jsonl", text.data, text.len), SFS_OK);
	sfs_buf_release(&text);
}

static void set_column(struct sfs_columns *c, const char *name,
                       const char *text)
{
	IS_INT(sfs_columns_set(c, &sfs_snapshot_manifest(snapshot)->routing,
	                       (struct sfs_cel_text){ name, strlen(name) },
	                       (struct sfs_cel_text){ text, strlen(text) },
	                       &err),
	       SFS_OK);
}

static void look_up(const struct record *r, bool has_more)
{
	struct sfs_query query = { .key = r->key };
	struct sfs_columns columns;
	struct sfs_hit hit;
	char tier[16];

	sfs_columns_init(&columns);
	if (has_more) {
		(void)snprintf(tier, sizeof(tier), "%d", r->tier);
		set_column(&columns, "region", REGIONS[r->region]);
		set_column(&columns, "tier", tier);
		query.columns = &columns;
	}
	IS_INT(sfs_snapshot_get(snapshot, &query, &hit, NULL, &err), SFS_OK);
	if (!hit.found || shard_of(r->key) != (int)hit.db_id)
		TAP_FAIL("%s lies in shard %d, and is looked for in %d",
		         r->name, shard_of(r->key), (int)hit.db_id);
	sfs_columns_release(&columns);
}

static const struct {
	const char *text; /* of config.yaml */
	bool has_more;
	bool is_of_integers;
} WAYS[] = {
	{ "cel: shard_hash(key) % 8u\nnum_dbs: 8\n", false, false },
	{ "cel: shard_hash(key) % 5u\n", false, false },
	{ "cel: 'string(shard_hash(key) % 3u)'\nrouting_values: inferred\n",
	  false, false },
	{ "cel: shard_hash(key) % 3u\nrouting_values: [2, 0, 1]\n", false,
	  false },
	{ "cel: shard_hash(key) % 3u\nrouting_values: inferred\n", false,
	  false },
	{ "ranges: auto\nnum_dbs: 16\n", false, false },
	{ "ranges: auto\nmax_keys_per_shard: 30\n", false, false },
	{ "sharding: {strategy: range, bounds: [5, 1000000, 2000000000]}\n",
	  false, true },
	{ "cel: region\n"
	  "routing_values: inferred\n",
	  true, false },
	{ "cel: region\n"
	  "routing_values: ['', eu, us, \"ap/1\", caf\xc3\xa9]\n",
	  true, false },
	{ "cel: 'tier + 3'\n", true, false },
	{ "cel: 'shard_hash(region + \":\" + string(tier)) % 6u'\n"
	  "num_dbs: 6\n",
	  true, false },
	{ "cel: 'region == \"eu\" ? 0u : 1u + shard_hash(key) % 4u'\n"
	  "num_dbs: 5\n",
	  true, false },
};

static void check_way(size_t way, enum sfs_key_encoding encoding, bool is_first)
{
	static const char *const types[] = { "", "int", "int", "string",
		                             "bytes" };
	char text[512];
	char line[100] = "";

	if (!is_first)
		shop_next("job");
	if (WAYS[way].has_more)
		(void)snprintf(line, sizeof(line),
		               "cel_columns: {key: %s, region: string, tier: "
		               "int}\n",
		               types[encoding]);
	(void)snprintf(text, sizeof(text), "key_encoding: %s\nsharding: hash\n",
	               sfs_key_encoding_text(encoding));
	if (put(TOP, "config.yaml", text) != SFS_OK)
		TAP_FAIL("%s: %s", text, err.msg);
	(void)snprintf(text, sizeof(text), "key_encoding: %s\n%s%s",
	               sfs_key_encoding_text(encoding), WAYS[way].text, line);
	if (put(TOP, "config.yaml", text) != SFS_OK)
		TAP_FAIL("%s: %s", text, err.msg);
	make_records(encoding, way * 100 + (size_t)encoding);
	write_records(WAYS[way].has_more);
	publish_well();
	open_snapshot();
	for (size_t i = 0; i < RECORDS; i++)
		look_up(&records[i], WAYS[way].has_more);
	verify_it(RECORDS);
	close_snapshot();
}

static void readers_find_what_writers_placed(void)
{
	bool is_first = true;

	for (size_t way = 0; way < sizeof(WAYS) / sizeof(WAYS[0]); way++) {
		for (int e = SFS_KEY_U64BE; e <= SFS_KEY_RAW; e++) {
			if (WAYS[way].is_of_integers && e > SFS_KEY_U32BE)
				continue;
			check_way(way, (enum sfs_key_encoding)e, is_first);
			is_first = false;
		}
	}
}

/* --- the number of shards ------------------------------------------------------------ */

static void a_number_of_shards_is_found_in_the_data(void)
{
	config("key_encoding: u64be\ncel: key % 4\n");
	IS_INT(put(INGEST, "a.csv", "key,value\n0,a\n1,b\n2,c\n"), SFS_OK);
	IS_INT(put(KEYS, "7", "x"), SFS_OK);
	publish_well();
	open_snapshot();
	IS_INT(sfs_snapshot_manifest(snapshot)->num_dbs, 4);
	verify_it(4);
	close_snapshot();
}

static void shards_that_no_record_has_are_refused_by_name(void)
{
	config("key_encoding: u64be\ncel: key\n");
	IS_INT(put(INGEST, "a.csv", "key,value\n0,a\n2,b\n"), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(err.msg, "ShardCoverageError");
	HAS_STR(errors(), "no record is of shard 1; give num_dbs");
	IS_INT(put(KEYS, "1", "x"), SFS_OK);
	publish_well();
	open_snapshot();
	IS_INT(sfs_snapshot_manifest(snapshot)->num_dbs, 3);
	close_snapshot();
}

static void a_shard_that_is_none_is_a_bad_record(void)
{
	config("key_encoding: u64be\ncel: key - 1\nnum_dbs: 2\n");
	IS_INT(put(INGEST, "a.csv", "key,value\n1,a\n0,b\n2,c\n3,d\n"),
	       SFS_E_CORRUPT);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(errors(), "ingest/a.csv:3: ShardAssignmentError: ");
	HAS_STR(errors(), "shard -1 of 0 to 1");
	HAS_STR(errors(), "ingest/a.csv:5: ShardAssignmentError: ");
	config("key_encoding: u64be\ncel: key - 1\nnum_dbs: 2\n"
	       "on_bad_record: skip\n");
	publish_well();
	open_snapshot();
	verify_it(2);
	close_snapshot();
}

static void what_cannot_be_evaluated_is_a_bad_record(void)
{
	config("key_encoding: u64be\ncel: 4 / key\nnum_dbs: 8\n");
	IS_INT(put(INGEST, "a.jsonl",
	           "{\"key\":4,\"value\":\"\"}\n{\"key\":0,\"value\":\"\"}\n"),
	       SFS_E_CORRUPT);
	HAS_STR(errors(), "ingest/a.jsonl:2: cel_expr: ");
	HAS_STR(errors(), "zero");
}

/* --- routing values -------------------------------------------------------------------- */

#define REGION "cel: region\ncel_columns: {region: string}\n"

static void a_value_that_is_none_is_a_bad_record(void)
{
	config(REGION "routing_values: [eu, us]\n");
	IS_INT(put(INGEST, "a.csv", "key,region,value\na,eu,1\nb,ap,2\n"),
	       SFS_E_CORRUPT);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(errors(), "ingest/a.csv:3: UnknownRoutingToken: \"ap\" is none "
	                  "of the 2 routing_values: add it there");
	config(REGION "routing_values: [eu, us, ap]\n");
	publish_well();
}

static void values_that_come_later_are_inferred_too(void)
{
	config(REGION "routing_values: inferred\n");
	IS_INT(put(INGEST, "a.csv", "key,region,value\na,us,1\nb,eu,2\n"),
	       SFS_OK);
	IS_INT(settle(), SFS_OK);
	HAS_STR(status(), "routing: cel, routing values\n");
	HAS_STR(status(), "routing_values: 2\n");
	HAS_STR(status(), "columns: region: string\n");
	IS_INT(put(INGEST, "b.csv", "key,region,value\nc,ap,3\n"), SFS_OK);
	IS_INT(add_to(INGEST, "a.csv", "d,zz,4\n"), SFS_OK);
	publish_well();
	HAS_STR(sharding(), "\"routing_values\": [\"ap\", \"eu\", \"us\", "
	                    "\"zz\"]");
	open_snapshot();
	verify_it(4);
	close_snapshot();
}

static void nothing_can_be_inferred_from_nothing(void)
{
	config(REGION "routing_values: inferred\n");
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(errors(), "there is no record yet to infer one from");
	IS_INT(put(INGEST, "a.csv", "key,region,value\na,us,1\n"), SFS_OK);
	publish_well();
}

/* --- files in keys/ --------------------------------------------------------------------- */

static void a_file_has_no_columns(void)
{
	config(REGION "routing_values: [eu, us]\n");
	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(errors(), "keys/a: keys are routed by columns (region)");
	HAS_STR(errors(), "such records go through ingest/");
	IS_INT(sfs_build_unlink(b, KEYS, "a", &err), SFS_OK);
	publish_well();
}

static void files_are_routed_by_their_key(void)
{
	config("cel: key\nrouting_values: inferred\n");
	IS_INT(put(KEYS, "b", "1"), SFS_OK);
	IS_INT(put(KEYS, "c", "2"), SFS_OK);
	IS_INT(put(INGEST, "a.csv", "key,value\na,3\nb,4\n"), SFS_OK);
	publish_well();
	HAS_STR(sharding(), "[\"a\", \"b\", \"c\"]");
	IS_STR(content(), "a=3 b=1 c=2 ");
}

/* --- a base ------------------------------------------------------------------------------ */

static void a_base_by_region(void)
{
	config(REGION "routing_values: [us, eu, none]\n");
	IS_INT(put(INGEST, "a.csv",
	           "key,region,value\na,us,1\nb,eu,2\nc,eu,3\n"),
	       SFS_OK);
	publish_well();
	shop_next("next");
	IS_INT(sfs_build_set_base(b, &last_id, NULL, &err), SFS_OK);
}

static void a_build_takes_the_routing_of_its_base(void)
{
	char before[1024];

	a_base_by_region();
	(void)snprintf(before, sizeof(before), "%s", sharding());
	IS_INT(put(TOP, "config.yaml", REGION "routing_values: [eu]\n"),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "leave out cel, cel_columns, routing_values");
	IS_INT(put(TOP, "config.yaml", "page_size: 8192\n"), SFS_OK);
	IS_INT(put(INGEST, "b.csv", "key,region,value\nd,ap,4\n"),
	       SFS_E_CORRUPT);
	HAS_STR(errors(), "UnknownRoutingToken: \"ap\"");
	HAS_STR(errors(), "with a base, which fixes them, build without it");
	IS_INT(put(INGEST, "b.csv",
	           "key,region,value,delete\nd,us,4,\nb,eu,,true\n"),
	       SFS_OK);
	HAS_STR(plan(), "\"num_dbs\": 3");
	HAS_STR(plan(), "\"routing\": \"cel, routing values\"");
	HAS_STR(plan(), "\"routing_values\": 3");
	publish_well();
	IS_STR(sharding(), before);
	open_snapshot();
	verify_it(3);
	close_snapshot();
}

static void a_removed_key_is_removed_wherever_it_is(void)
{
	a_base_by_region();
	IS_INT(remove_key(b, "b", &err), SFS_OK);
	publish_well();
	open_snapshot();
	verify_it(2);
	IS_INT(shard_of((struct sfs_bytes){ (const uint8_t *)"b", 1 }), -1);
	IS_INT(shard_of((struct sfs_bytes){ (const uint8_t *)"c", 1 }), 1);
	close_snapshot();
}

static void settings_that_change_read_everything_again(void)
{
	config(REGION "routing_values: [us, eu]\n");
	IS_INT(put(INGEST, "a.csv", "key,region,value\na,us,1\nb,eu,2\n"),
	       SFS_OK);
	IS_INT(settle(), SFS_OK);
	config("cel: shard_hash(region) % 2u\ncel_columns: {region: string}\n"
	       "num_dbs: 2\n");
	publish_well();
	HAS_STR(sharding(), "shard_hash(region)");
	open_snapshot();
	verify_it(2);
	close_snapshot();
}

static void the_next_build_routes_as_the_current_snapshot(void)
{
	area_config.num_dbs = 0;
	shop_close();
	shop_open();
	b = sfs_area_find(area, "job");
	config(REGION "routing_values: [us, eu]\n");
	publish_well();
	shop_next("next");
	IS_INT(put(INGEST, "a.csv", "key,region,value\na,us,1\n"), SFS_OK);
	publish_well();
	HAS_STR(sharding(), "\"routing_values\": [\"us\", \"eu\"]");
}

int main(void)
{
	RUN_IN_SHOP(golden_categorical_int);
	RUN_IN_SHOP(golden_categorical_str);
	RUN_IN_SHOP(golden_direct);
	RUN_IN_SHOP(golden_direct_columns);
	RUN_IN_SHOP(golden_inferred_columns);
	RUN_IN_SHOP(golden_inferred_key);
	RUN_IN_SHOP(golden_range);
	RUN_IN_SHOP(readers_find_what_writers_placed);
	RUN_IN_SHOP(a_number_of_shards_is_found_in_the_data);
	RUN_IN_SHOP(shards_that_no_record_has_are_refused_by_name);
	RUN_IN_SHOP(a_shard_that_is_none_is_a_bad_record);
	RUN_IN_SHOP(what_cannot_be_evaluated_is_a_bad_record);
	RUN_IN_SHOP(a_value_that_is_none_is_a_bad_record);
	RUN_IN_SHOP(values_that_come_later_are_inferred_too);
	RUN_IN_SHOP(nothing_can_be_inferred_from_nothing);
	RUN_IN_SHOP(a_file_has_no_columns);
	RUN_IN_SHOP(files_are_routed_by_their_key);
	RUN_IN_SHOP(a_build_takes_the_routing_of_its_base);
	RUN_IN_SHOP(a_removed_key_is_removed_wherever_it_is);
	RUN_IN_SHOP(settings_that_change_read_everything_again);
	RUN_IN_SHOP(the_next_build_routes_as_the_current_snapshot);
	return tap_done();
}
