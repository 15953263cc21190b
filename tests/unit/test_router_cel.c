/* SPDX-License-Identifier: Apache-2.0 */
/* Routing by expression: what it yields, and what cannot be routed by. */
#include "format/router.h"
#include "format/tokens.h"
#include "unit/tap.h"

#include <pthread.h>
#include <stdlib.h>

static struct sfs_err err;
static struct sfs_sharding s;
static struct sfs_router r;
static struct sfs_columns columns;
static struct sfs_route route;

/* columns: "region string tier int"; values: JSON, or "null". */
static void begin(const char *expr, const char *names, const char *values)
{
	char copy[512];
	char *rest = copy;
	char *name;
	char *type;
	struct sfs_sharding parsed;
	char text[4096];
	uint32_t commas = 0;

	(void)snprintf(copy, sizeof(copy), "%s", names);
	for (const char *c = values; *c != '\0'; c++)
		commas += *c == ',';
	(void)snprintf(text, sizeof(text),
	               "{\"strategy\":\"cel\",\"hash_algorithm\":\"xxh3_64\","
	               "\"cel_expr\":\"x\",\"cel_columns\":{\"x\":\"int\"},"
	               "\"routing_values\":%s}",
	               values);
	IS_INT(sfs_sharding_parse(&parsed, text, strlen(text), commas + 1,
	                          &err),
	       SFS_OK);
	IS_INT(sfs_sharding_init(&s, SFS_STRATEGY_CEL, &err), SFS_OK);
	IS_INT(sfs_sharding_set_expr(&s, expr, strlen(expr), &err), SFS_OK);
	s.has_tokens = parsed.has_tokens;
	for (size_t i = 0; i < parsed.token_count; i++)
		IS_INT(sfs_sharding_add_token(&s, &parsed.tokens[i], &err),
		       SFS_OK);
	sfs_sharding_release(&parsed);
	while ((name = strsep(&rest, " ")) != NULL && *name != '\0') {
		type = strsep(&rest, " ");
		IS_INT(sfs_sharding_add_column(&s, name, strlen(name),
		                               sfs_column_kind_from_text(type),
		                               &err),
		       SFS_OK);
	}
	sfs_columns_init(&columns);
}

static void end(void)
{
	sfs_columns_release(&columns);
	sfs_router_release(&r);
	sfs_router_release(&r); /* empty now */
	sfs_sharding_release(&s);
}

static void init(enum sfs_key_encoding encoding, uint32_t num_dbs)
{
	if (sfs_router_init(&r, &s, encoding, num_dbs, &err) != SFS_OK)
		TAP_FAIL("%s", err.msg);
}

static void set(const char *name, const char *text)
{
	IS_INT(sfs_columns_set(&columns, &s,
	                       (struct sfs_cel_text){ name, strlen(name) },
	                       (struct sfs_cel_text){ text, strlen(text) },
	                       &err),
	       SFS_OK);
}

/* The shard; -1: unknown; -2: refused. */
static int64_t to(const void *key, size_t len)
{
	struct sfs_bytes bytes = { key, len };

	if (sfs_router_route(&r, bytes, &columns, &route, &err) != SFS_OK)
		return -2;
	return route.is_known ? (int64_t)route.db_id : -1;
}

static void a_direct_expression_is_the_shard(void)
{
	begin("shard_hash(key) % 6u", "key int", "null");
	init(SFS_KEY_U64BE, 6);
	OK(!r.needs_columns);
	IS_INT(to("\0\0\0\0\0\0\0\x2a", 8), UINT64_C(15395265915043915720) % 6);
	IS_INT(to("\x7f\xff\xff\xff\xff\xff\xff\xff", 8),
	       UINT64_C(11687913294787043142) % 6);
	IS_INT(route.token.kind, SFS_CEL_UINT);
	end();
}

