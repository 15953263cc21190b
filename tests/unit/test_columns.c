/* SPDX-License-Identifier: Apache-2.0 */
/* Values of columns: from text, from the names of directories, and back. */
#include "format/columns.h"
#include "unit/tap.h"

static struct sfs_err err;
static struct sfs_sharding s;
static struct sfs_columns c;

static void begin(void)
{
	static const struct {
		const char *name;
		enum sfs_cel_kind kind;
	} columns[] = {
		{ "tier", SFS_CEL_INT },      { "region", SFS_CEL_STRING },
		{ "count", SFS_CEL_UINT },    { "active", SFS_CEL_BOOL },
		{ "weight", SFS_CEL_DOUBLE }, { "blob", SFS_CEL_BYTES },
		{ "key", SFS_CEL_STRING },
	};

	IS_INT(sfs_sharding_init(&s, SFS_STRATEGY_CEL, &err), SFS_OK);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		IS_INT(sfs_sharding_add_column(&s, columns[i].name,
		                               strlen(columns[i].name),
		                               columns[i].kind, &err),
		       SFS_OK);
	sfs_columns_init(&c);
}

static void end(void)
{
	sfs_columns_release(&c);
	sfs_sharding_release(&s);
}

static enum sfs_rc set(const char *name, const char *text)
{
	return sfs_columns_set(
		&c, &s, (struct sfs_cel_text){ name, strlen(name) },
		(struct sfs_cel_text){ text, strlen(text) }, &err);
}

static enum sfs_rc set_name(const char *name)
{
	return sfs_columns_set_name(&c, &s, name, strlen(name), &err);
}

static const char *print(void)
{
	static char text[4096];
	struct sfs_buf out = SFS_BUF_INIT(sizeof(text));

	sfs_columns_print(&c, &s, &out);
	IS_INT(sfs_buf_finish(&out, "columns", &err), SFS_OK);
	(void)snprintf(text, sizeof(text), "%s",
	               out.data != NULL ? out.data : "");
	sfs_buf_release(&out);
	return text;
}

static void every_type_has_a_text(void)
{
	const char *missing = NULL;

	begin();
	IS_STR(print(), "");
	OK(!sfs_columns_are_complete(&c, &s, &missing));
	IS_STR(missing, "tier");
	IS_INT(set("tier", "-9223372036854775808"), SFS_OK);
	IS_INT(set("count", "18446744073709551615"), SFS_OK);
	IS_INT(set("region", "eu/\xc3\xa9"), SFS_OK);
	IS_INT(set("active", "true"), SFS_OK);
	IS_INT(set("weight", "-1.50"), SFS_OK);
	OK(!sfs_columns_are_complete(&c, &s, &missing));
	IS_STR(missing, "blob");
	IS_INT(set("blob", "\xff%"), SFS_OK);
	OK(sfs_columns_are_complete(&c, &s, NULL));
	OK(c.values[0].as.integer == INT64_MIN);
	OK(c.values[2].as.uinteger == UINT64_MAX);
	OK(c.values[3].as.boolean);
	OK(c.values[4].as.number == -1.5);
	/* texts that were there before the memory moved */
	IS_INT(c.values[1].as.text.len, 5);
	IS_STR(c.values[1].as.text.data, "eu/\xc3\xa9");
	IS_INT(c.values[5].as.text.len, 2);
	IS_STR(print(), "active=true/blob=%FF%25/count=18446744073709551615/"
	                "region=eu%2F\xc3\xa9/tier=-9223372036854775808/"
	                "weight=-1.5");
	end();
}

static void names_of_directories_are_decoded(void)
{
	begin();
	IS_INT(set_name("region=%41%2f=%2E"), SFS_OK);
	IS_STR(c.values[1].as.text.data, "A/=.");
	IS_INT(set_name("tier=007"), SFS_OK);
	IS_INT(set_name("blob=%"), SFS_OK);
	IS_INT(c.values[5].kind, SFS_CEL_BYTES);
	IS_INT(c.values[5].as.text.len, 0);
	IS_INT(set_name("key="), SFS_OK);
	IS_INT(c.values[6].as.text.len, 0);
	IS_INT(set_name("weight=1e2"), SFS_OK);
	IS_STR(print(), "blob=%/key=%/region=A%2F=./tier=7/weight=100.0");
	end();
}

