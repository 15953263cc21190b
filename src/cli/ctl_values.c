/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of one batch, and how they are printed. Each thread fills a chunk of
 * its own, so storing a value takes no lock; chunks go back to one list when
 * the batch is over, because fresh memory costs more than the copy into it.
 */
#include "cli/ctl.h"
#include "cli/ctl_multiget.h"

#include "base/alloc.h"

#include <string.h>

enum { CHUNK_BYTES = 1 << 20 };

struct sfs_value_chunk {
	struct sfs_value_chunk *next;
	size_t cap;
	size_t len;
	uint8_t data[];
};

/* The chunk that this thread fills, as long as the batch is the same. */
static _Thread_local struct sfs_value_chunk *mine;
static _Thread_local uint64_t mine_batch;

void sfs_value_arena_init(struct sfs_value_arena *a, size_t max)
{
	*a = (struct sfs_value_arena){ .max = max, .batch = 1 };
	pthread_mutex_init(&a->lock, NULL);
}

static void free_all(struct sfs_value_chunk *c)
{
	struct sfs_value_chunk *next;

	for (; c != NULL; c = next) {
		next = c->next;
		sfs_free(c);
	}
}

void sfs_value_arena_release(struct sfs_value_arena *a)
{
	free_all(a->used);
	free_all(a->idle);
	pthread_mutex_destroy(&a->lock);
}

void sfs_value_arena_reset(struct sfs_value_arena *a)
{
	struct sfs_value_chunk *c;
	struct sfs_value_chunk *next;

	for (c = a->used; c != NULL; c = next) {
		next = c->next;
		if (c->cap > CHUNK_BYTES) {
			sfs_free(c);
			continue;
		}
		c->len = 0;
		c->next = a->idle;
		a->idle = c;
	}
	a->used = NULL;
	a->bytes = 0;
	a->batch++;
}

static struct sfs_value_chunk *take_chunk(struct sfs_value_arena *a, size_t len)
{
	size_t cap = len > CHUNK_BYTES ? len : CHUNK_BYTES;
	struct sfs_value_chunk *c = NULL;

	pthread_mutex_lock(&a->lock);
	if (cap <= a->max - a->bytes) {
		if (cap == CHUNK_BYTES && a->idle != NULL) {
			c = a->idle;
			a->idle = c->next;
		} else {
			c = sfs_malloc(sizeof(*c) + cap);
		}
	}
	if (c != NULL) {
		c->cap = cap;
		c->len = 0;
		c->next = a->used;
		a->used = c;
		a->bytes += cap;
	}
	pthread_mutex_unlock(&a->lock);
	return c;
}

uint8_t *sfs_value_arena_add(struct sfs_value_arena *a, const uint8_t *data,
                             size_t len)
{
	struct sfs_value_chunk *c = mine_batch == a->batch ? mine : NULL;
	uint8_t *place;

	if (c == NULL || c->cap - c->len < len) {
		c = take_chunk(a, len);
		if (c == NULL)
			return NULL;
		mine = c;
		mine_batch = a->batch;
	}
	place = c->data + c->len;
	if (len > 0)
		memcpy(place, data, len);
	c->len += len;
	return place;
}

static void put_le32(uint8_t *p, uint32_t value)
{
	for (int i = 0; i < 4; i++, value >>= 8)
		p[i] = (uint8_t)(value & 0xff);
}

static void add_text(struct sfs_buf *out, const char *text, size_t len)
{
	memcpy(out->data + out->len, text, len);
	out->len += len;
}

/* True if the name can stand in a JSON string as it is. */
static bool is_plain(const char *name, size_t len)
{
	unsigned char odd = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		odd |= (unsigned char)(c < 0x20 || c > 0x7e || c == '"' ||
		                       c == '\\');
	}
	return odd == 0;
}

static void begin_json(const struct sfs_answer_form *form,
                       const struct sfs_answer *a, struct sfs_buf *out)
{
	static const char head[] = "{\"key\":\"";
	static const char middle[] = "\",\"value_base64\":";
	struct sfs_json_printer p;

	if (is_plain(a->name, a->name_len)) {
		if (sfs_buf_reserve(out, sizeof(head) + sizeof(middle) +
		                                 a->name_len) == NULL)
			return;
		add_text(out, head, sizeof(head) - 1);
		add_text(out, a->name, a->name_len);
		add_text(out, middle, sizeof(middle) - 1);
		return;
	}
	sfs_json_printer_init(&p, out, false, true);
	sfs_buf_add(out, head, sizeof(head) - 2);
	sfs_ctl_json_name(&p, form->encoding, a->name, a->name_len, a->key);
	sfs_buf_add(out, middle + 1, sizeof(middle) - 2);
}

/* Where a name is no key, itself stands for the lookup bytes. */
static void begin_kv(const struct sfs_answer *a, uint32_t value_len,
                     struct sfs_buf *out)
{
	const void *key =
		a->key.data != NULL ? (const void *)a->key.data : a->name;
	size_t key_len = a->key.data != NULL ? a->key.len : a->name_len;
	uint8_t lengths[8];

	put_le32(lengths, (uint32_t)key_len);
	put_le32(lengths + 4, value_len);
	sfs_buf_add(out, lengths, sizeof(lengths));
	sfs_buf_add(out, key, key_len);
}

void sfs_answer_begin(const struct sfs_answer_form *form,
                      const struct sfs_answer *a, uint64_t value_len,
                      struct sfs_buf *out)
{
	if (form->is_kv) {
		begin_kv(a, (uint32_t)value_len, out);
		return;
	}
	begin_json(form, a, out);
	sfs_buf_putc(out, '"');
}

void sfs_answer_piece(const struct sfs_answer_form *form, const uint8_t *data,
                      size_t len, struct sfs_buf *out)
{
	if (form->is_kv) {
		sfs_buf_add(out, data, len);
		return;
	}
	if (sfs_buf_reserve(out, sfs_base64_len(len)) == NULL)
		return;
	sfs_base64_encode(data, len, out->data + out->len);
	out->len += sfs_base64_len(len);
}

void sfs_answer_end(const struct sfs_answer_form *form, struct sfs_buf *out)
{
	if (!form->is_kv)
		sfs_buf_add(out, "\"}\n", 3);
}

void sfs_answer_print(const struct sfs_answer_form *form,
                      const struct sfs_answer *a, struct sfs_buf *out)
{
	if (a->state == SFS_ANSWER_VALUE) {
		sfs_answer_begin(form, a, a->value_len, out);
		sfs_answer_piece(form, a->value, a->value_len, out);
		sfs_answer_end(form, out);
	} else if (form->is_kv) {
		begin_kv(a, UINT32_MAX, out);
	} else {
		begin_json(form, a, out);
		sfs_buf_add(out, "null}\n", 6);
	}
}
