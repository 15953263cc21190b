/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_PARSER_INTERNAL_H
#define SFS_BUILD_PARSER_INTERNAL_H

#include "base/buf.h"
#include "base/json.h"
#include "build/parser.h"

/*
 * What the parts of the parser share. parser.c cuts the bytes into records
 * and holds the one that is open; each format reads one whole record.
 *
 * Functions that read return SFS_OK, NO_MEMORY with *err, or CORRUPT with
 * p->reason: the record is bad.
 */
enum {
	SFS_PARSER_REASON_BYTES = 256,
	/* a key, a value, delete; and those of routing */
	SFS_PARSER_COLUMNS_MAX = 3 + SFS_COLUMNS_MAX,
	SFS_KV_HEAD_BYTES = 8,
};

/* Members of a JSON line and columns of a table have the same names. */
enum sfs_field {
	SFS_FIELD_NONE = 0,
	SFS_FIELD_KEY,
	SFS_FIELD_KEY_HEX,
	SFS_FIELD_KEY_BASE64,
	SFS_FIELD_VALUE,
	SFS_FIELD_VALUE_BASE64,
	SFS_FIELD_VALUE_JSON,
	SFS_FIELD_DELETE,
	SFS_FIELD_COLUMNS, /* in a table: one of them */
};

enum sfs_field_class {
	SFS_FIELD_OF_NOTHING = 0,
	SFS_FIELD_OF_KEY,
	SFS_FIELD_OF_VALUE,
	SFS_FIELD_OF_DELETE,
	SFS_FIELD_OF_COLUMNS,
	SFS_FIELD_CLASSES,
};

/* Where the search for the end of a CSV record stands. */
enum sfs_csv_state {
	SFS_CSV_CELL = 0, /* at the beginning of a cell */
	SFS_CSV_PLAIN,    /* in a cell without quotes, or behind quotes */
	SFS_CSV_QUOTED,
	SFS_CSV_QUOTE, /* behind a quote in quotes */
};

struct sfs_parser {
	struct sfs_parser_config config; /* immutable */
	struct sfs_parser_events events; /* immutable */
	size_t text_max;                 /* of a text record; immutable */
	bool is_slow; /* tests: without the short cut of JSON Lines */

	/* The open record. */
	uint64_t offset;
	uint64_t line;     /* .kv: its number */
	uint64_t open_len; /* bytes of it that came */
	uint64_t newlines; /* within it */
	struct sfs_buf held;
	bool is_away;     /* nothing is held: its bytes can be fetched */
	bool is_too_long; /* its bytes are not held, nor needed */
	bool is_over;     /* nothing more is read */

	uint64_t kv_need;  /* bytes that it has; known with its head */
	uint32_t kv_value; /* of them, its value */
	enum sfs_csv_state csv_state;
	unsigned columns; /* 0: the header did not come yet */
	enum sfs_field column[SFS_PARSER_COLUMNS_MAX];
	uint8_t routed[SFS_PARSER_COLUMNS_MAX]; /* COLUMNS: its index */

	/* Scratch, for one record. */
	struct sfs_buf decoded[SFS_FIELD_CLASSES];
	struct sfs_json_reader json;
	struct sfs_columns columns_of; /* the record is routed by */
	uint8_t integer[8];
	char reason[SFS_PARSER_REASON_BYTES];
};

/* A text that was read, and the buffer of the class that it belongs to. */
struct sfs_field_text {
	enum sfs_field field;
	struct sfs_bytes text; /* may lie in the buffer */
};

/* CORRUPT, with the reason. */
enum sfs_rc sfs_parser_refuse(struct sfs_parser *p, const char *fmt, ...)
	SFS_PRINTF(2, 3);

/* text in quotes, short, printable and valid UTF-8, for reasons. */
enum { SFS_PARSER_QUOTE_BYTES = 64 };
void sfs_parser_quote(const void *text, size_t len,
                      char out[SFS_PARSER_QUOTE_BYTES]);

