/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying: golden snapshots are well, and every kind of damage is told. */
#include "base/digest.h"
#include "format/names.h"
#include "format/digests.h"
#include "snapshot/verify.h"
#include "unit/world.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

static struct world w;
static struct sfs_err err;
static struct sfs_snapshot_id id; /* what is verified */
static struct sfs_verify_result sum;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char told[8192]; /* "SHARD TYPE: message;" protected by lock */
static atomic_uint shards;
static atomic_uint undigested;

static void note_fault(void *arg, const struct sfs_verify_fault *fault)
{
	size_t len;

	(void)arg;
	(void)pthread_mutex_lock(&lock);
	len = strlen(told);
	(void)snprintf(told + len, sizeof(told) - len, "%u %s: %s;",
	               fault->db_id, fault->type, fault->message);
	(void)pthread_mutex_unlock(&lock);
}

static void note_shard(void *arg, const struct sfs_verify_shard *shard)
{
	(void)arg;
	atomic_fetch_add(&shards, 1);
	atomic_fetch_add(&undigested, !shard->is_empty && !shard->has_digest);
}

static void begin(const char *golden)
{
	world_begin(&w, golden);
	IS_INT(world_open_source(&w), SFS_OK);
	id = world_id(&w, 0);
}

static void end(void)
{
	world_close_end(&w);
}

static enum sfs_rc verify(unsigned threads)
{
	struct sfs_verify_config config = { .threads = threads,
		                            .fault = note_fault,
		                            .shard = note_shard };
	struct sfs_snapshot *s = NULL;
	enum sfs_rc rc;

	told[0] = '\0';
	atomic_store(&shards, 0);
	atomic_store(&undigested, 0);
	rc = sfs_snapshot_open(&w.source, &id, NULL, &s, NULL, &err);
	if (rc == SFS_OK)
		rc = sfs_snapshot_verify(s, w.store, &config, &sum, NULL, &err);
	sfs_snapshot_unref(s);
	return rc;
}

/* "shards/run_id=.../db=NNNNN/attempt=00/shard.db" of a golden store */
static void shard_key(uint32_t db_id, char out[SFS_STORE_KEY_MAX])
{
	(void)snprintf(out, SFS_STORE_KEY_MAX,
	               "shards/run_id=%s/db=%05u/attempt=00/shard.db",
	               id.run_id, db_id);
}

static void run_sql(uint32_t db_id, const char *sql)
{
	char key[SFS_STORE_KEY_MAX];
	char path[SFS_STORE_KEY_MAX + 512];
	sqlite3 *db = NULL;

	shard_key(db_id, key);
	(void)snprintf(path, sizeof(path), "%s/store/%s", w.dir, key);
	IS_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL),
	       SQLITE_OK);
	IS_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

static void add_digest(char *custom, size_t cap, uint32_t db_id)
{
	char hex[SFS_DIGEST_HEX_BYTES] = "";
	struct sfs_digest digest = { NULL };
	char key[SFS_STORE_KEY_MAX];
	size_t used = strlen(custom);
	char *data = NULL;
	size_t len = 0;

	shard_key(db_id, key);
	IS_INT(sfs_store_get(w.store, key, 1 << 24, &data, &len, NULL, NULL,
	                     &err),
	       SFS_OK);
	IS_INT(sfs_digest_begin(&digest, &err), SFS_OK);
	IS_INT(sfs_digest_add(&digest, data, len, &err), SFS_OK);
	IS_INT(sfs_digest_finish(&digest, hex, &err), SFS_OK);
	sfs_digest_release(&digest);
	sfs_free(data);
	(void)snprintf(custom + used, cap - used, "%s\"%u\": \"sha256:%s\"",
	               db_id > 0 ? ", " : "", db_id, hex);
}

/* A manifest of ours over the shards, as the store is now. */
static void adopt(uint32_t num_dbs)
{
	char custom[4096] = "{\"other\": [{\"digests\": {\"0\": \"x\"}}], "
			    "\"shardyfs\": {\"digests\": {";
	struct sfs_snapshot_id ours = id;
	size_t used;

	for (uint32_t i = 0; i < num_dbs; i++)
		add_digest(custom, sizeof(custom), i);
	used = strlen(custom);
	(void)snprintf(custom + used, sizeof(custom) - used, "}}}");
	ours.published_at_ns += 1000000;
	world_manifest(&w, &id, &ours, custom);
	id = ours;
}

