/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config.yaml that a new build has: every setting with its value and a
 * line about it, so that the file itself says what can be set. Reading it
 * gives the same settings again.
 */
#include "build/build_config.h"

#include "base/keyname.h"

#include <inttypes.h>
#include <string.h>

enum { ROUTING_MAX_BYTES = 256 << 10 };

/* U+0080 to U+009F and the others that YAML does not take as they are. */
static bool needs_escape(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 ||
	       c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff;
}

/* A character of valid UTF-8, of n bytes. */
static uint32_t code_point(const char *p, size_t n)
{
	uint32_t c = (unsigned char)p[0];
	size_t i;

	if (n > 1)
		c &= 0xffu >> (n + 1);
	for (i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	return c;
}

/*
 * In single quotes, where only they are doubled, or in double quotes, which
 * know escapes. A JSON text goes into single quotes: the escapes that it gets
 * here are its own.
 */
static void print_quoted(struct sfs_buf *out, const char *text, char quote)
{
	const size_t len = strlen(text);
	uint32_t c;
	size_t i, n;

	sfs_buf_putc(out, quote);
	for (i = 0; i < len; i += n) {
		n = sfs_utf8_sequence((const uint8_t *)text + i, len - i);
		n = n > 0 ? n : 1;
		c = code_point(text + i, n);
		if (needs_escape(c)) {
			sfs_buf_printf(out, "\\u%04" PRIx32, c);
			continue;
		}
		if (text[i] == quote)
			sfs_buf_putc(out, quote == '"' ? '\\' : '\'');
		else if (text[i] == '\\' && quote == '"')
			sfs_buf_putc(out, '\\');
		sfs_buf_add(out, text + i, n);
	}
	sfs_buf_putc(out, quote);
}

void sfs_build_config_quote(struct sfs_buf *out, const char *text)
{
	print_quoted(out, text, '"');
}

/* As a comment where the routing tells it. */
static void print_shards(const struct sfs_build_config *c, struct sfs_buf *out)
{
	const bool is_told =
		c->num_dbs == 0 || sfs_placement_shards(c->placement) > 0;

	sfs_buf_puts(out, "\n# Shards: their number, or how many keys one may "
	                  "have at most.\n");
	sfs_buf_printf(out, "%snum_dbs: %" PRIu32 "\n", is_told ? "# " : "",
	               c->num_dbs > 0 ? c->num_dbs : 8);
	if (c->max_keys_per_shard > 0)
		sfs_buf_printf(out, "max_keys_per_shard: %" PRIu64 "\n",
		               c->max_keys_per_shard);
	else
		sfs_buf_puts(out, "# max_keys_per_shard: 1000000\n");
}

/* --- routing ------------------------------------------------------------ */

static void print_expression(const struct sfs_sharding *s, struct sfs_buf *out)
{
	sfs_buf_puts(out, "cel: ");
	print_quoted(out, s->expr.data, '"');
	sfs_buf_puts(out, "\ncel_columns: {");
	for (size_t i = 0; i < s->column_count; i++) {
		sfs_buf_puts(out, i > 0 ? ", " : "");
		print_quoted(out, s->columns[i].name, '"');
		sfs_buf_printf(out, ": %s",
		               sfs_column_kind_text(s->columns[i].kind));
	}
	sfs_buf_puts(out, "}\n");
}

static void print_values(const struct sfs_sharding *s, struct sfs_buf *out)
{
	sfs_buf_puts(out, "routing_values: [");
	for (size_t i = 0; i < s->token_count; i++) {
		const struct sfs_cel_value *v = &s->tokens[i];

		sfs_buf_puts(out, i > 0 ? ", " : "");
		if (v->kind == SFS_CEL_STRING)
			print_quoted(out, v->as.text.data, '"');
		else if (v->kind == SFS_CEL_INT)
			sfs_buf_printf(out, "%" PRId64, v->as.integer);
		else
			sfs_buf_printf(out, "%" PRIu64, v->as.uinteger);
	}
	sfs_buf_puts(out, "]\n");
}

static void print_bound(const struct sfs_placement *p, struct sfs_bytes bound,
                        struct sfs_buf *out)
{
	struct sfs_buf name = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	size_t cap = bound.len * 3 + 32; /* at most three bytes for one */
	char *room = sfs_buf_reserve(&name, cap);
	size_t len;

	if (room == NULL ||
	    sfs_key_to_name(p->encoding, bound, room, cap, &len) != SFS_OK)
		out->failed = SFS_E_NO_MEMORY;
	else
		print_quoted(out, room, '"');
	sfs_buf_release(&name);
}

static void print_ranges(const struct sfs_placement *p, struct sfs_buf *out)
{
	sfs_buf_puts(out, "sharding: {strategy: range, bounds: [");
	for (size_t i = 0; i < p->bound_count; i++) {
		sfs_buf_puts(out, i > 0 ? ", " : "");
		print_bound(p, p->bounds[i], out);
	}
	sfs_buf_puts(out, "]}\n");
}

static void print_placement(const struct sfs_placement *p, struct sfs_buf *out)
{
	switch (p->mode) {
	case SFS_PLACEMENT_DIRECT:
		print_expression(&p->sharding, out);
		break;
	case SFS_PLACEMENT_VALUES:
		print_expression(&p->sharding, out);
		print_values(&p->sharding, out);
		break;
	case SFS_PLACEMENT_INFERRED:
		print_expression(&p->sharding, out);
		sfs_buf_puts(out, "routing_values: inferred\n");
		break;
	case SFS_PLACEMENT_BOUNDS:
		print_ranges(p, out);
		break;
	case SFS_PLACEMENT_QUANTILES:
		sfs_buf_puts(out, "ranges: auto\n");
		break;
	}
}

/* Configuration files hold no NUL. */
static bool holds_nul(const struct sfs_sharding *s)
{
	if (s->expr.len > 0 && memchr(s->expr.data, '\0', s->expr.len) != NULL)
		return true;
	for (size_t i = 0; i < s->token_count; i++) {
		const struct sfs_cel_value *v = &s->tokens[i];

		if (v->kind == SFS_CEL_STRING && v->as.text.len > 0 &&
		    memchr(v->as.text.data, '\0', v->as.text.len) != NULL)
			return true;
	}
	return false;
}

/* False: it does not fit. */
static bool try_placement(const struct sfs_placement *p, struct sfs_buf *out)
{
	if (holds_nul(&p->sharding))
		return false;
	print_placement(p, out);
	return out->failed == SFS_OK;
}

bool sfs_build_config_is_printable(const struct sfs_build_config *c)
{
	struct sfs_buf text = SFS_BUF_INIT(ROUTING_MAX_BYTES);
	bool fits = c->placement == NULL || try_placement(c->placement, &text);

	sfs_buf_release(&text);
	return fits;
}

static void print_routing(const struct sfs_build_config *c, struct sfs_buf *out)
{
	struct sfs_buf text = SFS_BUF_INIT(ROUTING_MAX_BYTES);

	sfs_buf_puts(
		out,
		"\n# Which shard holds a key: by hash, unless an expression "
		"or ranges tell;\n# see shardyfs-routing(7).\n");
	if (c->placement == NULL)
		sfs_buf_puts(out,
		             "# cel: shard_hash(region) % 8u\n"
		             "# cel_columns: {region: string, tier: int}\n"
		             "# routing_values: [eu, us]\n"
		             "# routing_values: inferred\n"
		             "# ranges: auto\n"
		             "# sharding: {strategy: range, bounds: [1000, "
		             "65536]}\n");
	else if (try_placement(c->placement, &text))
		sfs_buf_add(out, text.data, text.len);
	else
		sfs_buf_puts(out, "# As in the base, whose expression or "
		                  "routing values are too long for here.\n");
	if (text.failed == SFS_E_NO_MEMORY)
		out->failed = SFS_E_NO_MEMORY;
	sfs_buf_release(&text);
}

static void print_page_size(const struct sfs_build_config *c,
                            struct sfs_buf *out)
{
	sfs_buf_puts(out,
	             "\n# Bytes of a page: 4096, 8192, 16384, 32768, 65536, "
	             "or auto: by the values.\n");
	if (c->page_size > 0)
		sfs_buf_printf(out, "page_size: %" PRIu32 "\n", c->page_size);
	else
		sfs_buf_puts(out, "page_size: auto\n");
}

static void print_text(struct sfs_buf *out, const char *comment,
                       const char *name, const char *text)
{
	sfs_buf_printf(out, "\n# %s\n%s: ", comment, name);
	print_quoted(out, text, '"');
	sfs_buf_putc(out, '\n');
}

void sfs_build_config_print(const struct sfs_build_config *c,
                            struct sfs_buf *out)
{
	sfs_buf_printf(out,
	               "# Settings of this build; see shardyfs-ingest(5).\n\n"
	               "# Keys: u64be, u32be (whole numbers), utf8 (text), raw "
	               "(bytes).\n"
	               "key_encoding: %s\n",
	               sfs_key_encoding_text(c->key_encoding));
	print_shards(c, out);
	print_routing(c, out);
	print_page_size(c, out);
	sfs_buf_printf(out,
	               "\n# How often writing a shard is tried again, 0 to "
	               "10.\n"
	               "shard_retry: %" PRIu32 "\n"
	               "\n# Bad records: refuse to publish, or skip them.\n"
	               "on_bad_record: %s\n",
	               c->shard_retry, c->skip_bad_records ? "skip" : "refuse");
	print_text(out, "The name of the key column, for the manifest.",
	           "key_col", c->key_col);
	print_text(out,
	           "Where shards go in the store, and the directory of "
	           "each.",
	           "shard_prefix", c->shard_prefix);
	sfs_buf_puts(out, "db_path_template: ");
	print_quoted(out, c->db_path_template, '"');
	sfs_buf_puts(out, "\n\n# For the manifest: a JSON object.\ncustom: ");
	print_quoted(out, c->custom, '\'');
	sfs_buf_putc(out, '\n');
}
