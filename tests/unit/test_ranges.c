/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of keys: the expression that says them, and bounds that are none. */
#include "format/ranges.h"
#include "format/router.h"
#include "unit/tap.h"

#include <stdlib.h>

enum { BOUNDS_MAX = 48, BYTES_MAX = 12, KEYS = 200, ROUNDS = 60 };

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

/* A key of an encoding. */
struct key {
	uint8_t bytes[BYTES_MAX + 1];
	size_t len;
};

static void put_integer(struct key *k, size_t len, uint64_t value)
{
	k->len = len;
	for (size_t i = 0; i < len; i++)
		k->bytes[i] = (uint8_t)(value >> 8 * (len - 1 - i));
}

static uint64_t random_integer(uint64_t max)
{
	uint64_t value = (uint64_t)random() << 62 ^ (uint64_t)random() << 31 ^
	                 (uint64_t)random();

	/* of all magnitudes */
	return (value >> random() % 64) & max;
}

static void random_key(enum sfs_key_encoding encoding, struct key *k)
{
	static const char *const parts[] = {
		"a", "b",    "\"",       "\\",           "'",
		"?", "\x7f", "\xc3\xa9", "\xef\xbf\xbd", "\xf0\x9f\x98\x80",
	};

	if (encoding == SFS_KEY_U64BE) {
		put_integer(k, 8, random_integer(INT64_MAX));
		return;
	}
	if (encoding == SFS_KEY_U32BE) {
		put_integer(k, 4, random_integer(UINT32_MAX));
		return;
	}
	k->len = 0;
	for (long n = random() % 4; n > 0; n--) {
		const char *part = parts[random() % 10];
		size_t len = strlen(part);

		if (encoding == SFS_KEY_RAW || random() % 4 == 0) {
			/* any byte, or any of ASCII: NUL and newline too */
			k->bytes[k->len++] =
				(uint8_t)(random() % (encoding == SFS_KEY_RAW
			                                      ? 256
			                                      : 128));
			continue;
		}
		if (k->len + len <= BYTES_MAX - 1) {
			memcpy(k->bytes + k->len, part, len);
			k->len += len;
		}
	}
}