static void golden_snapshots_are_well(void)
{
	static const struct {
		const char *name;
		uint64_t rows;
		uint64_t shards;
	} rows[] = {
		{ "hash-u64be", 1000, 8 }, { "hash-u32be", 200, 4 },
		{ "hash-utf8", 200, 5 },   { "hash-raw", 119, 3 },
		{ "hash-sparse", 20, 18 }, { "hash-pages", 50, 2 },
		{ "hash-layout", 60, 3 },  { "losers", 80, 3 },
		{ "hash-one", 40, 1 },     { "history", 145, 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(rows[i].name);
		IS_INT(verify(2), SFS_OK);
		IS_STR(told, "");
		IS_INT(sum.rows, rows[i].rows);
		IS_INT(sum.shards, rows[i].shards);
		IS_INT(sum.digests, 0);
		IS_INT(atomic_load(&undigested), sum.shards);
		OK(atomic_load(&shards) >= sum.shards);
		OK(sum.bytes > 0);
		end();
	}
}

static void digests_are_compared_where_there_are_some(void)
{
	begin("hash-one");
	adopt(1);
	IS_INT(verify(1), SFS_OK);
	IS_STR(told, "");
	IS_INT(sum.digests, 1);
	IS_INT(atomic_load(&undigested), 0);
	/* one bit of a value, which nothing else can notice */
	run_sql(0, "UPDATE kv SET v = CAST(v || x'00' AS BLOB) WHERE k = "
	           "(SELECT max(k) FROM kv)");
	IS_INT(verify(1), SFS_OK);
	OK(strncmp(told, "0 DigestError: the object has sha256:", 37) == 0);
	IS_INT(sum.faults, 1);
	end();
}

static void a_key_in_the_wrong_shard_is_named(void)
{
	begin("hash-u32be");
	run_sql(0, "INSERT INTO kv "
	           "VALUES (x'7fffff00', x'00'), (x'7fffff01', x'00'), "
	           "(x'7fffff02', x'00'), (x'7fffff03', x'00'), "
	           "(x'7fffff04', x'00'), (x'7fffff05', x'00')");
	IS_INT(verify(2), SFS_OK);
	HAS_STR(told, "0 ShardAssignmentError: key 21474");
	HAS_STR(told, "belongs to shard ");
	HAS_STR(told, "0 RowCountError: ");
	IS_INT(sum.faults, 2);
	end();
}

static void a_key_that_is_none_is_told(void)
{
	begin("hash-u64be");
	run_sql(3, "INSERT INTO kv VALUES (x'ffffffffffffffff', x'00')");
	run_sql(4, "INSERT INTO kv VALUES (x'', x'00')");
	IS_INT(verify(2), SFS_OK);
	HAS_STR(told, "3 KeyEncodingError: 0xffffffffffffffff is no u64be key");
	HAS_STR(told, "4 ");
	OK(sum.faults >= 2);
	end();
}

static void rows_that_are_missing_are_noticed_where_we_counted(void)
{
	begin("hash-u32be");
	run_sql(1, "DELETE FROM kv WHERE k = (SELECT min(k) FROM kv)");
	IS_INT(verify(1), SFS_OK);
	HAS_STR(told, "1 KeyRangeError: the least key is ");
	/* shardyfusion counts duplicates, so fewer rows prove nothing */
	OK(strstr(told, "RowCountError") == NULL);
	adopt(4);
	IS_INT(verify(1), SFS_OK);
	HAS_STR(told, "1 RowCountError: ");
	OK(strstr(told, "DigestError") == NULL);
	end();
}

static void a_size_that_differs_is_told_where_we_wrote_it(void)
{
	char key[SFS_STORE_KEY_MAX];
	char *data = NULL;
	char *longer;
	size_t len = 0;

	begin("hash-one");
	shard_key(0, key);
	IS_INT(sfs_store_get(w.store, key, 1 << 24, &data, &len, NULL, NULL,
	                     &err),
	       SFS_OK);
	longer = sfs_calloc(len + 4096, 1);
	if (longer != NULL && data != NULL) {
		memcpy(longer, data, len);
		world_put(&w, key, longer, len + 4096);
	}
	sfs_free(longer);
	sfs_free(data);
	adopt(1);
	IS_INT(verify(1), SFS_OK);
	HAS_STR(told, "0 ShardSizeError: ");
	end();
}

static void damaged_and_missing_shards_do_not_hide_the_others(void)
{
	char key[SFS_STORE_KEY_MAX];

	begin("hash-u64be");
	shard_key(2, key);
	world_put(&w, key, "rubbish", 7);
	shard_key(5, key);
	IS_INT(w.store->ops->delete (w.store, key, NULL, &err), SFS_OK);
	run_sql(7, "UPDATE kv SET k = x'00' WHERE k = (SELECT max(k) FROM kv)");
	IS_INT(verify(3), SFS_OK);
	HAS_STR(told, "2 ShardCorruptError: ");
	HAS_STR(told, "5 ShardMissingError: ");
	HAS_STR(told, "7 ");
	IS_INT(sum.shards, 8);
	OK(sum.rows > 500);
	IS_INT(sum.unknown, 0);
	end();
}

static void what_cannot_be_read_is_not_called_damaged(void)
{
	struct sfs_verify_config config = { .threads = 2, .fault = note_fault };
	struct sfs_fault_plan plan = { .op_mask =
		                               SFS_STORE_OPEN | SFS_STORE_READ,
		                       .fail_at = 1,
		                       .always = true,
		                       .rc = SFS_E_AUTH };
	struct sfs_snapshot *s = NULL;

	begin("hash-u32be");
	IS_INT(sfs_snapshot_open(&w.source, &id, NULL, &s, NULL, &err), SFS_OK);
	sfs_store_fault_set(w.store, &plan);
	told[0] = '\0';
	IS_INT(sfs_snapshot_verify(s, w.store, &config, &sum, NULL, &err),
	       SFS_OK);
	IS_INT(sum.faults, 0);
	IS_INT(sum.unknown, 4);
	HAS_STR(told, "3 ShardReadError: auth: ");
	plan.rc = SFS_E_CANCELED;
	sfs_store_fault_set(w.store, &plan);
	IS_INT(sfs_snapshot_verify(s, w.store, &config, &sum, NULL, &err),
	       SFS_E_CANCELED);
	world_fault(&w, 0, false, SFS_OK);
	sfs_snapshot_unref(s);
	end();
}

static void digests_are_found_in_their_place_only(void)
{
	static const char custom[] =
		"{\"a\":{\"digests\":{\"0\":\"no\"}},\"shardyfs\":{\"x\":"
		"{\"0\":\"no\"},\"digests\":{\"1\":\"sha256:1\",\"2\":7,"
		"\"9\":\"no\",\"x\":\"no\",\"3\":{\"0\":\"no\"}},\"parent\":"
		"\"p\"},\"digests\":{\"0\":\"no\"}}";
	struct sfs_manifest m = { .num_dbs = 4, .custom = (char *)custom };
	struct sfs_digests d = { 0 };

	IS_INT(sfs_digests_read(&m, &d, &err), SFS_OK);
	OK(d.is_ours);
	OK(d.of != NULL && d.of[0] == NULL && d.of[2] == NULL &&
	   d.of[3] == NULL);
	IS_STR(d.of[1], "sha256:1");
	sfs_digests_release(&d);
	m.custom = (char *)"{}";
	IS_INT(sfs_digests_read(&m, &d, &err), SFS_OK);
	OK(!d.is_ours);
	sfs_digests_release(&d);
}

int main(void)
{
	RUN(golden_snapshots_are_well);
	RUN(digests_are_compared_where_there_are_some);
	RUN(a_key_in_the_wrong_shard_is_named);
	RUN(a_key_that_is_none_is_told);
	RUN(rows_that_are_missing_are_noticed_where_we_counted);
	RUN(a_size_that_differs_is_told_where_we_wrote_it);
	RUN(damaged_and_missing_shards_do_not_hide_the_others);
	RUN(what_cannot_be_read_is_not_called_damaged);
	RUN(digests_are_found_in_their_place_only);
	return tap_done();
}
