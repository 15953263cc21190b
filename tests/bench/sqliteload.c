/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sqlite3 library needs for the same shards: reads a .kv file of
 * sorted records and inserts them into one table, synchronous off, no
 * journal, one thread, one transaction.
 *
 *	sqliteload FILE.kv DATABASE
 */
#include "bench.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		(void)fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
		exit(1);
	}
}

static void load(sqlite3 *db, const unsigned char *data, size_t size)
{
	sqlite3_stmt *insert;
	uint32_t lengths[2];

	if (sqlite3_prepare_v2(db, "INSERT INTO kv VALUES (?, ?)", -1, &insert,
	                       NULL) != SQLITE_OK)
		die("prepare");
	for (size_t at = 0; at + 8 <= size;) {
		memcpy(lengths, data + at, 8);
		at += 8;
		sqlite3_bind_blob(insert, 1, data + at, (int)lengths[0],
		                  SQLITE_STATIC);
		sqlite3_bind_blob(insert, 2, data + at + lengths[0],
		                  (int)lengths[1], SQLITE_STATIC);
		if (sqlite3_step(insert) != SQLITE_DONE)
			die("insert");
		sqlite3_reset(insert);
		at += (size_t)lengths[0] + lengths[1];
	}
	sqlite3_finalize(insert);
}

int main(int argc, char **argv)
{
	struct stat st;
	sqlite3 *db;
	void *data;
	int fd;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		die(argv[1]);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		die("mmap");
	if (sqlite3_open(argv[2], &db) != SQLITE_OK)
		die(argv[2]);
	run(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
	        "PRAGMA locking_mode = EXCLUSIVE;"
	        "CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL)"
	        " WITHOUT ROWID; BEGIN");
	load(db, data, (size_t)st.st_size);
	run(db, "COMMIT");
	return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}
