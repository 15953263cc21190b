/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of keys: the expression that says them, and bounds that are none. */
#include "format/ranges.h"
#include "unit/tap.h"

static struct sfs_err err;

static struct sfs_bytes text(const char *s)
{
	return (struct sfs_bytes){ (const uint8_t *)s, strlen(s) };
}

static const char *expr(enum sfs_key_encoding encoding,
                        const struct sfs_bytes *bounds, size_t count)
{
	static char out[4096];
	struct sfs_sharding s;

	IS_INT(sfs_ranges_sharding(encoding, bounds, count, &s, &err), SFS_OK);
	IS_INT(s.strategy, SFS_STRATEGY_CEL);
	OK(!s.has_tokens);
	IS_INT(s.column_count, 1);
	IS_STR(s.columns[0].name, "key");
	(void)snprintf(out, sizeof(out), "%s: %s",
	               sfs_column_kind_text(s.columns[0].kind), s.expr.data);
	sfs_sharding_release(&s);
	return out;
}

static void the_tree_is_balanced_and_written_as_in_golden_stores(void)
{
	struct sfs_bytes u64[] = {
		{ (const uint8_t *)"\0\0\0\0\0\0\x03\xe8", 8 },
		{ (const uint8_t *)"\0\0\0\0\0\x01\0\0", 8 },
		{ (const uint8_t *)"\0\0\0\0\x80\0\0\0", 8 },
	};
	struct sfs_bytes u32[] = {
		{ (const uint8_t *)"\0\0\x03\xe8", 4 },
		{ (const uint8_t *)"\xff\xff\xff\xff", 4 },
	};

	IS_STR(expr(SFS_KEY_U64BE, u64, 3),
	       "int: key < 65536 ? (key < 1000 ? 0 : 1) : "
	       "(key < 2147483648 ? 2 : 3)");
	IS_STR(expr(SFS_KEY_U64BE, u64, 1), "int: key < 1000 ? 0 : 1");
	IS_STR(expr(SFS_KEY_U32BE, u32, 2),
	       "int: key < 4294967295 ? (key < 1000 ? 0 : 1) : 2");
}

static void every_special_byte_is_escaped(void)
{
	struct sfs_bytes utf8[] = { text("a\"\\\n\x7f"), text("m'\xc3\xa9") };
	struct sfs_bytes raw[] = { { (const uint8_t *)"\0a\"", 3 },
		                   text("\xff\\") };

	IS_STR(expr(SFS_KEY_UTF8, utf8, 2),
	       "string: key < \"m'\xc3\xa9\" ? (key < "
	       "\"a\\x22\\x5c\\x0a\\x7f\" ? 0 : 1) : 2");
	IS_STR(expr(SFS_KEY_RAW, raw, 2),
	       "bytes: key < b\"\\xff\\x5c\" ? (key < b\"\\x00a\\x22\" ? 0 : "
	       "1) : 2");
}

static void expect_refusal(enum sfs_key_encoding encoding, struct sfs_bytes a,
                           struct sfs_bytes b, const char *part)
{
	struct sfs_bytes bounds[] = { a, b };
	struct sfs_sharding s;

	IS_INT(sfs_ranges_sharding(encoding, bounds, 2, &s, &err),
	       SFS_E_INVALID);
	HAS_STR(err.msg, part);
	sfs_sharding_release(&s);
}

static void bounds_ascend_and_are_keys(void)
{
	struct sfs_bytes eight = { (const uint8_t *)"\0\0\0\0\0\0\0\1", 8 };
	struct sfs_bytes large = { (const uint8_t *)"\x80\0\0\0\0\0\0\0", 8 };
	struct sfs_sharding s;

	IS_INT(sfs_ranges_sharding(SFS_KEY_UTF8, NULL, 0, &s, &err),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "at least one bound");
	sfs_sharding_release(&s);
	expect_refusal(SFS_KEY_UTF8, text("b"), text("a"), "bound 2 is not");
	expect_refusal(SFS_KEY_UTF8, text("b"), text("b"), "bound 2 is not");
	expect_refusal(SFS_KEY_UTF8, text("ab"), text("a"), "bound 2 is not");
	expect_refusal(SFS_KEY_UTF8, text("\xff"), text("a"),
	               "bound 1 is no utf8 key");
	expect_refusal(SFS_KEY_U32BE, text("abcd"), eight,
	               "bound 2 is no u32be key");
	expect_refusal(SFS_KEY_U64BE, eight, large, "bound 2 is no u64be key");
}

int main(void)
{
	RUN(the_tree_is_balanced_and_written_as_in_golden_stores);
	RUN(every_special_byte_is_escaped);
	RUN(bounds_ascend_and_are_keys);
	return tap_done();
}
