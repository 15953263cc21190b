/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a store for tests and benchmarks, or adds a snapshot to one, through
 * the same rooms that read it: router, SQLite adapter, manifest, pointer.
 *
 *	mkstore [-e ENCODING] [-n NUM_DBS] [-p PAGE_SIZE] [-r RUN_ID]
 *	        [-u URL] [-s SHARDING] [-g ROWS -v BYTES] DIR
 *
 * With -g it makes u64be keys 0 ... ROWS-1, each value BYTES long and
 * beginning with its key in decimal; else it reads "NAME<TAB>VALUE" lines
 * (names as in keys/) from standard input, the last of equal names winning.
 * SHARDING is the JSON text of a manifest's member "sharding"; where it needs
 * columns, a name is "COLUMN=VALUE/.../NAME".
 * It prints the snapshot ID.
 */
#include "adapter/sqlite.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "format/current.h"
#include "format/keys.h"
#include "format/manifest.h"
#include "format/names.h"
#include "format/router.h"
#include "store/local.h"

#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { BATCH = 4096 };

struct pair {
	uint32_t shard;
	size_t index; /* in the input */
	struct sfs_pair pair;
};

struct job {
	enum sfs_key_encoding encoding;
	uint32_t num_dbs;
	uint32_t page_size;
	const char *run_id;
	const char *sharding; /* NULL: by hash */
	struct sfs_sharding routing;
	const char *url; /* what the manifest says; NULL: the store's own */
	uint64_t generate;
	size_t value_bytes;
	const char *dir;
	struct sfs_store *store;
	struct pair *pairs;
	size_t count;
	size_t cap;
};

static void die(const char *what, const struct sfs_err *err)
{
	(void)fprintf(stderr, "mkstore: %s: %s\n", what, err->msg);
	exit(1);
}

static void *must(void *p)
{
	if (p == NULL) {
		(void)fprintf(stderr, "mkstore: out of memory\n");
		exit(1);
	}
	return p;
}

/* columns: "region=eu/tier=2", or nothing */
static uint32_t shard_of(const struct job *j, const struct sfs_router *router,
                         struct sfs_bytes key, struct sfs_cel_text columns)
{
	struct sfs_columns values;
	struct sfs_route route;
	struct sfs_err err;
	size_t len;

	sfs_columns_init(&values);
	for (size_t at = 0; at < columns.len; at += len + 1) {
		len = strcspn(columns.data + at, "/");
		if (sfs_columns_set_name(&values, &j->routing,
		                         columns.data + at, len,
		                         &err) != SFS_OK)
			die("columns", &err);
	}
	if (sfs_router_route(router, key, &values, &route, &err) != SFS_OK ||
	    (!route.is_known &&
	     sfs_route_refuse(router, &route, &err) != SFS_OK))
		die("routing", &err);
	sfs_columns_release(&values);
	return route.db_id;
}

static void add(struct job *j, uint32_t shard, struct sfs_bytes key,
                struct sfs_bytes value)
{
	uint8_t *copy = must(sfs_malloc(key.len + value.len));

	if (j->count == j->cap) {
		j->cap = j->cap > 0 ? j->cap * 2 : 1024;
		j->pairs = must(
			sfs_realloc_array(j->pairs, j->cap, sizeof(*j->pairs)));
	}
	memcpy(copy, key.data, key.len);
	memcpy(copy + key.len, value.data, value.len);
	j->pairs[j->count] = (struct pair){ shard,
		                            j->count,
		                            { { copy, key.len },
		                              { copy + key.len, value.len } } };
	j->count++;
}

static void generate(struct job *j, const struct sfs_router *router)
{
	char *value = must(sfs_malloc(j->value_bytes + 32));
	uint8_t key[8];

	memset(value, '.', j->value_bytes + 32);
	for (uint64_t i = 0; i < j->generate; i++) {
		int n = snprintf(value, 32, "%llu", (unsigned long long)i);

		value[n] = ' ';
		for (int b = 0; b < 8; b++)
			key[b] = (uint8_t)(i >> (56 - 8 * b));
		add(j,
		    shard_of(j, router, (struct sfs_bytes){ key, 8 },
		             (struct sfs_cel_text){ "", 0 }),
		    (struct sfs_bytes){ key, 8 },
		    (struct sfs_bytes){ (uint8_t *)value, j->value_bytes });
	}
	sfs_free(value);
}

