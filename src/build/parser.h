/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_PARSER_H
#define SFS_BUILD_PARSER_H

#include "base/inflate.h"
#include "format/columns.h"
#include "format/keys.h"
#include "shardyfs/adapter.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Parsers of ingest files: bytes in, cut anywhere, records out. The cuts
 * change nothing of what comes out. Memory is bounded whatever comes: by one
 * record (.kv: value_max and a key; text: half as much again, and 3 MiB) and
 * its decoded value. The formats are specified in shardyfs-ingest(5).
 *
 * A record that is open is held up to SFS_PARSER_HELD_BYTES. A longer one is
 * not, if its bytes can be had again: each is looked at once to find the end,
 * and then all are fetched.
 */
enum { SFS_PARSER_HELD_BYTES = 256 << 10 };

enum sfs_ingest_format {
	SFS_INGEST_INVALID = 0,
	SFS_INGEST_JSONL,
	SFS_INGEST_CSV,
	SFS_INGEST_TSV,
	SFS_INGEST_KV,
};

/* "users.jsonl.gz": both; false: the name is of no ingest file. */
bool sfs_ingest_name_parse(const char *name, enum sfs_ingest_format *format,
                           enum sfs_compression *compression) SFS_NODISCARD;

/* One record: lookup bytes valid for the encoding. Borrowed in the call. */
struct sfs_record {
	struct sfs_bytes key;
	struct sfs_bytes value;
	uint64_t offset; /* where it begins in the uncompressed bytes */
	uint64_t line;   /* as of a bad record */
	bool is_delete;  /* value is empty */
	/* What it is routed by besides the key; NULL: it has none. */
	const struct sfs_columns *columns;
};

/* A record that is none. The parser goes on behind it. */
struct sfs_bad_record {
	uint64_t offset;
	uint64_t line;      /* from 1; .kv: the record's number, from 1 */
	const char *reason; /* one line of UTF-8; borrowed in the call */
	/*
	 * Nothing behind it can be read: a .kv length that makes no sense, a
	 * header without a key. Skipping it would lose the rest of the file.
	 */
	bool is_last;
};

/* Anything but SFS_OK ends the feeding and is returned. */
struct sfs_parser_events {
	enum sfs_rc (*record)(void *arg, const struct sfs_record *r,
	                      struct sfs_err *err);
	enum sfs_rc (*bad)(void *arg, const struct sfs_bad_record *bad,
	                   struct sfs_err *err);
	/* Copies what was fed from offset on. NULL: it cannot be had again. */
	enum sfs_rc (*fetch)(void *arg, uint64_t offset, void *to, size_t len,
	                     struct sfs_err *err);
	void *arg;
};

struct sfs_parser_config {
	enum sfs_ingest_format format;
	enum sfs_key_encoding encoding;
	size_t value_max; /* bytes of one value */
	/* Whose columns records may have; borrowed; NULL: none. */
	const struct sfs_sharding *sharding;
	bool needs_columns; /* each record must have all of them */
};

struct sfs_parser;

/* INVALID: a config that is none. */
enum sfs_rc sfs_parser_new(const struct sfs_parser_config *config,
                           const struct sfs_parser_events *events,
                           struct sfs_parser **out,
                           struct sfs_err *err) SFS_NODISCARD;
void sfs_parser_free(struct sfs_parser *p); /* NULL is fine */

/*
 * Takes the next bytes. NO_MEMORY, and what the events return; after those
 * the parser can only be freed. A fault of the format is a bad record, never
 * a failure of the call.
 */
enum sfs_rc sfs_parser_feed(struct sfs_parser *p, const void *data, size_t len,
                            struct sfs_err *err) SFS_NODISCARD;

/*
 * The bytes end here. A last line without newline is a record; an unfinished
 * .kv record or quoted field is a bad one.
 */
enum sfs_rc sfs_parser_finish(struct sfs_parser *p,
                              struct sfs_err *err) SFS_NODISCARD;

/*
 * Uncompressed bytes that need not be fed again: before the open record.
 * Within an event: before the record that it tells.
 */
uint64_t sfs_parser_offset(const struct sfs_parser *p);

/* Nothing is fed for a while: keeps only what cannot be had again. */
void sfs_parser_rest(struct sfs_parser *p);

/* Forgets the open record; sfs_parser_offset() is where to feed from. */
void sfs_parser_rewind(struct sfs_parser *p);

/* Bytes of the open record that are held. */
size_t sfs_parser_held(const struct sfs_parser *p);

#endif
