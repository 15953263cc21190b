/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of objects, taken apart and put together. Everything read here comes
 * from a store, so a name counts only if writing its parts again gives the
 * same text: one object, one name.
 */
#include "format/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MANIFEST_TAIL "/manifest"
#define RUN_ID_MARK "_run_id="
#define RUN_DIR_MARK "/run_id="

enum {
	TS_LEN = 27,    /* 2026-11-20T12:00:00.123456Z */
	ID_TS_LEN = 23, /* 20261120T120000.123456Z */
	ATTEMPT_TAIL_BYTES = 32,
};

static bool is_segment_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool is_dots(const char *segment, size_t len)
{
	return (len == 1 && segment[0] == '.') ||
	       (len == 2 && segment[0] == '.' && segment[1] == '.');
}

bool sfs_run_id_is_valid(const char *run_id, size_t len)
{
	size_t i;

	if (len == 0 || len >= SFS_RUN_ID_BYTES || is_dots(run_id, len))
		return false;
	for (i = 0; i < len; i++) {
		if (!is_segment_char(run_id[i]))
			return false;
	}
	return true;
}

/* Exactly as sfs_time_format() writes it. */
static bool read_timestamp(const char ts[TS_LEN], int64_t *ns)
{
	char again[SFS_TIME_BYTES];

	if (!sfs_time_parse(ts, TS_LEN, ns))
		return false;
	sfs_time_format(*ns, again);
	return memcmp(again, ts, TS_LEN) == 0;
}

static bool read_id(const char ts[TS_LEN], const char *run_id, size_t run_len,
                    struct sfs_snapshot_id *out)
{
	if (!sfs_run_id_is_valid(run_id, run_len) ||
	    !read_timestamp(ts, &out->published_at_ns))
		return false;
	memcpy(out->run_id, run_id, run_len);
	out->run_id[run_len] = '\0';
	return true;
}

/* Reads "<ts>_run_id=<run>" of len bytes. */
static bool read_manifest_segment(const char *s, size_t len,
                                  struct sfs_snapshot_id *out)
{
	const size_t head = TS_LEN + strlen(RUN_ID_MARK);

	if (len <= head ||
	    memcmp(s + TS_LEN, RUN_ID_MARK, strlen(RUN_ID_MARK)) != 0)
		return false;
	return read_id(s, s + head, len - head, out);
}

bool sfs_snapshot_id_from_manifest_key(const char *key,
                                       struct sfs_snapshot_id *out)
{
	const size_t prefix = strlen(SFS_MANIFESTS_PREFIX);
	const char *slash;

	if (strncmp(key, SFS_MANIFESTS_PREFIX, prefix) != 0)
		return false;
	key += prefix;
	slash = strchr(key, '/');
	if (slash == NULL ||
	    (slash[1] != '\0' && strcmp(slash, MANIFEST_TAIL) != 0))
		return false;
	return read_manifest_segment(key, (size_t)(slash - key), out);
}

/* "20261120T120000.123456Z" to "2026-11-20T12:00:00.123456Z". */
static void widen_timestamp(const char in[ID_TS_LEN], char out[TS_LEN])
{
	static const char form[TS_LEN + 1] = "____-__-__T__:__:__________";
	size_t i;

	for (i = 0; i < TS_LEN; i++)
		out[i] = form[i] == '-' || form[i] == ':' ? form[i] : *in++;
}

bool sfs_snapshot_id_from_text(const char *text, struct sfs_snapshot_id *out)
{
	const size_t len = strlen(text);
	char ts[TS_LEN];

	if (len <= ID_TS_LEN + 1 || text[ID_TS_LEN] != '-')
		return false;
	widen_timestamp(text, ts);
	return read_id(ts, text + ID_TS_LEN + 1, len - ID_TS_LEN - 1, out);
}

void sfs_snapshot_id_text(const struct sfs_snapshot_id *id,
                          char out[SFS_SNAPSHOT_ID_BYTES])
{
	char ts[SFS_TIME_BYTES];
	char narrow[SFS_TIME_BYTES];
	const char *from;
	char *to = narrow;

	sfs_time_format(id->published_at_ns, ts);
	for (from = ts; *from != '\0'; from++) {
		if (*from != '-' && *from != ':')
			*to++ = *from;
	}
	*to = '\0';
	(void)snprintf(out, SFS_SNAPSHOT_ID_BYTES, "%s-%s", narrow, id->run_id);
}