static void read_lines(struct job *j, const struct sfs_router *router)
{
	struct sfs_bytes key;
	struct sfs_bytes value;
	struct sfs_cel_text columns;
	uint8_t *buf = NULL;
	char *line = NULL;
	const char *name;
	size_t cap = 0;
	ssize_t len;
	char *tab;

	while ((len = getline(&line, &cap, stdin)) > 0) {
		if (line[len - 1] == '\n')
			len--;
		tab = memchr(line, '\t', (size_t)len);
		buf = must(
			sfs_realloc_array(buf, sfs_key_room((size_t)len), 1));
		name = tab != NULL ? memrchr(line, '/', (size_t)(tab - line))
		                   : NULL;
		name = name != NULL ? name + 1 : line;
		columns = (struct sfs_cel_text){ line, (size_t)(name - line) };
		if (tab == NULL ||
		    !sfs_key_from_name(j->encoding, name, (size_t)(tab - name),
		                       buf, &key.len)) {
			(void)fprintf(stderr, "mkstore: bad line: %s\n", line);
			exit(1);
		}
		key.data = buf;
		value.data = (uint8_t *)tab + 1;
		value.len = (size_t)(line + len - tab - 1);
		add(j, shard_of(j, router, key, columns), key, value);
	}
	free(line);
	sfs_free(buf);
}

static int key_order(const struct pair *x, const struct pair *y)
{
	struct sfs_bytes a = x->pair.key;
	struct sfs_bytes b = y->pair.key;
	int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	if (x->shard != y->shard)
		return x->shard < y->shard ? -1 : 1;
	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_shard_and_key(const void *a, const void *b)
{
	const struct pair *x = a;
	const struct pair *y = b;
	int order = key_order(x, y);

	return order != 0 ? order
	                  : (x->index > y->index) - (x->index < y->index);
}

/* Sorts the pairs; of equal keys only the last one stays. */
static void sort_pairs(struct job *j)
{
	size_t kept = 0;

	if (j->count > 0)
		qsort(j->pairs, j->count, sizeof(*j->pairs), by_shard_and_key);
	for (size_t i = 0; i < j->count; i++) {
		if (i + 1 < j->count &&
		    key_order(&j->pairs[i], &j->pairs[i + 1]) == 0)
			sfs_free((void *)(uintptr_t)j->pairs[i].pair.key.data);
		else
			j->pairs[kept++] = j->pairs[i];
	}
	j->count = kept;
}

static void write_pairs(const struct job *j, struct sfs_shard_writer *w,
                        size_t from, size_t to)
{
	struct sfs_pair batch[BATCH];
	struct sfs_err err;
	size_t n = 0;

	for (size_t i = from; i < to; i++)
		if (w->ops->announce(w, j->pairs[i].pair.key.len,
		                     j->pairs[i].pair.value.len,
		                     &err) != SFS_OK)
			die("announce", &err);
	for (size_t i = from; i < to; i++) {
		batch[n++] = j->pairs[i].pair;
		if (n < BATCH && i + 1 < to)
			continue;
		if (w->ops->write_batch(w, batch, n, NULL, &err) != SFS_OK)
			die("write", &err);
		n = 0;
	}
	if (w->ops->seal(w, NULL, &err) != SFS_OK)
		die("seal", &err);
}

/* Writes pairs [from, to) as one shard. */
static void write_shard(struct job *j, struct sfs_manifest *m, size_t from,
                        size_t to)
{
	uint32_t db_id = j->pairs[from].shard;
	struct sfs_manifest_shard *row = &m->shards[db_id];
	struct sfs_shard_location where = { .store = j->store };
	struct sfs_shard_results results;
	struct sfs_shard_writer *w;
	char key[SFS_STORE_KEY_MAX];
	char options[64];
	struct sfs_err err;
	char *url = NULL;

	if (sfs_attempt_key(m->shard_prefix, m->run_id, m->db_path_template,
	                    db_id, 0, key, sizeof(key), &err) != SFS_OK)
		die("attempt", &err);
	(void)snprintf(options, sizeof(options), "{\"page_size\":%u}",
	               j->page_size);
	if (asprintf(&url, "%s/%s", m->s3_prefix, key) < 0)
		must(NULL);
	where.key_prefix = key;
	where.db_url = url;
	where.options = options;
	if (sfs_adapter_sqlite.open_writer(&where, &w, &err) != SFS_OK)
		die("writer", &err);
	write_pairs(j, w, from, to);
	w->ops->results(w, &results);
	row->db_url = url; /* freed after publishing */
	row->db_bytes = results.db_bytes;
	row->row_count = to - from;
	row->checkpoint_id = "00000000000000000000000000000000";
	row->writer_info = "{}";
	w->ops->close(w);
}

static void write_shards(struct job *j, struct sfs_manifest *m)
{
	struct sfs_err err;
	size_t from = 0;

	sort_pairs(j);
	for (size_t i = 1; i <= j->count; i++) {
		if (i < j->count && j->pairs[i].shard == j->pairs[from].shard)
			continue;
		write_shard(j, m, from, i);
		from = i;
	}
	if (j->store->ops->barrier(j->store, "", NULL, &err) != SFS_OK)
		die("barrier", &err);
}

static void publish(struct job *j, const struct sfs_manifest *m)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_CURRENT_MAX_BYTES);
	struct sfs_current current = { 0 };
	struct sfs_snapshot_id id = { 0 };
	char key[SFS_MANIFEST_KEY_BYTES];
	char shown[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_err err;
	void *data;
	size_t len;

	id.published_at_ns = m->created_at_ns;
	(void)snprintf(id.run_id, sizeof(id.run_id), "%s", m->run_id);
	sfs_snapshot_id_manifest_key(&id, key);
	if (sfs_manifest_serialize(m, &data, &len, &err) != SFS_OK ||
	    j->store->ops->put(j->store, key, data, len, NULL, NULL, &err) !=
	            SFS_OK)
		die("manifest", &err);
	(void)snprintf(current.manifest_ref, sizeof(current.manifest_ref),
	               "%s/%s", m->s3_prefix, key);
	(void)snprintf(current.run_id, sizeof(current.run_id), "%s", m->run_id);
	current.updated_at_ns = m->created_at_ns;
	sfs_current_print(&current, &text);
	if (sfs_buf_finish(&text, "_CURRENT", &err) != SFS_OK ||
	    j->store->ops->put(j->store, SFS_CURRENT_KEY, text.data, text.len,
	                       NULL, NULL, &err) != SFS_OK)
		die("_CURRENT", &err);
	sfs_snapshot_id_text(&id, shown);
	(void)puts(shown);
	sfs_buf_release(&text);
	sfs_free(data);
}

