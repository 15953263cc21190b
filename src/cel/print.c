/* SPDX-License-Identifier: Apache-2.0 */
/* Values as CEL text that evaluates to them again. */
#include "cel/functions.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	DOUBLE_BYTES = 40,
	DOUBLE_DIGITS_MAX = 17,
};

const char *sfs_cel_kind_name(enum sfs_cel_kind kind)
{
	switch (kind) {
	case SFS_CEL_INVALID:
		return "invalid";
	case SFS_CEL_NULL:
		return "null_type";
	case SFS_CEL_BOOL:
		return "bool";
	case SFS_CEL_INT:
		return "int";
	case SFS_CEL_UINT:
		return "uint";
	case SFS_CEL_DOUBLE:
		return "double";
	case SFS_CEL_STRING:
		return "string";
	case SFS_CEL_BYTES:
		return "bytes";
	case SFS_CEL_LIST:
		return "list";
	case SFS_CEL_MAP:
		return "map";
	case SFS_CEL_TYPE:
		return "type";
	case SFS_CEL_TIMESTAMP:
		return "google.protobuf.Timestamp";
	case SFS_CEL_DURATION:
		return "google.protobuf.Duration";
	case SFS_CEL_DYN:
		return "dyn";
	case SFS_CEL_ERROR:
		return "error";
	}
	return "invalid";
}

/* The least digits that read back, and always a mark of a double. */
static void print_double(double number, struct sfs_buf *out)
{
	char text[DOUBLE_BYTES];

	if (isnan(number) || isinf(number)) {
		sfs_buf_puts(out, isnan(number) ? "(0.0 / 0.0)"
		                  : number > 0  ? "(1.0 / 0.0)"
		                                : "(-1.0 / 0.0)");
		return;
	}
	for (int digits = 1; digits <= DOUBLE_DIGITS_MAX; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	sfs_buf_puts(out, text);
	if (strpbrk(text, ".e") == NULL)
		sfs_buf_puts(out, ".0");
}

static void print_escaped(unsigned char c, bool is_bytes, struct sfs_buf *out)
{
	static const char plain[] = "\a\b\f\n\r\t\v\"\\";
	static const char letters[] = "abfnrtv\"\\";
	const char *found = c != '\0' ? strchr(plain, c) : NULL;

	if (found != NULL)
		sfs_buf_printf(out, "\\%c", letters[found - plain]);
	else if (c < 0x20 || c == 0x7f || (is_bytes && c > 0x7f))
		sfs_buf_printf(out, "\\x%02x", c);
	else
		sfs_buf_putc(out, (char)c);
}

static void print_text(const struct sfs_cel_value *v, struct sfs_buf *out)
{
	const bool is_bytes = v->kind == SFS_CEL_BYTES;
	const struct sfs_cel_text text = v->as.text;

	sfs_buf_puts(out, is_bytes ? "b\"" : "\"");
	for (size_t i = 0; i < text.len && out->failed == SFS_OK; i++)
		print_escaped((unsigned char)text.data[i], is_bytes, out);
	sfs_buf_putc(out, '"');
}

/* Stops when the buffer is full: values may share parts, and be huge. */
static void print_list(const struct sfs_cel_list *list, struct sfs_buf *out)
{
	sfs_buf_putc(out, '[');
	for (size_t i = 0; i < list->count && out->failed == SFS_OK; i++) {
		if (i > 0)
			sfs_buf_puts(out, ", ");
		sfs_cel_value_print(&list->items[i], out);
	}
	sfs_buf_putc(out, ']');
}

static void print_map(const struct sfs_cel_map *map, struct sfs_buf *out)
{
	sfs_buf_putc(out, '{');
	for (size_t i = 0; i < map->count && out->failed == SFS_OK; i++) {
		if (i > 0)
			sfs_buf_puts(out, ", ");
		sfs_cel_value_print(&map->pairs[2 * i], out);
		sfs_buf_puts(out, ": ");
		sfs_cel_value_print(&map->pairs[2 * i + 1], out);
	}
	sfs_buf_putc(out, '}');
}

static void print_nanos(int32_t nanos, struct sfs_buf *out)
{
	if (nanos != 0)
		sfs_buf_printf(out, ".%09d", nanos);
}

static void print_timestamp(struct sfs_cel_time t, struct sfs_buf *out)
{
	const time_t seconds = (time_t)t.seconds;
	struct tm parts;

	if (gmtime_r(&seconds, &parts) == NULL)
		return;
	sfs_buf_printf(out, "timestamp(\"%04d-%02d-%02dT%02d:%02d:%02d",
	               parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
	               parts.tm_hour, parts.tm_min, parts.tm_sec);
	print_nanos(t.nanos, out);
	sfs_buf_puts(out, "Z\")");
}

static void print_duration(struct sfs_cel_time t, struct sfs_buf *out)
{
	const bool is_negative = t.seconds < 0 || t.nanos < 0;
	const uint64_t seconds =
		t.seconds < 0 ? 0 - (uint64_t)t.seconds : (uint64_t)t.seconds;

	sfs_buf_printf(out, "duration(\"%s%" PRIu64, is_negative ? "-" : "",
	               seconds);
	print_nanos(t.nanos < 0 ? -t.nanos : t.nanos, out);
	sfs_buf_puts(out, "s\")");
}

void sfs_cel_value_print(const struct sfs_cel_value *v, struct sfs_buf *out)
{
	switch (v->kind) {
	case SFS_CEL_NULL:
		sfs_buf_puts(out, "null");
		break;
	case SFS_CEL_BOOL:
		sfs_buf_puts(out, v->as.boolean ? "true" : "false");
		break;
	case SFS_CEL_INT:
		sfs_buf_printf(out, "%" PRId64, v->as.integer);
		break;
	case SFS_CEL_UINT:
		sfs_buf_printf(out, "%" PRIu64 "u", v->as.uinteger);
		break;
	case SFS_CEL_DOUBLE:
		print_double(v->as.number, out);
		break;
	case SFS_CEL_STRING:
	case SFS_CEL_BYTES:
		print_text(v, out);
		break;
	case SFS_CEL_LIST:
		print_list(v->as.list, out);
		break;
	case SFS_CEL_MAP:
		print_map(v->as.map, out);
		break;
	case SFS_CEL_TYPE:
		sfs_buf_puts(out, sfs_cel_kind_name(v->as.type->kind));
		break;
	case SFS_CEL_TIMESTAMP:
		print_timestamp(v->as.time, out);
		break;
	case SFS_CEL_DURATION:
		print_duration(v->as.time, out);
		break;
	case SFS_CEL_INVALID:
	case SFS_CEL_DYN:
	case SFS_CEL_ERROR:
		sfs_buf_puts(out, sfs_cel_kind_name(v->kind));
		break;
	}
}