/* Hands out the record, or that it is bad for p->reason. */
enum sfs_rc sfs_parser_give(struct sfs_parser *p, const struct sfs_record *r,
                            struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_parser_give_bad(struct sfs_parser *p, bool is_last,
                                struct sfs_err *err) SFS_NODISCARD;

/*
 * The next bytes of the open record, before open_len has them: they are held,
 * unless it is too long or they can be fetched once its end is known.
 */
enum sfs_rc sfs_parser_hold(struct sfs_parser *p, const uint8_t *data,
                            size_t len, struct sfs_err *err) SFS_NODISCARD;

/* The whole open record, which has len bytes; none if it is too long. */
enum sfs_rc sfs_parser_collect(struct sfs_parser *p, size_t len,
                               struct sfs_bytes *out,
                               struct sfs_err *err) SFS_NODISCARD;

/* The open record is over. */
void sfs_parser_next(struct sfs_parser *p);

/* parser_kv.c */
enum sfs_rc sfs_kv_feed(struct sfs_parser *p, const uint8_t *data, size_t len,
                        struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_kv_finish(struct sfs_parser *p,
                          struct sfs_err *err) SFS_NODISCARD;

/*
 * Read one whole record without its newline; *found = false: it is none, and
 * not bad either. A table whose header is bad has no columns afterwards.
 */
enum sfs_rc sfs_jsonl_read(struct sfs_parser *p, struct sfs_bytes line,
                           struct sfs_record *out, bool *found,
                           struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_table_read(struct sfs_parser *p, struct sfs_bytes row,
                           struct sfs_record *out, bool *found,
                           struct sfs_err *err) SFS_NODISCARD;

/*
 * Looks on from p->csv_state for the end of a record: the bytes up to behind
 * its newline, or len. Counts newlines in cells.
 */
size_t sfs_csv_scan(struct sfs_parser *p, const uint8_t *data, size_t len,
                    bool *is_end);

/* parser_field.c */
enum sfs_field sfs_field_of_name(const char *name, size_t len);
const char *sfs_field_name(enum sfs_field field);
enum sfs_field_class sfs_field_class(enum sfs_field field);

/* what: "member" or "column". Always CORRUPT. */
enum sfs_rc sfs_field_refuse_name(struct sfs_parser *p, const char *what,
                                  const char *name, size_t len);

/* CORRUPT where this encoding has no such field. */
enum sfs_rc sfs_field_check(struct sfs_parser *p,
                            enum sfs_field field) SFS_NODISCARD;

/* The key's lookup bytes, or the value, from its text. */
enum sfs_rc sfs_field_key(struct sfs_parser *p, const struct sfs_field_text *t,
                          struct sfs_bytes *out,
                          struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_field_value(struct sfs_parser *p,
                            const struct sfs_field_text *t,
                            struct sfs_bytes *out,
                            struct sfs_err *err) SFS_NODISCARD;

/* An integer that came as a number. False: it is no key of the encoding. */
bool sfs_field_integer_key(struct sfs_parser *p, uint64_t value,
                           struct sfs_bytes *out) SFS_NODISCARD;
enum sfs_rc sfs_field_refuse_integer(struct sfs_parser *p, const char *got);

/* CORRUPT where lookup bytes are no key of the encoding, or too long. */
enum sfs_rc sfs_field_check_key(struct sfs_parser *p,
                                struct sfs_bytes key) SFS_NODISCARD;
enum sfs_rc sfs_field_check_value_len(struct sfs_parser *p,
                                      uint64_t len) SFS_NODISCARD;

/* parser_columns.c: routing columns of the open record, which has none yet. */
void sfs_parser_columns_begin(struct sfs_parser *p);

/* The index of a column that a record may have; CORRUPT with the reason. */
enum sfs_rc sfs_parser_column_find(struct sfs_parser *p, const char *name,
                                   size_t len, size_t *out) SFS_NODISCARD;

/* From its text; bytes are Base64. */
enum sfs_rc sfs_parser_column_set(struct sfs_parser *p, size_t at,
                                  struct sfs_bytes text,
                                  struct sfs_err *err) SFS_NODISCARD;

/* The member "columns", behind its name. */
enum sfs_rc sfs_parser_columns_read(struct sfs_parser *p,
                                    struct sfs_err *err) SFS_NODISCARD;

/* CORRUPT: one is missing that the record must have. */
enum sfs_rc sfs_parser_columns_end(struct sfs_parser *p,
                                   struct sfs_record *out) SFS_NODISCARD;

/* "a number", of a token of that type. */
const char *sfs_parser_type_name(enum sfs_json_type type);

/* False: it is no Base64. out may be text itself. */
bool sfs_parser_decode_base64(struct sfs_bytes text, uint8_t *out,
                              size_t *len_out);

/* A reader over text that uses the parser's scratch. */
void sfs_parser_json_init(struct sfs_parser *p, const char *text, size_t len);

/* The reader's failure as a reason, or NO_MEMORY. */
enum sfs_rc sfs_parser_json_failure(struct sfs_parser *p, enum sfs_rc rc,
                                    const char *where,
                                    const struct sfs_err *why,
                                    struct sfs_err *err) SFS_NODISCARD;

#endif