static int compare(const void *a, const void *b)
{
	const struct key *x = a;
	const struct key *y = b;
	int order =
		memcmp(x->bytes, y->bytes, x->len < y->len ? x->len : y->len);

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* Random bounds, ascending, none twice; their number. */
static size_t random_bounds(enum sfs_key_encoding encoding,
                            struct key bounds[BOUNDS_MAX])
{
	size_t wanted = 1 + (size_t)random() % BOUNDS_MAX;
	size_t count = 0;

	for (size_t i = 0; i < wanted; i++)
		random_key(encoding, &bounds[i]);
	qsort(bounds, wanted, sizeof(bounds[0]), compare);
	for (size_t i = 0; i < wanted; i++) {
		if (count == 0 || compare(&bounds[count - 1], &bounds[i]) != 0)
			bounds[count++] = bounds[i];
	}
	return count;
}

static uint32_t shard_of(const struct key *bounds, size_t count,
                         const struct key *k)
{
	uint32_t shard = 0;

	while (shard < count && compare(&bounds[shard], k) <= 0)
		shard++;
	return shard;
}

static void expect_shard(const struct sfs_router *r, const struct key *bounds,
                         size_t count, const struct key *k)
{
	struct sfs_bytes bytes = { k->bytes, k->len };
	struct sfs_route route;

	if (sfs_router_route(r, bytes, NULL, &route, &err) != SFS_OK)
		TAP_FAIL("%s", err.msg);
	else if (!route.is_known || route.db_id != shard_of(bounds, count, k))
		TAP_FAIL("a key of %zu bytes goes to %u, not %u of %zu", k->len,
		         route.db_id, shard_of(bounds, count, k), count + 1);
}

/* The keys right before and behind k: false, there is none. */
static bool neighbour(enum sfs_key_encoding encoding, const struct key *k,
                      bool is_next, struct key *out)
{
	uint64_t value = 0;

	*out = *k;
	if (encoding == SFS_KEY_UTF8 || encoding == SFS_KEY_RAW) {
		if (is_next)
			out->bytes[out->len++] = 0;
		else if (k->len > 0 && k->bytes[k->len - 1] < 0x80)
			out->len--;
		return is_next || out->len < k->len;
	}
	for (size_t i = 0; i < k->len; i++)
		value = value << 8 | k->bytes[i];
	if (is_next ? value == (k->len == 8 ? INT64_MAX : UINT32_MAX)
	            : value == 0)
		return false;
	put_integer(out, k->len, is_next ? value + 1 : value - 1);
	return true;
}

static void check_keys(enum sfs_key_encoding encoding,
                       const struct sfs_router *r, const struct key *bounds,
                       size_t count)
{
	struct key k;

	for (size_t i = 0; i < count; i++) {
		expect_shard(r, bounds, count, &bounds[i]);
		if (neighbour(encoding, &bounds[i], true, &k))
			expect_shard(r, bounds, count, &k);
		if (neighbour(encoding, &bounds[i], false, &k))
			expect_shard(r, bounds, count, &k);
	}
	for (int i = 0; i < KEYS; i++) {
		random_key(encoding, &k);
		expect_shard(r, bounds, count, &k);
	}
	/* the least and the greatest */
	if (encoding == SFS_KEY_U64BE || encoding == SFS_KEY_U32BE) {
		size_t len = encoding == SFS_KEY_U64BE ? 8 : 4;

		put_integer(&k, len, 0);
		expect_shard(r, bounds, count, &k);
		put_integer(&k, len, len == 8 ? INT64_MAX : UINT32_MAX);
		expect_shard(r, bounds, count, &k);
		return;
	}
	k.len = 0;
	expect_shard(r, bounds, count, &k);
	memcpy(k.bytes, "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf", 8);
	k.len = 8;
	expect_shard(r, bounds, count, &k);
}

static void check_round(enum sfs_key_encoding encoding)
{
	struct sfs_bytes bytes[BOUNDS_MAX];
	struct key bounds[BOUNDS_MAX];
	size_t count = random_bounds(encoding, bounds);
	struct sfs_sharding s;
	struct sfs_router r;

	for (size_t i = 0; i < count; i++)
		bytes[i] = (struct sfs_bytes){ bounds[i].bytes, bounds[i].len };
	IS_INT(sfs_ranges_sharding(encoding, bytes, count, &s, &err), SFS_OK);
	if (sfs_router_init(&r, &s, encoding, (uint32_t)count + 1, &err) !=
	    SFS_OK) {
		TAP_FAIL("%s: %s", s.expr.data, err.msg);
	} else {
		OK(!r.needs_columns);
		check_keys(encoding, &r, bounds, count);
		sfs_router_release(&r);
	}
	sfs_sharding_release(&s);
}

static void the_expression_is_the_comparison_with_the_bounds(void)
{
	static const enum sfs_key_encoding encodings[] = {
		SFS_KEY_U64BE, SFS_KEY_U32BE, SFS_KEY_UTF8, SFS_KEY_RAW
	};

	srandom(1);
	for (int i = 0; i < ROUNDS; i++) {
		for (int e = 0; e < 4; e++)
			check_round(encodings[e]);
	}
}

static void thousands_of_ranges_are_one_expression(void)
{
	enum { MANY = 4095 };
	struct sfs_bytes *bytes = calloc(MANY, sizeof(*bytes));
	struct key *bounds = calloc(MANY, sizeof(*bounds));
	struct sfs_sharding s;
	struct sfs_router r;
	struct key k;

	for (size_t i = 0; bytes != NULL && bounds != NULL && i < MANY; i++) {
		put_integer(&bounds[i], 8, (i + 1) * 1000000007);
		bytes[i] = (struct sfs_bytes){ bounds[i].bytes, 8 };
	}
	IS_INT(sfs_ranges_sharding(SFS_KEY_U64BE, bytes, MANY, &s, &err),
	       SFS_OK);
	IS_INT(sfs_router_init(&r, &s, SFS_KEY_U64BE, MANY + 1, &err), SFS_OK);
	for (int i = 0; i < KEYS; i++) {
		put_integer(&k, 8, random_integer(MANY * UINT64_C(1000000100)));
		expect_shard(&r, bounds, MANY, &k);
	}
	sfs_router_release(&r);
	sfs_sharding_release(&s);
	free(bounds);
	free(bytes);
}

int main(void)
{
	RUN(the_tree_is_balanced_and_written_as_in_golden_stores);
	RUN(every_special_byte_is_escaped);
	RUN(bounds_ascend_and_are_keys);
	RUN(the_expression_is_the_comparison_with_the_bounds);
	RUN(thousands_of_ranges_are_one_expression);
	return tap_done();
}
