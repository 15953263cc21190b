/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ingest files of any kind: the first byte chooses format and encoding, the
 * second the cuts. Fed whole, fed in pieces, with rests between them, and fed
 * without the short cut of JSON Lines, a parser must say the same; keys and values must be what it
 * promises.
 */
#include "base/hash.h"
#include "build/parser.h"
#include "build/parser_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VALUE_MAX = 300 };

enum way { FAST, SLOW, RESTS };

/* What a parser said, as one number. */
struct story {
	struct sfs_parser_config config;
	const uint8_t *data; /* that it is fed */
	uint64_t hash;
	uint64_t end; /* of the last event's offset */
};

static void tell(struct story *s, const void *data, size_t len)
{
	s->hash = sfs_mix64(s->hash ^ sfs_hash64(data, len)) + len;
}

static void tell_number(struct story *s, uint64_t n)
{
	tell(s, &n, sizeof(n));
}

static enum sfs_rc on_record(void *arg, const struct sfs_record *r,
                             struct sfs_err *err)
{
	struct story *s = arg;
	size_t room = 3 * r->key.len + 32;
	char *name = malloc(room);
	size_t len;

	(void)err;
	if (name == NULL || r->offset < s->end || r->value.len > VALUE_MAX ||
	    (r->is_delete && r->value.len > 0) ||
	    sfs_key_to_name(s->config.encoding, r->key, name, room, &len) !=
	            SFS_OK)
		abort();
	free(name);
	s->end = r->offset;
	tell_number(s, r->offset);
	tell_number(s, r->is_delete);
	tell(s, r->key.data, r->key.len);
	tell(s, r->value.data, r->value.len);
	return SFS_OK;
}

static enum sfs_rc on_bad(void *arg, const struct sfs_bad_record *bad,
                          struct sfs_err *err)
{
	struct story *s = arg;

	(void)err;
	if (bad->offset < s->end || bad->line == 0 || bad->reason[0] == '\0' ||
	    strchr(bad->reason, '\n') != NULL)
		abort();
	s->end = bad->offset;
	tell_number(s, bad->offset);
	tell_number(s, bad->line);
	tell_number(s, bad->is_last);
	tell(s, bad->reason, strlen(bad->reason));
	return SFS_OK;
}

static enum sfs_rc fetch(void *arg, uint64_t offset, void *to, size_t len,
                         struct sfs_err *err)
{
	const struct story *s = arg;

	(void)err;
	memcpy(to, s->data + offset, len);
	return SFS_OK;
}

static uint64_t run(struct sfs_parser_config config, const uint8_t *data,
                    size_t size, size_t cut, enum way how)
{
	struct story s = { .config = config, .data = data };
	const struct sfs_parser_events events = {
		.record = on_record,
		.bad = on_bad,
		.fetch = how == RESTS ? fetch : NULL,
		.arg = &s,
	};
	struct sfs_parser *p;
	size_t n;

	if (sfs_parser_new(&config, &events, &p, NULL) != SFS_OK)
		abort();
	p->is_slow = how == SLOW;
	for (; size > 0; size -= n, data += n) {
		n = size < cut ? size : cut;
		if (sfs_parser_feed(p, data, n, NULL) != SFS_OK)
			abort();
		if (how == RESTS)
			sfs_parser_rest(p);
	}
	if (sfs_parser_finish(p, NULL) != SFS_OK)
		abort();
	sfs_parser_free(p);
	return s.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sfs_parser_config config = { .value_max = VALUE_MAX };
	const size_t cut = 1 + (size > 1 ? data[1] % 32 : 0);
	uint64_t whole;

	if (size < 3)
		return 0;
	config.format =
		(enum sfs_ingest_format)(SFS_INGEST_JSONL + (data[0] & 3));
	config.encoding =
		(enum sfs_key_encoding)(SFS_KEY_U64BE + (data[0] >> 2 & 3));
	whole = run(config, data + 2, size - 2, size, FAST);
	if (run(config, data + 2, size - 2, cut, FAST) != whole ||
	    run(config, data + 2, size - 2, cut, RESTS) != whole ||
	    run(config, data + 2, size - 2, size, SLOW) != whole)
		abort();
	return 0;
}
