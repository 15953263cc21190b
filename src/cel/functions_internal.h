/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_FUNCTIONS_INTERNAL_H
#define SFS_CEL_FUNCTIONS_INTERNAL_H

#include "cel/functions.h"

/* What the rows of the table run, by the file that has it. */

/* The types that sfs_cel_type_of_kind() gives, by kind: for static tables. */
extern const struct sfs_cel_type SFS_CEL_TYPES[SFS_CEL_ERROR + 1];

/* Values */
static inline struct sfs_cel_value sfs_cel_bool(bool value)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_BOOL,
		                       .as.boolean = value };
}

static inline struct sfs_cel_value sfs_cel_int(int64_t value)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_INT,
		                       .as.integer = value };
}

static inline struct sfs_cel_value sfs_cel_uint(uint64_t value)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_UINT,
		                       .as.uinteger = value };
}

static inline struct sfs_cel_value sfs_cel_double(double value)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_DOUBLE,
		                       .as.number = value };
}

static inline struct sfs_cel_value sfs_cel_string(const char *data, size_t len)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_STRING,
		                       .as.text = { data, len } };
}

/* arithmetic.c */
sfs_cel_fn sfs_cel_add_int, sfs_cel_add_uint, sfs_cel_add_double,
	sfs_cel_add_text, sfs_cel_add_list, sfs_cel_subtract_int,
	sfs_cel_subtract_uint, sfs_cel_subtract_double, sfs_cel_multiply_int,
	sfs_cel_multiply_uint, sfs_cel_multiply_double, sfs_cel_divide_int,
	sfs_cel_divide_uint, sfs_cel_divide_double, sfs_cel_modulo_int,
	sfs_cel_modulo_uint, sfs_cel_negate_int, sfs_cel_negate_double;

/* compare.c */
sfs_cel_fn sfs_cel_equal_int, sfs_cel_equal_text, sfs_cel_equal,
	sfs_cel_unequal_int, sfs_cel_unequal_text, sfs_cel_unequal,
	sfs_cel_less_int, sfs_cel_less_uint, sfs_cel_less,
	sfs_cel_less_or_equal_int, sfs_cel_less_or_equal_uint,
	sfs_cel_less_or_equal, sfs_cel_greater_int, sfs_cel_greater_uint,
	sfs_cel_greater, sfs_cel_greater_or_equal_int,
	sfs_cel_greater_or_equal_uint, sfs_cel_greater_or_equal, sfs_cel_not;

/* collections.c */
sfs_cel_fn sfs_cel_in_list, sfs_cel_in_map, sfs_cel_index_list,
	sfs_cel_index_map, sfs_cel_size_list, sfs_cel_size_map;

/* convert.c */
sfs_cel_fn sfs_cel_same, sfs_cel_type_of, sfs_cel_bool_of_string,
	sfs_cel_bytes_of_string, sfs_cel_double_of_int, sfs_cel_double_of_uint,
	sfs_cel_int_of_uint, sfs_cel_int_of_double, sfs_cel_uint_of_int,
	sfs_cel_uint_of_double, sfs_cel_string_of_bytes;

/* decimal.c */
sfs_cel_fn sfs_cel_int_of_string, sfs_cel_uint_of_string,
	sfs_cel_double_of_string, sfs_cel_string_of_bool, sfs_cel_string_of_int,
	sfs_cel_string_of_uint, sfs_cel_string_of_double;

/* text.c */
sfs_cel_fn sfs_cel_size_string, sfs_cel_size_bytes, sfs_cel_starts_with,
	sfs_cel_ends_with, sfs_cel_contains, sfs_cel_matches;

/* hash.c */
sfs_cel_fn sfs_cel_hash_int, sfs_cel_hash_uint, sfs_cel_hash_text;

/* time.c */
sfs_cel_fn sfs_cel_add_durations, sfs_cel_add_duration, sfs_cel_add_timestamp,
	sfs_cel_subtract_durations, sfs_cel_subtract_duration,
	sfs_cel_subtract_timestamps, sfs_cel_timestamp_of_int,
	sfs_cel_int_of_timestamp;

/* time_text.c */
sfs_cel_fn sfs_cel_timestamp_of_string, sfs_cel_duration_of_string,
	sfs_cel_string_of_timestamp, sfs_cel_string_of_duration;

/* time_parts.c; those with "in" are of a zone */
sfs_cel_fn sfs_cel_get_full_year, sfs_cel_get_month, sfs_cel_get_date,
	sfs_cel_get_day_of_month, sfs_cel_get_day_of_week,
	sfs_cel_get_day_of_year, sfs_cel_get_hours, sfs_cel_get_minutes,
	sfs_cel_get_seconds, sfs_cel_get_milliseconds, sfs_cel_get_full_year_in,
	sfs_cel_get_month_in, sfs_cel_get_date_in, sfs_cel_get_day_of_month_in,
	sfs_cel_get_day_of_week_in, sfs_cel_get_day_of_year_in,
	sfs_cel_get_hours_in, sfs_cel_get_minutes_in, sfs_cel_get_seconds_in,
	sfs_cel_get_milliseconds_in, sfs_cel_hours_of, sfs_cel_minutes_of,
	sfs_cel_seconds_of, sfs_cel_milliseconds_of;

#endif
