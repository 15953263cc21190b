/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys as file names. Most keys are plain ASCII, and every lookup and every
 * listed name passes here, so plain runs are found with one table and copied
 * whole; only what stands out is looked at byte by byte.
 */
#include "base/keyname.h"

#include "base/hex.h"

#include <string.h>

static const char HEX[] = "0123456789ABCDEF";

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '%' && c != '/';
}

/* Output that keeps counting where its room ends. */
struct name_out {
	char *p;
	size_t cap;
	size_t len;
};

static void put(struct name_out *o, const void *data, size_t n)
{
	if (o->len < o->cap && n <= o->cap - o->len)
		memcpy(o->p + o->len, data, n);
	o->len += n;
}

static void put_escape(struct name_out *o, uint8_t c)
{
	const char escape[3] = { '%', HEX[c >> 4], HEX[c & 15] };

	put(o, escape, sizeof(escape));
}

static size_t plain_run(const uint8_t *key, size_t len)
{
	size_t n = 0;

	while (n < len && is_plain(key[n]))
		n++;
	return n;
}

/* What comes next: a plain run, a UTF-8 sequence or one byte to escape. */
static size_t put_next(struct name_out *o, const uint8_t *p, size_t len)
{
	size_t n = plain_run(p, len);

	if (n == 0 && p[0] >= 0x80)
		n = sfs_utf8_sequence(p, len);
	if (n > 0) {
		put(o, p, n);
		return n;
	}
	put_escape(o, p[0]);
	return 1;
}

enum sfs_rc sfs_keyname_encode(const uint8_t *key, size_t key_len, char *out,
                               size_t cap, size_t *len_out)
{
	struct name_out o = { out, cap, 0 };
	size_t i = 0;

	if (key_len == 0) {
		put(&o, "%", 1);
	} else if (key[0] == '.') {
		put_escape(&o, '.');
		i = 1;
	}
	while (i < key_len)
		i += put_next(&o, key + i, key_len - i);
	*len_out = o.len;
	if (o.len >= cap)
		return SFS_E_NAME_TOO_LONG;
	out[o.len] = '\0';
	return SFS_OK;
}

bool sfs_keyname_decode(const char *name, size_t name_len, uint8_t *out,
                        size_t *len_out)
{
	const char *end = name + name_len;
	const char *percent;
	size_t len = 0;
	size_t run;
	int high;
	int low;

	*len_out = 0;
	if (name_len == 0)
		return false;
	if (name_len == 1 && name[0] == '%')
		return true;
	while (name < end) {
		percent = memchr(name, '%', (size_t)(end - name));
		run = (size_t)((percent != NULL ? percent : end) - name);
		memcpy(out + len, name, run);
		len += run;
		name += run;
		if (percent == NULL)
			break;
		if (end - name < 3)
			return false;
		high = sfs_hex_value(name[1]);
		low = sfs_hex_value(name[2]);
		if (high < 0 || low < 0)
			return false;
		out[len++] = (uint8_t)(high << 4 | low);
		name += 3;
	}
	*len_out = len;
	return true;
}

/* Eight bytes at a time; a word with a NUL or a high bit ends that. */
size_t sfs_ascii_run(const uint8_t *p, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t tops = UINT64_C(0x8080808080808080);
	uint64_t word;
	size_t n = 0;

	for (; len - n >= sizeof(word); n += sizeof(word)) {
		memcpy(&word, p + n, sizeof(word));
		if (((word | ~((word | tops) - ones)) & tops) != 0)
			break;
	}
	while (n < len && p[n] >= 0x01 && p[n] < 0x80)
		n++;
	return n;
}

static bool is_continuation(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/*
 * The second byte's range tells overlong forms, surrogates and what lies
 * beyond U+10FFFF (Unicode standard, table 3-7).
 */
size_t sfs_utf8_sequence(const uint8_t *p, size_t len)
{
	uint8_t low = 0x80;
	uint8_t high = 0xbf;
	size_t need;

	if (len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len < need)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	if (need > 2 && !is_continuation(p[2]))
		return 0;
	if (need > 3 && !is_continuation(p[3]))
		return 0;
	return need;
}

bool sfs_utf8_is_valid(const uint8_t *p, size_t len)
{
	size_t n = sfs_ascii_run(p, len);
	size_t step;

	for (; n < len; n += step) {
		step = p[n] < 0x80 ? 1 : sfs_utf8_sequence(p + n, len - n);
		if (step == 0)
			return false;
	}
	return true;
}