static void keys_are_bound_by_their_encoding(void)
{
	static const struct {
		enum sfs_key_encoding encoding;
		const char *type, *expr;
		const char *key;
		size_t len;
	} cases[] = {
		{ SFS_KEY_U64BE, "int", "key == 258 ? 1 : 0",
		  "\0\0\0\0\0\0\1\2", 8 },
		{ SFS_KEY_U64BE, "uint", "key == 258u ? 1 : 0",
		  "\0\0\0\0\0\0\1\2", 8 },
		{ SFS_KEY_U32BE, "int", "key == 4294967295 ? 1 : 0",
		  "\xff\xff\xff\xff", 4 },
		{ SFS_KEY_U32BE, "uint", "key == 258u ? 1 : 0", "\0\0\1\2", 4 },
		{ SFS_KEY_UTF8, "string", "key == 'a\\u00e9' ? 1 : 0",
		  "a\xc3\xa9", 3 },
		{ SFS_KEY_UTF8, "bytes", "key == b'a\\xc3\\xa9' ? 1 : 0",
		  "a\xc3\xa9", 3 },
		{ SFS_KEY_UTF8, "string", "size(key) == 3 ? 1 : 0", "a\0b", 3 },
		{ SFS_KEY_UTF8, "string", "key == '' ? 1 : 0", NULL, 0 },
		{ SFS_KEY_RAW, "bytes", "key == b'\\xff\\x00' ? 1 : 0",
		  "\xff\0", 2 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char names[32];

		(void)snprintf(names, sizeof(names), "key %s", cases[i].type);
		begin(cases[i].expr, names, "null");
		init(cases[i].encoding, 2);
		IS_INT(to(cases[i].key, cases[i].len), 1);
		end();
	}
}

static void a_routing_value_is_matched_exactly(void)
{
	begin("region", "region string", "[\"us\", \"eu\", \"\"]");
	init(SFS_KEY_UTF8, 3);
	OK(r.needs_columns);
	set("region", "eu");
	IS_INT(to("k", 1), 1);
	sfs_columns_release(&columns);
	set("region", "");
	IS_INT(to("k", 1), 2);
	sfs_columns_release(&columns);
	set("region", "EU");
	IS_INT(to("k", 1), -1);
	IS_INT(sfs_route_refuse(&r, &route, &err), SFS_E_INVALID);
	IS_STR(err.msg,
	       "UnknownRoutingToken: \"EU\" is none of the 3 routing_values");
	end();
}

static void equal_integers_of_both_types_are_one_routing_value(void)
{
	begin("key", "key uint", "[3, 18446744073709551615, -1]");
	init(SFS_KEY_U64BE, 3);
	IS_INT(to("\0\0\0\0\0\0\0\3", 8), 0);
	IS_INT(to("\0\0\0\0\0\0\0\4", 8), -1);
	end();
	begin("key == 1u ? 18446744073709551615u : 9223372036854775807u",
	      "key uint", "[-1, 9223372036854775807, 18446744073709551615]");
	init(SFS_KEY_U64BE, 3);
	IS_INT(to("\0\0\0\0\0\0\0\1", 8), 2);
	IS_INT(to("\0\0\0\0\0\0\0\2", 8), 1);
	end();
}

static void strings_and_bytes_are_not_one_routing_value(void)
{
	begin("dyn(b)", "b bytes", "[\"a\", \"b\"]");
	init(SFS_KEY_UTF8, 2);
	set("b", "a");
	IS_INT(to("k", 1), -1);
	end();
	begin("b", "b bytes",
	      "[{\"__bytes_hex__\": \"62\"}, {\"__bytes_hex__\": \"61\"}]");
	init(SFS_KEY_UTF8, 2);
	set("b", "a");
	IS_INT(to("k", 1), 1);
	end();
}

static void no_routing_value_is_known_of_none(void)
{
	begin("key", "key int", "[]");
	init(SFS_KEY_U64BE, 1);
	IS_INT(to("\0\0\0\0\0\0\0\0", 8), -1);
	end();
}

static void shards_outside_of_the_snapshot_are_refused(void)
{
	begin("key - 2", "key int", "null");
	init(SFS_KEY_U64BE, 3);
	IS_INT(to("\0\0\0\0\0\0\0\2", 8), 0);
	IS_INT(to("\0\0\0\0\0\0\0\4", 8), 2);
	IS_INT(to("\0\0\0\0\0\0\0\1", 8), -2);
	HAS_STR(err.msg, "shard -1 of 0 to 2");
	IS_INT(to("\0\0\0\0\0\0\0\5", 8), -2);
	HAS_STR(err.msg, "shard 3 of 0 to 2");
	end();
	begin("key", "key uint", "null");
	init(SFS_KEY_U64BE, 3);
	IS_INT(to("\x7f\xff\xff\xff\xff\xff\xff\xff", 8), -2);
	HAS_STR(err.msg, "shard 9223372036854775807 of 0 to 2");
	end();
}

static void an_error_is_an_error(void)
{
	begin("1 / key", "key int", "null");
	init(SFS_KEY_U64BE, 2);
	IS_INT(to("\0\0\0\0\0\0\0\1", 8), 1);
	IS_INT(to("\0\0\0\0\0\0\0\0", 8), -2);
	HAS_STR(err.msg, "cel_expr: ");
	end();
	begin("dyn(key)", "key string", "null");
	init(SFS_KEY_UTF8, 4);
	IS_INT(to("3", 1), -2); /* not shard 3 */
	HAS_STR(err.msg, "string where the number of a shard is needed");
	end();
	begin("dyn(key == 'a' ? dyn(true) : dyn(1.0))", "key string", "null");
	init(SFS_KEY_UTF8, 4);
	IS_INT(to("a", 1), -2);
	HAS_STR(err.msg, "yields bool");
	IS_INT(to("b", 1), -2);
	HAS_STR(err.msg, "yields double");
	end();
}

static void only_columns_that_are_used_are_needed(void)
{
	const char *missing = NULL;
	struct sfs_bytes key = { (const uint8_t *)"k", 1 };

	begin("region + ':' + string(tier)",
	      "note string region string tier int", "[\"eu:1\", \"us:1\"]");
	init(SFS_KEY_UTF8, 2);
	OK(!sfs_router_can_route(&r, NULL, &missing));
	IS_STR(missing, "region");
	IS_INT(sfs_router_route(&r, key, NULL, &route, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "column region is needed");
	set("region", "us");
	OK(!sfs_router_can_route(&r, &columns, &missing));
	IS_STR(missing, "tier");
	set("tier", "1");
	OK(sfs_router_can_route(&r, &columns, NULL));
	IS_INT(to("k", 1), 1);
	end();
	begin("size(key) % 2", "key string region string", "null");
	init(SFS_KEY_UTF8, 2);
	OK(!r.needs_columns);
	IS_INT(sfs_router_route(&r, key, NULL, &route, &err), SFS_OK);
	IS_INT(route.db_id, 1);
	end();
}

static void the_key_column_is_the_key_whatever_is_given(void)
{
	begin("key + region", "region string key string", "[\"keu\", \"geu\"]");
	init(SFS_KEY_UTF8, 2);
	OK(r.needs_columns);
	set("region", "eu");
	IS_INT(to("k", 1), 0);
	set("key", "g");
	IS_INT(to("k", 1), 0);
	end();
}

static void expect_refusal(const char *expr, const char *names,
                           const char *values, enum sfs_key_encoding encoding,
                           const char *part)
{
	begin(expr, names, values);
	IS_INT(sfs_router_init(&r, &s, encoding, 2, &err), SFS_E_INVALID);
	HAS_STR(err.msg, part);
	end();
}

static void what_cannot_route_is_refused_before_any_key(void)
{
	expect_refusal("key %", "key int", "null", SFS_KEY_U64BE,
	               "cel_expr: 1:");
	expect_refusal("key + 'a'", "key int", "null", SFS_KEY_U64BE,
	               "cel_expr: 1:");
	expect_refusal("nokey", "key int", "null", SFS_KEY_U64BE, "nokey");
	expect_refusal("key", "key string", "null", SFS_KEY_UTF8,
	               "cel_expr yields string, but without routing_values");
	expect_refusal("key > 1", "key int", "null", SFS_KEY_U64BE,
	               "cel_expr yields bool: it must be");
	expect_refusal("double(key)", "key int", "null", SFS_KEY_U64BE,
	               "cel_expr yields double");
	expect_refusal("[key]", "key int", "[1, 2]", SFS_KEY_U64BE,
	               "cel_expr yields list(int)");
	expect_refusal("key", "key int", "[\"a\", \"b\"]", SFS_KEY_U64BE,
	               "cel_expr yields int, but the routing_values are "
	               "string");
	expect_refusal("b", "b bytes", "[\"a\", \"b\"]", SFS_KEY_U64BE,
	               "cel_expr yields bytes, but the routing_values are "
	               "string");
	expect_refusal("key", "key string", "[\"a\", \"b\"]", SFS_KEY_U64BE,
	               "the column key is string, which u64be keys are not");
	expect_refusal("1", "key int x int", "null", SFS_KEY_UTF8,
	               "the column key is int, which utf8 keys are not");
	expect_refusal("key", "key string", "[\"a\", \"b\"]", SFS_KEY_RAW,
	               "the column key is string, which raw keys are not");
	expect_refusal("key", "key bool", "null", SFS_KEY_U32BE,
	               "the column key is bool");
}

static void tokens_alone_need_no_shards(void)
{
	struct sfs_bytes key = { (const uint8_t *)"k", 1 };
	struct sfs_cel_value token;

	begin("key + '!'", "key string", "null");
	init(SFS_KEY_UTF8, 0);
	IS_INT(sfs_router_token(&r, key, NULL, &token, &err), SFS_OK);
	IS_INT(token.kind, SFS_CEL_STRING);
	IS_INT(token.as.text.len, 2);
	OK(memcmp(token.as.text.data, "k!", 2) == 0);
	end();
}

static void a_million_routing_values_are_found(void)
{
	struct sfs_cel_value token = { .kind = SFS_CEL_INT };
	struct sfs_token_index *index = NULL;
	uint32_t db_id;
	size_t wrong = 0;

	IS_INT(sfs_sharding_init(&s, SFS_STRATEGY_CEL, &err), SFS_OK);
	for (int64_t i = 0; i < SFS_TOKENS_MAX; i++) {
		token.as.integer = i * 3 - 1000;
		if (sfs_sharding_add_token(&s, &token, &err) != SFS_OK)
			break;
	}
	IS_INT(s.token_count, SFS_TOKENS_MAX);
	IS_INT(sfs_sharding_add_token(&s, &token, &err), SFS_E_UNSUPPORTED);
	IS_INT(sfs_sharding_check_tokens(&s, &err), SFS_OK);
	IS_INT(sfs_token_index_new(&s, &index, &err), SFS_OK);
	for (int64_t i = 0; i < SFS_TOKENS_MAX; i++) {
		token.as.integer = i * 3 - 1000;
		if (!sfs_token_index_find(index, &token, &db_id) || db_id != i)
			wrong++;
		token.as.integer++;
		if (sfs_token_index_find(index, &token, &db_id))
			wrong++;
	}
	IS_INT(wrong, 0);
	sfs_token_index_free(index);
	sfs_sharding_release(&s);
}

enum { THREADS = 4, TURNS = 2000 };

static void *route_many(void *arg)
{
	unsigned *wrong = arg;
	struct sfs_route got;
	char name[16];

	for (int i = 0; i < TURNS; i++) {
		int len = snprintf(name, sizeof(name), "k%d", i);
		struct sfs_bytes key = { (const uint8_t *)name, (size_t)len };

		if (sfs_router_route(&r, key, NULL, &got, NULL) != SFS_OK ||
		    got.token.as.text.len != (size_t)len + 1 ||
		    memcmp(got.token.as.text.data + 1, name, (size_t)len) != 0)
			(*wrong)++;
	}
	return NULL;
}

static void threads_route_side_by_side(void)
{
	unsigned wrong[THREADS] = { 0 };
	pthread_t threads[THREADS];

	begin("'x' + key", "key string", "[\"a\", \"b\"]");
	init(SFS_KEY_UTF8, 2);
	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, route_many, &wrong[i]) ==
		   0);
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		IS_INT(wrong[i], 0);
	}
	end();
}

int main(void)
{
	RUN(a_direct_expression_is_the_shard);
	RUN(keys_are_bound_by_their_encoding);
	RUN(a_routing_value_is_matched_exactly);
	RUN(equal_integers_of_both_types_are_one_routing_value);
	RUN(strings_and_bytes_are_not_one_routing_value);
	RUN(no_routing_value_is_known_of_none);
	RUN(shards_outside_of_the_snapshot_are_refused);
	RUN(an_error_is_an_error);
	RUN(only_columns_that_are_used_are_needed);
	RUN(the_key_column_is_the_key_whatever_is_given);
	RUN(what_cannot_route_is_refused_before_any_key);
	RUN(tokens_alone_need_no_shards);
	RUN(a_million_routing_values_are_found);
	RUN(threads_route_side_by_side);
	return tap_done();
}