void sfs_snapshot_id_manifest_key(const struct sfs_snapshot_id *id,
                                  char out[SFS_MANIFEST_KEY_BYTES])
{
	char ts[SFS_TIME_BYTES];

	sfs_time_format(id->published_at_ns, ts);
	(void)snprintf(out, SFS_MANIFEST_KEY_BYTES,
	               SFS_MANIFESTS_PREFIX "%s" RUN_ID_MARK "%s" MANIFEST_TAIL,
	               ts, id->run_id);
}

int sfs_snapshot_id_compare(const struct sfs_snapshot_id *a,
                            const struct sfs_snapshot_id *b)
{
	if (a->published_at_ns != b->published_at_ns)
		return a->published_at_ns > b->published_at_ns ? -1 : 1;
	return strcmp(b->run_id, a->run_id);
}

void sfs_timestamp_format(int64_t wall_ns, char out[SFS_TIME_BYTES])
{
	static const char no_fraction[] = ".000000Z";
	size_t len;

	sfs_time_format(wall_ns, out);
	len = strlen(out);
	if (len > strlen(no_fraction) &&
	    strcmp(out + len - strlen(no_fraction), no_fraction) == 0)
		memcpy(out + len - strlen(no_fraction), "Z", 2);
}

enum sfs_rc sfs_snapshot_id_from_ref(const char *ref,
                                     struct sfs_snapshot_id *out,
                                     struct sfs_err *err)
{
	struct sfs_snapshot_id id;
	const char *end = ref + strlen(ref);
	const char *tail = end;
	int slashes = 0;

	/* The tail begins behind the third '/' from the end. */
	for (; tail > ref; tail--) {
		if (tail[-1] == '/' && ++slashes == 3)
			break;
	}
	if (!sfs_snapshot_id_from_manifest_key(tail, &id) || end[-1] == '/')
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "manifest_ref %.300s does not end in "
		                   "manifests/TIME_run_id=RUN/manifest",
		                   ref);
	*out = id;
	return SFS_OK;
}

/* A URL with single slashes behind "scheme://" and none at its end. */
struct plain_url {
	char text[SFS_URL_BYTES];
	size_t len;
	size_t root; /* where the part behind the scheme begins */
};

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* False: too long, or holds a control character. */
static bool plain_url_set(struct plain_url *u, const char *url)
{
	const char *colon = strstr(url, "://");
	const char *root = colon != NULL ? colon + 3 : url;
	const char *p;

	u->root = (size_t)(root - url);
	u->len = 0;
	for (p = url; *p != '\0'; p++) {
		if (p > root && *p == '/' && p[-1] == '/')
			continue;
		if (is_control(*p) || u->len + 1 >= sizeof(u->text))
			return false;
		u->text[u->len++] = *p;
	}
	while (u->len > u->root && u->text[u->len - 1] == '/')
		u->len--;
	u->text[u->len] = '\0';
	return true;
}

static bool has_dot_segment(const char *path)
{
	size_t len;

	for (;; path += len + 1) {
		len = strcspn(path, "/");
		if (is_dots(path, len))
			return true;
		if (path[len] == '\0')
			return false;
	}
}

/* The part of url below prefix, or NULL. */
static const char *below(const struct plain_url *url, const char *prefix)
{
	struct plain_url p;

	if (!plain_url_set(&p, prefix) || p.len <= p.root ||
	    url->len <= p.len + 1 || memcmp(url->text, p.text, p.len) != 0 ||
	    url->text[p.len] != '/')
		return NULL;
	return url->text + p.len + 1;
}

enum sfs_rc sfs_url_rebase(const char *url, const char *s3_prefix,
                           const char *store_url, char *out, size_t cap,
                           struct sfs_err *err)
{
	struct plain_url u;
	const char *rest;
	size_t len;

	if (!plain_url_set(&u, url))
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "URL %.300s: too long, or holds a control "
		                   "character",
		                   url);
	if (has_dot_segment(u.text + u.root))
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "URL %.300s: holds a . or .. segment", url);
	rest = below(&u, s3_prefix);
	if (rest == NULL)
		rest = below(&u, store_url);
	if (rest == NULL)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "URL %.200s lies outside of %.120s and of "
		                   "%.120s",
		                   url, s3_prefix, store_url);
	len = u.len - (size_t)(rest - u.text);
	if (len >= cap)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "URL %.300s: too long below the store", url);
	memcpy(out, rest, len + 1);
	return SFS_OK;
}