static void equal_contexts_have_equal_texts(void)
{
	char first[256];

	begin();
	IS_INT(set_name("tier=1"), SFS_OK);
	IS_INT(set_name("region=a%62"), SFS_OK);
	IS_INT(set_name("weight=0.10"), SFS_OK);
	(void)snprintf(first, sizeof(first), "%s", print());
	sfs_columns_release(&c);
	IS_INT(set_name("weight=1e-1"), SFS_OK);
	IS_INT(set_name("region=ab"), SFS_OK);
	IS_INT(set_name("tier=01"), SFS_OK);
	IS_STR(print(), first);
	end();
}

static void what_is_printed_is_read_again(void)
{
	begin();
	IS_INT(set("region", ".\x01%"), SFS_OK);
	IS_STR(print(), "region=%2E%01%25");
	sfs_columns_release(&c);
	IS_INT(set_name("region=%2E%01%25"), SFS_OK);
	IS_STR(c.values[1].as.text.data, ".\x01%");
	end();
}

static void text_of_another_type_is_refused(void)
{
	static const struct {
		const char *name, *text;
	} cases[] = {
		{ "tier", "" },
		{ "tier", "-" },
		{ "tier", "+1" },
		{ "tier", " 1" },
		{ "tier", "1 " },
		{ "tier", "1.0" },
		{ "tier", "0x1" },
		{ "tier", "9223372036854775808" },
		{ "tier", "-9223372036854775809" },
		{ "count", "-1" },
		{ "count", "18446744073709551616" },
		{ "count", "1u" },
		{ "active", "True" },
		{ "active", "1" },
		{ "active", "truer" },
		{ "weight", "" },
		{ "weight", "nan" },
		{ "weight", "inf" },
		{ "weight", "0x1p1" },
		{ "weight", " 1" },
		{ "weight", "+1" },
		{ "weight", "1e999" },
		{ "weight", "1e" },
		{ "weight", "1-1" },
		{ "region", "\xff" },
		{ "region", "\xed\xa0\x80" },
	};

	begin();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		IS_INT(set(cases[i].name, cases[i].text), SFS_E_INVALID);
		HAS_STR(err.msg, "is no ");
		HAS_STR(err.msg, cases[i].name);
	}
	IS_STR(print(), "");
	IS_INT(set("weight", "1e-999"), SFS_OK); /* near 0 */
	end();
}

static void names_that_are_no_columns_are_refused(void)
{
	struct sfs_sharding hash = { .strategy = SFS_STRATEGY_HASH };

	begin();
	IS_INT(set("regoin", "eu"), SFS_E_INVALID);
	HAS_STR(err.msg, "no column is called regoin; did you mean region?");
	IS_INT(set("something", "eu"), SFS_E_INVALID);
	HAS_STR(err.msg, "the first is tier");
	IS_INT(set_name("region"), SFS_E_INVALID);
	HAS_STR(err.msg, "region is not COLUMN=VALUE");
	IS_INT(set_name(""), SFS_E_INVALID);
	IS_INT(set_name("=x"), SFS_E_INVALID);
	IS_INT(set_name("region=%4"), SFS_E_INVALID);
	HAS_STR(err.msg, "two hexadecimal digits");
	IS_INT(set("region", "eu"), SFS_OK);
	IS_INT(set("region", "eu"), SFS_E_INVALID);
	HAS_STR(err.msg, "column region is there twice");
	IS_INT(sfs_columns_set_name(&c, &hash, "region=x", 8, &err),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "by hash");
	end();
}

int main(void)
{
	RUN(every_type_has_a_text);
	RUN(names_of_directories_are_decoded);
	RUN(equal_contexts_have_equal_texts);
	RUN(what_is_printed_is_read_again);
	RUN(text_of_another_type_is_refused);
	RUN(names_that_are_no_columns_are_refused);
	return tap_done();
}
