/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_GOLDEN_COLUMNS_H
#define SFS_TESTS_GOLDEN_COLUMNS_H

/* The columns of golden rows: what their "context" says. */
#include "base/json.h"
#include "format/columns.h"
#include "unit/golden.h"

/* A value's text, as columns are read from. */
static inline struct sfs_cel_text golden_text(const struct sfs_json_token *t,
                                              char buf[32])
{
	struct sfs_cel_text text = { buf, 0 };

	if (t->type == SFS_JSON_STRING)
		return (struct sfs_cel_text){ t->text, t->len };
	if (t->type == SFS_JSON_INT)
		text.len = (size_t)snprintf(buf, 32, "%" PRId64, t->integer);
	else if (t->type == SFS_JSON_BOOL)
		text.len = (size_t)snprintf(buf, 32, "%s",
		                            t->boolean ? "true" : "false");
	else
		TAP_FAIL("a column of type %d", t->type);
	return text;
}

/* Initialises *out; release it. */
static inline void golden_columns(const struct golden_row *row,
                                  const struct sfs_sharding *s,
                                  struct sfs_columns *out)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	struct sfs_err err;
	char name[SFS_COLUMN_NAME_BYTES];
	char buf[32];

	sfs_columns_init(out);
	OK(row->context != NULL);
	if (row->context == NULL)
		return;
	sfs_json_reader_init(&r, row->context, strlen(row->context));
	IS_INT(sfs_json_next(&r, &t, &err), SFS_OK);
	while (sfs_json_next(&r, &t, &err) == SFS_OK &&
	       t.type == SFS_JSON_KEY) {
		(void)snprintf(name, sizeof(name), "%s", t.text);
		IS_INT(sfs_json_next(&r, &t, &err), SFS_OK);
		IS_INT(sfs_columns_set(
			       out, s,
			       (struct sfs_cel_text){ name, strlen(name) },
			       golden_text(&t, buf), &err),
		       SFS_OK);
	}
	sfs_json_reader_release(&r);
}

#endif
