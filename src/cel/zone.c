/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets of time zones. Names are looked up in the system's zoneinfo, whose
 * files (RFC 8536) are read here, since the C library knows one zone a
 * process and takes it from the environment. A file is read anew each time:
 * routing expressions have no timestamps, so nothing is gained by a cache.
 */
#include "base/alloc.h"
#include "cel/calendar.h"
#include "cel/zone_rule.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ZONEINFO "/usr/share/zoneinfo"

enum {
	NAME_MAX_BYTES = 64,
	FILE_MAX_BYTES = 64 << 10, /* the largest are 4 KiB */
	HEADER_BYTES = 44,
	TYPE_BYTES = 6,
	TIME_BYTES = 8,
	OFFSET_MAX = SFS_CEL_DAY_SECONDS * 2,
};

static bool two_digits(const char *p, int max, int *out)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*out = (p[0] - '0') * 10 + (p[1] - '0');
	return *out <= max;
}

/* "+02:00"; without a sign, too, which the conformance tests have. */
static bool read_fixed(struct sfs_cel_text zone, int32_t *out)
{
	const char *p = zone.data;
	bool is_signed = zone.len == 6 && (*p == '+' || *p == '-');
	int hours;
	int minutes;

	if (zone.len != 5 && !is_signed)
		return false;
	p += is_signed;
	if (!two_digits(p, 23, &hours) || p[2] != ':' ||
	    !two_digits(p + 3, 59, &minutes))
		return false;
	*out = (hours * 60 + minutes) * (*zone.data == '-' ? -60 : 60);
	return true;
}

/* A name of zoneinfo, and no way out of it. */
static bool is_name(struct sfs_cel_text zone)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789/_+-";

	if (zone.len == 0 || zone.len > NAME_MAX_BYTES || zone.data[0] == '/')
		return false;
	for (size_t i = 0; i < zone.len; i++) {
		if (memchr(allowed, zone.data[i], sizeof(allowed) - 1) == NULL)
			return false;
	}
	return true;
}

static enum sfs_rc no_zone(struct sfs_cel_text zone, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NOT_FOUND, "no time zone '%.*s'",
	                   zone.len > NAME_MAX_BYTES ? NAME_MAX_BYTES
	                                             : (int)zone.len,
	                   zone.data);
}

static enum sfs_rc broken(struct sfs_cel_text zone, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_CORRUPT, "%s/%.*s is no file of RFC 8536",
	                   ZONEINFO, (int)zone.len, zone.data);
}

/* The bytes of a zone's file; at most FILE_MAX_BYTES. */
static enum sfs_rc read_zone(struct sfs_cel_text zone, char *data, size_t *len,
                             struct sfs_err *err)
{
	char path[sizeof(ZONEINFO) + NAME_MAX_BYTES + 2];
	ssize_t n = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%.*s", ZONEINFO, (int)zone.len,
	               zone.data);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return no_zone(zone, err);
	if (fd < 0)
		return sfs_err_sys(err, errno, "cannot open %s", path);
	for (*len = 0; *len < FILE_MAX_BYTES; *len += (size_t)n) {
		n = read(fd, data + *len, FILE_MAX_BYTES - *len);
		if (n <= 0)
			break;
	}
	if (n < 0)
		(void)sfs_err_sys(err, errno, "cannot read %s", path);
	(void)close(fd);
	return n < 0 ? err->rc : SFS_OK;
}

static uint64_t big_endian(const char *p, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | (unsigned char)p[i];
	return value;
}

/* The parts of a data block (RFC 8536, 3.2); all lie within the file. */
struct block {
	size_t times; /* how many */
	size_t types;
	const char *time;  /* 8 bytes each */
	const char *index; /* 1 byte each: which type begins at the time */
	const char *type;  /* 6 bytes each: the offset comes first */
	const char *end;
};

/* Of a header at p; false: the file is too short. */
static bool read_block(const char *p, const char *end, size_t time_bytes,
                       struct block *out)
{
	size_t counts[6];
	size_t total;

	if ((size_t)(end - p) < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
		return false;
	for (size_t i = 0; i < 6; i++) {
		counts[i] = big_endian(p + 20 + 4 * i, 4);
		if (counts[i] > FILE_MAX_BYTES)
			return false;
	}
	p += HEADER_BYTES;
	out->times = counts[3];
	out->types = counts[4];
	out->time = p;
	total = counts[3] * (time_bytes + 1) + counts[4] * TYPE_BYTES +
	        counts[5] + counts[2] * (time_bytes + 4) + counts[1] +
	        counts[0];
	if ((size_t)(end - p) < total)
		return false;
	out->index = p + counts[3] * time_bytes;
	out->type = out->index + counts[3];
	out->end = p + total;
	return true;
}

/* The offset of a type; false: there is none, or it is absurd. */
static bool offset_of(const struct block *b, size_t type, int32_t *out)
{
	if (type >= b->types)
		return false;
	*out = (int32_t)big_endian(b->type + type * TYPE_BYTES, 4);
	return *out > -OFFSET_MAX && *out < OFFSET_MAX;
}

/* What holds at that moment: before the first change, type 0 does. */
static bool offset_at(const struct block *b, const char *end, int64_t seconds,
                      int32_t *out)
{
	size_t low = 0;
	size_t high = b->times;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int64_t time = (int64_t)big_endian(
			b->time + middle * TIME_BYTES, TIME_BYTES);

		if (time <= seconds)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == b->times && sfs_cel_zone_rule(b->end, end, seconds, out))
		return true;
	if (low == 0)
		return offset_of(b, 0, out);
	return offset_of(b, (unsigned char)b->index[low - 1], out);
}

static enum sfs_rc find_offset(struct sfs_cel_text zone, char *data,
                               int64_t seconds, int32_t *offset_out,
                               struct sfs_err *err)
{
	struct block b;
	size_t len = 0;
	enum sfs_rc rc = read_zone(zone, data, &len, err);

	if (rc != SFS_OK)
		return rc;
	/* The first block has 32-bit times; what counts is the second. */
	if (!read_block(data, data + len, 4, &b) ||
	    !read_block(b.end, data + len, TIME_BYTES, &b) ||
	    !offset_at(&b, data + len, seconds, offset_out))
		return broken(zone, err);
	return SFS_OK;
}

enum sfs_rc sfs_cel_zone_offset(struct sfs_cel_text zone, int64_t seconds,
                                int32_t *offset_out, struct sfs_err *err)
{
	enum sfs_rc rc;
	char *data;

	*offset_out = 0;
	if (zone.len == 0 ||
	    (zone.len == 3 && memcmp(zone.data, "UTC", 3) == 0) ||
	    read_fixed(zone, offset_out))
		return SFS_OK;
	if (!is_name(zone))
		return no_zone(zone, err);
	data = sfs_malloc(FILE_MAX_BYTES);
	if (data == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "no memory for a time zone");
	rc = find_offset(zone, data, seconds, offset_out, err);
	sfs_free(data);
	return rc;
}