static void run(struct job *j)
{
	struct sfs_manifest m = {
		.run_id = (char *)j->run_id,
		.created_at_ns = sfs_clock_wall_ns() / 1000 * 1000,
		.num_dbs = j->num_dbs,
		.key_col = (char *)"_key",
		.shard_prefix = (char *)"shards",
		.db_path_template = (char *)"db={db_id:05d}",
		.key_encoding = j->encoding,
		.routing.strategy = SFS_STRATEGY_HASH,
		.sharding = (char *)"{\"cel_columns\": null, \"cel_expr\": "
				    "null, \"hash_algorithm\": \"xxh3_64\", "
				    "\"routing_values\": null, \"strategy\": "
				    "\"hash\"}",
		.custom = (char *)"{}",
	};
	struct sfs_router router;
	struct sfs_err err;

	sfs_router_init_hash(&router, j->encoding, j->num_dbs);
	if (j->sharding != NULL) {
		if (sfs_sharding_parse(&j->routing, j->sharding,
		                       strlen(j->sharding), j->num_dbs,
		                       &err) != SFS_OK ||
		    sfs_router_init(&router, &j->routing, j->encoding,
		                    j->num_dbs, &err) != SFS_OK)
			die("sharding", &err);
		m.sharding = (char *)j->sharding;
		m.routing = j->routing;
	}
	if (sfs_store_local_open(j->dir, &j->store, &err) != SFS_OK)
		die(j->dir, &err);
	m.s3_prefix = (char *)(j->url != NULL ? j->url : j->store->url);
	m.shards = must(sfs_calloc(j->num_dbs, sizeof(*m.shards)));
	if (j->generate > 0)
		generate(j, &router);
	else
		read_lines(j, &router);
	write_shards(j, &m);
	publish(j, &m);
	for (uint32_t i = 0; i < j->num_dbs; i++)
		free((void *)(uintptr_t)m.shards[i].db_url);
	sfs_free(m.shards);
	sfs_router_release(&router);
	sfs_sharding_release(&j->routing);
	j->store->ops->close(j->store);
}

static const char *random_run_id(void)
{
	static char text[33];
	unsigned char raw[16];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		must(NULL);
	for (int i = 0; i < 16; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", raw[i]);
	return text;
}

int main(int argc, char **argv)
{
	struct job j = { .encoding = SFS_KEY_U64BE,
		         .num_dbs = 4,
		         .page_size = 4096,
		         .value_bytes = 100 };
	int option;

	while ((option = getopt(argc, argv, "e:n:p:r:u:s:g:v:")) != -1) {
		switch (option) {
		case 'e':
			j.encoding = sfs_key_encoding_from_text(optarg);
			break;
		case 'n':
			j.num_dbs = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			j.page_size = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			j.run_id = optarg;
			break;
		case 'u':
			j.url = optarg;
			break;
		case 's':
			j.sharding = optarg;
			break;
		case 'g':
			j.generate = strtoull(optarg, NULL, 10);
			break;
		case 'v':
			j.value_bytes = strtoull(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (optind != argc - 1 || j.encoding == SFS_KEY_INVALID ||
	    j.num_dbs == 0)
		return 2;
	if (j.run_id == NULL)
		j.run_id = random_run_id();
	j.dir = argv[optind];
	(void)mkdir(j.dir, 0777); /* may exist; else opening it fails */
	run(&j);
	for (size_t i = 0; i < j.count; i++)
		sfs_free((void *)j.pairs[i].pair.key.data);
	sfs_free(j.pairs);
	return 0;
}
