/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of keys as an expression. The tree is balanced, so that a key takes
 * as few comparisons as it can, and an expression of thousands of shards is
 * nested a dozen deep; literals are written so that every reader of CEL takes
 * them for the bound's very bytes.
 */
#include "format/ranges.h"

#include <inttypes.h>
#include <string.h>

static bool is_integer(enum sfs_key_encoding encoding)
{
	return encoding == SFS_KEY_U64BE || encoding == SFS_KEY_U32BE;
}

static uint64_t integer_of(struct sfs_bytes bound)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bound.len; i++)
		value = value << 8 | bound.data[i];
	return value;
}

static bool is_key(enum sfs_key_encoding encoding, struct sfs_bytes bound)
{
	char name[32];
	size_t len;

	/* a name that is too long is one all the same */
	return sfs_key_to_name(encoding, bound, name, sizeof(name), &len) !=
	       SFS_E_CORRUPT;
}

static enum sfs_rc check_bounds(enum sfs_key_encoding encoding,
                                const struct sfs_bytes *bounds, size_t count,
                                struct sfs_err *err)
{
	if (count == 0)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "ranges need at least one bound");
	if (count >= SFS_TOKENS_MAX)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%zu bounds make more than %d shards", count,
		                   SFS_TOKENS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!is_key(encoding, bounds[i]))
			return sfs_err_set(err, SFS_E_INVALID,
			                   "bound %zu is no %s key", i + 1,
			                   sfs_key_encoding_text(encoding));
		if (i > 0 && sfs_bytes_compare(bounds[i - 1], bounds[i]) >= 0)
			return sfs_err_set(err, SFS_E_INVALID,
			                   "bound %zu is not above the one "
			                   "before it",
			                   i + 1);
	}
	return SFS_OK;
}

/*
 * \xHH is a code point in a string, and an octet in bytes: what is not ASCII
 * stands for itself in the one, and is escaped in the other.
 */
static void print_literal(enum sfs_key_encoding encoding,
                          struct sfs_bytes bound, struct sfs_buf *out)
{
	uint8_t c;

	if (is_integer(encoding)) {
		sfs_buf_printf(out, "%" PRIu64, integer_of(bound));
		return;
	}
	sfs_buf_puts(out, encoding == SFS_KEY_RAW ? "b\"" : "\"");
	for (size_t i = 0; i < bound.len; i++) {
		c = bound.data[i];
		if (c < 0x20 || c == 0x7F || c == '"' || c == '\\' ||
		    (c >= 0x80 && encoding == SFS_KEY_RAW))
			sfs_buf_printf(out, "\\x%02x", c);
		else
			sfs_buf_putc(out, (char)c);
	}
	sfs_buf_putc(out, '"');
}

struct tree {
	enum sfs_key_encoding encoding;
	const struct sfs_bytes *bounds;
	struct sfs_buf text;
};

/* Shards [first, first + count]; as deep as the logarithm of their number. */
static void print_tree(struct tree *t, size_t first, size_t count)
{
	size_t middle = first + count / 2;

	if (count == 0) {
		sfs_buf_printf(&t->text, "%zu", first);
		return;
	}
	sfs_buf_puts(&t->text, "key < ");
	print_literal(t->encoding, t->bounds[middle], &t->text);
	sfs_buf_puts(&t->text, middle > first ? " ? (" : " ? ");
	print_tree(t, first, middle - first);
	sfs_buf_puts(&t->text, middle > first ? ")" : "");
	count -= middle - first + 1;
	sfs_buf_puts(&t->text, count > 0 ? " : (" : " : ");
	print_tree(t, middle + 1, count);
	sfs_buf_puts(&t->text, count > 0 ? ")" : "");
}

static enum sfs_cel_kind column_kind(enum sfs_key_encoding encoding)
{
	if (is_integer(encoding))
		return SFS_CEL_INT;
	return encoding == SFS_KEY_RAW ? SFS_CEL_BYTES : SFS_CEL_STRING;
}

enum sfs_rc sfs_ranges_sharding(enum sfs_key_encoding encoding,
                                const struct sfs_bytes *bounds, size_t count,
                                struct sfs_sharding *out, struct sfs_err *err)
{
	struct tree tree = { .encoding = encoding,
		             .bounds = bounds,
		             .text = SFS_BUF_INIT(SFS_CEL_TEXT_MAX_BYTES) };
	enum sfs_rc rc;

	*out = (struct sfs_sharding){ .strategy = SFS_STRATEGY_CEL };
	rc = check_bounds(encoding, bounds, count, err);
	if (rc != SFS_OK)
		return rc;
	print_tree(&tree, 0, count);
	rc = sfs_buf_finish(&tree.text, "the expression of the ranges", err);
	if (rc == SFS_OK)
		rc = sfs_sharding_init(out, SFS_STRATEGY_CEL, err);
	if (rc == SFS_OK)
		rc = sfs_sharding_set_expr(out, tree.text.data, tree.text.len,
		                           err);
	if (rc == SFS_OK)
		rc = sfs_sharding_add_column(out, "key", 3,
		                             column_kind(encoding), err);
	sfs_buf_release(&tree.text);
	return rc;
}
