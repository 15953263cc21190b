/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_JSON_H
#define SFS_BASE_JSON_H

#include "base/buf.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * JSON (RFC 8259) for data that must come back exactly: integers are 64-bit,
 * strings are counted and may hold NUL. NaN, Infinity and -Infinity are read
 * too, since Python writes them. The reader pulls one token at a time over
 * memory that the caller keeps; all it allocates is one scratch buffer for
 * the text of the current token.
 */
enum sfs_json_type {
	SFS_JSON_END = 0, /* the document is complete */
	SFS_JSON_NULL,
	SFS_JSON_BOOL,
	SFS_JSON_INT,    /* fits int64 */
	SFS_JSON_DOUBLE, /* every other number */
	SFS_JSON_STRING,
	SFS_JSON_KEY, /* a member's name; its value comes next */
	SFS_JSON_OBJECT_BEGIN,
	SFS_JSON_OBJECT_END,
	SFS_JSON_ARRAY_BEGIN,
	SFS_JSON_ARRAY_END,
};

enum { SFS_JSON_DEPTH_MAX = 64 };

struct sfs_json_token {
	enum sfs_json_type type;
	bool boolean;
	int64_t integer;
	double number;    /* INT and DOUBLE */
	const char *text; /* STRING, KEY: decoded UTF-8, borrowed until */
	size_t len;       /*   the next call; text is NUL-terminated */
	size_t offset;    /* where the token begins in the document */
};

struct sfs_json_reader {
	const char *data; /* borrowed */
	size_t len;
	size_t pos;
	int depth;
	bool is_complete;                  /* the outermost value was read */
	uint8_t stack[SFS_JSON_DEPTH_MAX]; /* open containers and states */
	struct sfs_buf scratch;
	/*
	 * May be set after init: half of a surrogate pair reads as U+FFFD.
	 * Python writes such for file names that are not UTF-8.
	 */
	bool is_lax;
};

void sfs_json_reader_init(struct sfs_json_reader *r, const char *data,
                          size_t len);
void sfs_json_reader_release(struct sfs_json_reader *r);

/*
 * The next token. CORRUPT with line and column: not JSON, bad UTF-8, lone
 * surrogate (\uD800 without its half), too deep, bytes behind the document.
 */
enum sfs_rc sfs_json_next(struct sfs_json_reader *r,
                          struct sfs_json_token *token,
                          struct sfs_err *err) SFS_NODISCARD;

/*
 * Skips the whole value that comes next (after KEY, or the document) and
 * tells its raw text, borrowed from the document. CORRUPT as above.
 */
enum sfs_rc sfs_json_skip(struct sfs_json_reader *r, const char **raw,
                          size_t *raw_len, struct sfs_err *err) SFS_NODISCARD;

/*
 * Printing, in the two forms that shardyfusion writes with Python's
 * json.dumps: separators "," ":" or ", " ": "; non-ASCII always as \uXXXX.
 * Commas are the printer's business: call key() and values in order.
 */
struct sfs_json_printer {
	struct sfs_buf *out; /* borrowed */
	bool spaced;         /* ", " and ": " */
	bool ascii;          /* \uXXXX; else UTF-8 as it is */
	bool is_after_key;
	bool is_after_value; /* in this container: a comma comes first */
};

void sfs_json_printer_init(struct sfs_json_printer *p, struct sfs_buf *out,
                           bool spaced, bool ascii);
void sfs_json_object_begin(struct sfs_json_printer *p);
void sfs_json_object_end(struct sfs_json_printer *p);
void sfs_json_array_begin(struct sfs_json_printer *p);
void sfs_json_array_end(struct sfs_json_printer *p);
void sfs_json_key(struct sfs_json_printer *p, const char *name);
void sfs_json_string(struct sfs_json_printer *p, const char *text,
                     size_t len); /* invalid UTF-8 becomes U+FFFD */
void sfs_json_cstring(struct sfs_json_printer *p,
                      const char *text); /* NULL: null */
void sfs_json_int(struct sfs_json_printer *p, int64_t value);
void sfs_json_uint(struct sfs_json_printer *p, uint64_t value);
void sfs_json_double(struct sfs_json_printer *p,
                     double value); /* as Python's repr() */
void sfs_json_bool(struct sfs_json_printer *p, bool value);
void sfs_json_null(struct sfs_json_printer *p);
void sfs_json_raw(struct sfs_json_printer *p, const char *json, size_t len);

#endif
