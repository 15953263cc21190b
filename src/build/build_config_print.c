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

static void print_shards(const struct sfs_build_config *c, struct sfs_buf *out)
{
	sfs_buf_puts(out, "\n# Shards: their number, or how many keys one may "
	                  "have at most.\n");
	if (c->max_keys_per_shard > 0)
		sfs_buf_printf(
			out, "# num_dbs: 8\nmax_keys_per_shard: %" PRIu64 "\n",
			c->max_keys_per_shard);
	else
		sfs_buf_printf(out,
		               "num_dbs: %" PRIu32
		               "\n# max_keys_per_shard: 1000000\n",
		               c->num_dbs);
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