/* Text of bounded length; a full one stays marked. */
struct text {
	char *p;
	size_t cap;
	size_t len;
	bool is_full;
};

static void text_add(struct text *t, const char *s, size_t len)
{
	if (t->is_full || len >= t->cap - t->len) {
		t->is_full = true;
		return;
	}
	memcpy(t->p + t->len, s, len);
	t->len += len;
	t->p[t->len] = '\0';
}

/*
 * Reads "{db_id}" or "{db_id:0Nd}" at p: its length, or 0. *width is the
 * least number of digits.
 */
static size_t read_field(const char *p, int *width)
{
	static const char plain[] = "{db_id}";
	static const char padded[] = "{db_id:0";
	const char *d = p + strlen(padded);

	*width = 1;
	if (strncmp(p, plain, strlen(plain)) == 0)
		return strlen(plain);
	if (strncmp(p, padded, strlen(padded)) != 0)
		return 0;
	if (*d < '1' || *d > '9')
		return 0;
	*width = *d++ - '0';
	if (*d >= '0' && *d <= '9')
		*width = *width * 10 + (*d++ - '0');
	if (d[0] != 'd' || d[1] != '}')
		return 0;
	return (size_t)(d + 2 - p);
}

/* Fills in the template. False if it is none, or names no db_id. */
static bool add_template(struct text *t, const char *template, uint32_t db_id)
{
	char digits[128];
	bool has_field = false;
	size_t len;
	int width;

	for (; *template != '\0'; template += len) {
		len = 1;
		if (*template == '}')
			return false;
		if (*template != '{') {
			text_add(t, template, 1);
			continue;
		}
		len = read_field(template, &width);
		if (len == 0)
			return false;
		(void)snprintf(digits, sizeof(digits), "%0*" PRIu32, width,
		               db_id);
		text_add(t, digits, strlen(digits));
		has_field = true;
	}
	return has_field;
}

/* Segments of safe characters between single slashes. */
static bool is_safe_path(const char *path)
{
	size_t len;
	size_t i;

	for (;; path += len + 1) {
		len = strcspn(path, "/");
		if (len == 0 || is_dots(path, len))
			return false;
		for (i = 0; i < len; i++) {
			if (!is_segment_char(path[i]) && path[i] != '=')
				return false;
		}
		if (path[len] == '\0')
			return true;
	}
}

void sfs_run_key_prefix(const char *shard_prefix, const char *run_id, char *out,
                        size_t cap)
{
	(void)snprintf(out, cap, "%s" RUN_DIR_MARK "%s/", shard_prefix, run_id);
}

enum sfs_rc sfs_attempt_key(const char *shard_prefix, const char *run_id,
                            const char *db_path_template, uint32_t db_id,
                            uint32_t attempt, char *out, size_t cap,
                            struct sfs_err *err)
{
	struct text t = { out, cap, 0, cap == 0 };
	char tail[ATTEMPT_TAIL_BYTES];
	bool is_template;

	if (!sfs_run_id_is_valid(shard_prefix, strlen(shard_prefix)))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "shard prefix \"%.100s\" is not one segment "
		                   "of [A-Za-z0-9._-]",
		                   shard_prefix);
	if (!sfs_run_id_is_valid(run_id, strlen(run_id)))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "run id \"%.100s\" is not of [A-Za-z0-9._-]",
		                   run_id);
	text_add(&t, shard_prefix, strlen(shard_prefix));
	text_add(&t, RUN_DIR_MARK, strlen(RUN_DIR_MARK));
	text_add(&t, run_id, strlen(run_id));
	text_add(&t, "/", 1);
	is_template = add_template(&t, db_path_template, db_id);
	(void)snprintf(tail, sizeof(tail), "/attempt=%02" PRIu32, attempt);
	text_add(&t, tail, strlen(tail));
	if (!is_template || (!t.is_full && !is_safe_path(out)))
		return sfs_err_set(
			err, SFS_E_INVALID,
			"db_path_template \"%.200s\" is no path with "
			"{db_id} or {db_id:0Nd}",
			db_path_template);
	if (t.is_full)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "db_path_template \"%.200s\" makes a key "
		                   "that is too long",
		                   db_path_template);
	return SFS_OK;
}
