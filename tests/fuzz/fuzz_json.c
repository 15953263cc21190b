/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the reader takes, printed again and read again, must give the same
 * tokens.
 */
#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(struct sfs_json_printer *p, const struct sfs_json_token *t)
{
	switch (t->type) {
	case SFS_JSON_NULL:
		sfs_json_null(p);
		break;
	case SFS_JSON_BOOL:
		sfs_json_bool(p, t->boolean);
		break;
	case SFS_JSON_INT:
		sfs_json_int(p, t->integer);
		break;
	case SFS_JSON_DOUBLE:
		sfs_json_double(p, t->number);
		break;
	case SFS_JSON_STRING:
		sfs_json_string(p, t->text, t->len);
		break;
	case SFS_JSON_KEY:
		sfs_json_key(p, t->text);
		break;
	case SFS_JSON_OBJECT_BEGIN:
		sfs_json_object_begin(p);
		break;
	case SFS_JSON_OBJECT_END:
		sfs_json_object_end(p);
		break;
	case SFS_JSON_ARRAY_BEGIN:
		sfs_json_array_begin(p);
		break;
	case SFS_JSON_ARRAY_END:
		sfs_json_array_end(p);
		break;
	case SFS_JSON_END:
		break;
	}
}

/* Reads to the end and prints into out. */
static enum sfs_rc rewrite(const char *data, size_t len, bool ascii,
                           struct sfs_buf *out)
{
	struct sfs_json_printer p;
	struct sfs_json_reader r;
	struct sfs_json_token t;
	enum sfs_rc rc;

	sfs_json_printer_init(&p, out, ascii, ascii);
	sfs_json_reader_init(&r, data, len);
	do {
		rc = sfs_json_next(&r, &t, NULL);
		if (rc == SFS_OK)
			print(&p, &t);
	} while (rc == SFS_OK && t.type != SFS_JSON_END);
	sfs_json_reader_release(&r);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sfs_buf once = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_buf twice = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	bool ascii;

	if (size == 0)
		return 0;
	ascii = (data[size - 1] & 1) != 0;
	if (rewrite((const char *)data, size, ascii, &once) == SFS_OK) {
		if (rewrite(once.data, once.len, ascii, &twice) != SFS_OK ||
		    once.len != twice.len ||
		    memcmp(once.data, twice.data, once.len) != 0)
			abort();
	}
	sfs_buf_release(&once);
	sfs_buf_release(&twice);
	return 0;
}
