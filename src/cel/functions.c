/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of overloads: all operators and functions of CEL that work on
 * values, and shard_hash(). The checker and the evaluator know no function of
 * their own; && || ?: and the macros are not functions, since they do not
 * evaluate all that they are given.
 */
#include "cel/functions_internal.h"

#include <string.h>

static const struct sfs_cel_type TYPE_A = { SFS_CEL_INVALID,
	                                    { NULL, NULL },
	                                    1 };
static const struct sfs_cel_type TYPE_B = { SFS_CEL_INVALID,
	                                    { NULL, NULL },
	                                    2 };
static const struct sfs_cel_type LIST_OF_A = { SFS_CEL_LIST,
	                                       { &TYPE_A, NULL },
	                                       0 };
static const struct sfs_cel_type MAP_OF_A_B = { SFS_CEL_MAP,
	                                        { &TYPE_A, &TYPE_B },
	                                        0 };

#define A &TYPE_A
#define B &TYPE_B
#define LIST_A &LIST_OF_A
#define MAP_AB &MAP_OF_A_B
#define BOOL &SFS_CEL_TYPES[SFS_CEL_BOOL]
#define INT &SFS_CEL_TYPES[SFS_CEL_INT]
#define UINT &SFS_CEL_TYPES[SFS_CEL_UINT]
#define DOUBLE &SFS_CEL_TYPES[SFS_CEL_DOUBLE]
#define STRING &SFS_CEL_TYPES[SFS_CEL_STRING]
#define BYTES &SFS_CEL_TYPES[SFS_CEL_BYTES]
#define LIST &SFS_CEL_TYPES[SFS_CEL_LIST]
#define MAP &SFS_CEL_TYPES[SFS_CEL_MAP]
#define TYPE &SFS_CEL_TYPES[SFS_CEL_TYPE]
#define TIMESTAMP &SFS_CEL_TYPES[SFS_CEL_TIMESTAMP]
#define DURATION &SFS_CEL_TYPES[SFS_CEL_DURATION]
#define DYN &SFS_CEL_TYPES[SFS_CEL_DYN]

/* Name, arguments, result, cost, and what is run. */
#define ROW(name, style, argc, a, b, result, cost, run, is_dynamic) \
	{                                                           \
		name, style, argc, { a, b }, result, sfs_cel_##run, \
			is_dynamic, SFS_CEL_COST_##cost             \
	}
#define FUNCTION1(name, a, result, cost, run) \
	ROW(name, SFS_CEL_GLOBAL, 1, a, NULL, result, cost, run, false)
#define FUNCTION2(name, a, b, result, cost, run) \
	ROW(name, SFS_CEL_GLOBAL, 2, a, b, result, cost, run, false)
#define METHOD1(name, a, result, cost, run) \
	ROW(name, SFS_CEL_METHOD, 1, a, NULL, result, cost, run, false)
#define METHOD2(name, a, b, result, cost, run) \
	ROW(name, SFS_CEL_METHOD, 2, a, b, result, cost, run, false)
#define EITHER1(name, a, result, cost, run) \
	ROW(name, SFS_CEL_BOTH, 1, a, NULL, result, cost, run, false)
#define EITHER2(name, a, b, result, cost, run) \
	ROW(name, SFS_CEL_BOTH, 2, a, b, result, cost, run, false)
#define DYNAMIC2(name, a, b, result, cost, run) \
	ROW(name, SFS_CEL_GLOBAL, 2, a, b, result, cost, run, true)

/* Sorted by name. */
/* clang-format off */
static const struct sfs_cel_overload TABLE[] = {
	FUNCTION1("!_", BOOL, BOOL, ONE, not),
	FUNCTION1("-_", INT, INT, ONE, negate_int),
	FUNCTION1("-_", DOUBLE, DOUBLE, ONE, negate_double),
	FUNCTION2("@in", A, LIST_A, BOOL, DEEP, in_list),
	FUNCTION2("@in", A, MAP_AB, BOOL, FLAT, in_map),
	DYNAMIC2("@in", DYN, LIST, BOOL, DEEP, in_list),
	DYNAMIC2("@in", DYN, MAP, BOOL, FLAT, in_map),
	FUNCTION2("_!=_", INT, INT, BOOL, ONE, unequal_int),
	FUNCTION2("_!=_", UINT, UINT, BOOL, ONE, unequal_int),
	FUNCTION2("_!=_", STRING, STRING, BOOL, FLAT, unequal_text),
	FUNCTION2("_!=_", BYTES, BYTES, BOOL, FLAT, unequal_text),
	FUNCTION2("_!=_", A, A, BOOL, DEEP, unequal),
	DYNAMIC2("_!=_", DYN, DYN, BOOL, DEEP, unequal),
	FUNCTION2("_%_", INT, INT, INT, ONE, modulo_int),
	FUNCTION2("_%_", UINT, UINT, UINT, ONE, modulo_uint),
	FUNCTION2("_*_", INT, INT, INT, ONE, multiply_int),
	FUNCTION2("_*_", UINT, UINT, UINT, ONE, multiply_uint),
	FUNCTION2("_*_", DOUBLE, DOUBLE, DOUBLE, ONE, multiply_double),
	FUNCTION2("_+_", INT, INT, INT, ONE, add_int),
	FUNCTION2("_+_", UINT, UINT, UINT, ONE, add_uint),
	FUNCTION2("_+_", DOUBLE, DOUBLE, DOUBLE, ONE, add_double),
	FUNCTION2("_+_", STRING, STRING, STRING, ONE, add_text),
	FUNCTION2("_+_", BYTES, BYTES, BYTES, ONE, add_text),
	FUNCTION2("_+_", LIST_A, LIST_A, LIST_A, ONE, add_list),
	FUNCTION2("_+_", TIMESTAMP, DURATION, TIMESTAMP, ONE, add_duration),
	FUNCTION2("_+_", DURATION, TIMESTAMP, TIMESTAMP, ONE, add_timestamp),
	FUNCTION2("_+_", DURATION, DURATION, DURATION, ONE, add_durations),
	FUNCTION2("_-_", INT, INT, INT, ONE, subtract_int),
	FUNCTION2("_-_", UINT, UINT, UINT, ONE, subtract_uint),
	FUNCTION2("_-_", DOUBLE, DOUBLE, DOUBLE, ONE, subtract_double),
	FUNCTION2("_-_", TIMESTAMP, TIMESTAMP, DURATION, ONE, subtract_timestamps),
	FUNCTION2("_-_", TIMESTAMP, DURATION, TIMESTAMP, ONE, subtract_duration),
	FUNCTION2("_-_", DURATION, DURATION, DURATION, ONE, subtract_durations),
	FUNCTION2("_/_", INT, INT, INT, ONE, divide_int),
	FUNCTION2("_/_", UINT, UINT, UINT, ONE, divide_uint),
	FUNCTION2("_/_", DOUBLE, DOUBLE, DOUBLE, ONE, divide_double),
	FUNCTION2("_<=_", INT, INT, BOOL, ONE, less_or_equal_int),
	FUNCTION2("_<=_", UINT, UINT, BOOL, ONE, less_or_equal_uint),
	FUNCTION2("_<=_", STRING, STRING, BOOL, FLAT, less_or_equal),
	FUNCTION2("_<=_", BYTES, BYTES, BOOL, FLAT, less_or_equal),
	FUNCTION2("_<=_", DOUBLE, DOUBLE, BOOL, ONE, less_or_equal),
	FUNCTION2("_<=_", BOOL, BOOL, BOOL, ONE, less_or_equal),
	FUNCTION2("_<=_", TIMESTAMP, TIMESTAMP, BOOL, ONE, less_or_equal),
	FUNCTION2("_<=_", DURATION, DURATION, BOOL, ONE, less_or_equal),
	DYNAMIC2("_<=_", INT, UINT, BOOL, ONE, less_or_equal),
	DYNAMIC2("_<=_", INT, DOUBLE, BOOL, ONE, less_or_equal),
	DYNAMIC2("_<=_", UINT, INT, BOOL, ONE, less_or_equal),
	DYNAMIC2("_<=_", UINT, DOUBLE, BOOL, ONE, less_or_equal),
	DYNAMIC2("_<=_", DOUBLE, INT, BOOL, ONE, less_or_equal),
	DYNAMIC2("_<=_", DOUBLE, UINT, BOOL, ONE, less_or_equal),
	FUNCTION2("_<_", INT, INT, BOOL, ONE, less_int),
	FUNCTION2("_<_", UINT, UINT, BOOL, ONE, less_uint),
	FUNCTION2("_<_", STRING, STRING, BOOL, FLAT, less),
	FUNCTION2("_<_", BYTES, BYTES, BOOL, FLAT, less),
	FUNCTION2("_<_", DOUBLE, DOUBLE, BOOL, ONE, less),
	FUNCTION2("_<_", BOOL, BOOL, BOOL, ONE, less),
	FUNCTION2("_<_", TIMESTAMP, TIMESTAMP, BOOL, ONE, less),
	FUNCTION2("_<_", DURATION, DURATION, BOOL, ONE, less),
	DYNAMIC2("_<_", INT, UINT, BOOL, ONE, less),
	DYNAMIC2("_<_", INT, DOUBLE, BOOL, ONE, less),
	DYNAMIC2("_<_", UINT, INT, BOOL, ONE, less),
	DYNAMIC2("_<_", UINT, DOUBLE, BOOL, ONE, less),
	DYNAMIC2("_<_", DOUBLE, INT, BOOL, ONE, less),
	DYNAMIC2("_<_", DOUBLE, UINT, BOOL, ONE, less),
	FUNCTION2("_==_", INT, INT, BOOL, ONE, equal_int),
	FUNCTION2("_==_", UINT, UINT, BOOL, ONE, equal_int),
	FUNCTION2("_==_", STRING, STRING, BOOL, FLAT, equal_text),
	FUNCTION2("_==_", BYTES, BYTES, BOOL, FLAT, equal_text),
	FUNCTION2("_==_", A, A, BOOL, DEEP, equal),
	DYNAMIC2("_==_", DYN, DYN, BOOL, DEEP, equal),
	FUNCTION2("_>=_", INT, INT, BOOL, ONE, greater_or_equal_int),
	FUNCTION2("_>=_", UINT, UINT, BOOL, ONE, greater_or_equal_uint),
	FUNCTION2("_>=_", STRING, STRING, BOOL, FLAT, greater_or_equal),
	FUNCTION2("_>=_", BYTES, BYTES, BOOL, FLAT, greater_or_equal),
	FUNCTION2("_>=_", DOUBLE, DOUBLE, BOOL, ONE, greater_or_equal),
	FUNCTION2("_>=_", BOOL, BOOL, BOOL, ONE, greater_or_equal),
	FUNCTION2("_>=_", TIMESTAMP, TIMESTAMP, BOOL, ONE, greater_or_equal),
	FUNCTION2("_>=_", DURATION, DURATION, BOOL, ONE, greater_or_equal),
	DYNAMIC2("_>=_", INT, UINT, BOOL, ONE, greater_or_equal),
	DYNAMIC2("_>=_", INT, DOUBLE, BOOL, ONE, greater_or_equal),
	DYNAMIC2("_>=_", UINT, INT, BOOL, ONE, greater_or_equal),
	DYNAMIC2("_>=_", UINT, DOUBLE, BOOL, ONE, greater_or_equal),
	DYNAMIC2("_>=_", DOUBLE, INT, BOOL, ONE, greater_or_equal),
	DYNAMIC2("_>=_", DOUBLE, UINT, BOOL, ONE, greater_or_equal),
	FUNCTION2("_>_", INT, INT, BOOL, ONE, greater_int),
	FUNCTION2("_>_", UINT, UINT, BOOL, ONE, greater_uint),
	FUNCTION2("_>_", STRING, STRING, BOOL, FLAT, greater),
	FUNCTION2("_>_", BYTES, BYTES, BOOL, FLAT, greater),
	FUNCTION2("_>_", DOUBLE, DOUBLE, BOOL, ONE, greater),
	FUNCTION2("_>_", BOOL, BOOL, BOOL, ONE, greater),
	FUNCTION2("_>_", TIMESTAMP, TIMESTAMP, BOOL, ONE, greater),
	FUNCTION2("_>_", DURATION, DURATION, BOOL, ONE, greater),
	DYNAMIC2("_>_", INT, UINT, BOOL, ONE, greater),
	DYNAMIC2("_>_", INT, DOUBLE, BOOL, ONE, greater),
	DYNAMIC2("_>_", UINT, INT, BOOL, ONE, greater),
	DYNAMIC2("_>_", UINT, DOUBLE, BOOL, ONE, greater),
	DYNAMIC2("_>_", DOUBLE, INT, BOOL, ONE, greater),
	DYNAMIC2("_>_", DOUBLE, UINT, BOOL, ONE, greater),
	FUNCTION2("_[_]", LIST_A, INT, A, ONE, index_list),
	FUNCTION2("_[_]", MAP_AB, A, B, FLAT, index_map),
	DYNAMIC2("_[_]", LIST, DYN, DYN, ONE, index_list),
	DYNAMIC2("_[_]", MAP, DYN, DYN, FLAT, index_map),
	FUNCTION1("bool", BOOL, BOOL, ONE, same),
	FUNCTION1("bool", STRING, BOOL, ONE, bool_of_string),
	FUNCTION1("bytes", BYTES, BYTES, ONE, same),
	FUNCTION1("bytes", STRING, BYTES, ONE, bytes_of_string),
	METHOD2("contains", STRING, STRING, BOOL, FLAT, contains),
	FUNCTION1("double", DOUBLE, DOUBLE, ONE, same),
	FUNCTION1("double", INT, DOUBLE, ONE, double_of_int),
	FUNCTION1("double", UINT, DOUBLE, ONE, double_of_uint),
	FUNCTION1("double", STRING, DOUBLE, FLAT, double_of_string),
	FUNCTION1("duration", DURATION, DURATION, ONE, same),
	FUNCTION1("duration", STRING, DURATION, FLAT, duration_of_string),
	FUNCTION1("dyn", A, DYN, ONE, same),
	METHOD2("endsWith", STRING, STRING, BOOL, FLAT, ends_with),
	METHOD1("getDate", TIMESTAMP, INT, ONE, get_date),
	METHOD2("getDate", TIMESTAMP, STRING, INT, FILE, get_date_in),
	METHOD1("getDayOfMonth", TIMESTAMP, INT, ONE, get_day_of_month),
	METHOD2("getDayOfMonth", TIMESTAMP, STRING, INT, FILE, get_day_of_month_in),
	METHOD1("getDayOfWeek", TIMESTAMP, INT, ONE, get_day_of_week),
	METHOD2("getDayOfWeek", TIMESTAMP, STRING, INT, FILE, get_day_of_week_in),
	METHOD1("getDayOfYear", TIMESTAMP, INT, ONE, get_day_of_year),
	METHOD2("getDayOfYear", TIMESTAMP, STRING, INT, FILE, get_day_of_year_in),
	METHOD1("getFullYear", TIMESTAMP, INT, ONE, get_full_year),
	METHOD2("getFullYear", TIMESTAMP, STRING, INT, FILE, get_full_year_in),
	METHOD1("getHours", TIMESTAMP, INT, ONE, get_hours),
	METHOD2("getHours", TIMESTAMP, STRING, INT, FILE, get_hours_in),
	METHOD1("getHours", DURATION, INT, ONE, hours_of),
	METHOD1("getMilliseconds", TIMESTAMP, INT, ONE, get_milliseconds),
	METHOD2("getMilliseconds", TIMESTAMP, STRING, INT, FILE, get_milliseconds_in),
	METHOD1("getMilliseconds", DURATION, INT, ONE, milliseconds_of),
	METHOD1("getMinutes", TIMESTAMP, INT, ONE, get_minutes),
	METHOD2("getMinutes", TIMESTAMP, STRING, INT, FILE, get_minutes_in),
	METHOD1("getMinutes", DURATION, INT, ONE, minutes_of),
	METHOD1("getMonth", TIMESTAMP, INT, ONE, get_month),
	METHOD2("getMonth", TIMESTAMP, STRING, INT, FILE, get_month_in),
	METHOD1("getSeconds", TIMESTAMP, INT, ONE, get_seconds),
	METHOD2("getSeconds", TIMESTAMP, STRING, INT, FILE, get_seconds_in),
	METHOD1("getSeconds", DURATION, INT, ONE, seconds_of),
	FUNCTION1("int", INT, INT, ONE, same),
	FUNCTION1("int", UINT, INT, ONE, int_of_uint),
	FUNCTION1("int", DOUBLE, INT, ONE, int_of_double),
	FUNCTION1("int", STRING, INT, FLAT, int_of_string),
	FUNCTION1("int", TIMESTAMP, INT, ONE, int_of_timestamp),
	EITHER2("matches", STRING, STRING, BOOL, REGEX, matches),
	FUNCTION1("shard_hash", INT, UINT, ONE, hash_int),
	FUNCTION1("shard_hash", UINT, UINT, ONE, hash_uint),
	FUNCTION1("shard_hash", STRING, UINT, FLAT, hash_text),
	FUNCTION1("shard_hash", BYTES, UINT, FLAT, hash_text),
	EITHER1("size", STRING, INT, FLAT, size_string),
	EITHER1("size", BYTES, INT, ONE, size_bytes),
	EITHER1("size", LIST_A, INT, ONE, size_list),
	EITHER1("size", MAP_AB, INT, ONE, size_map),
	METHOD2("startsWith", STRING, STRING, BOOL, FLAT, starts_with),
	FUNCTION1("string", STRING, STRING, ONE, same),
	FUNCTION1("string", BOOL, STRING, ONE, string_of_bool),
	FUNCTION1("string", INT, STRING, ONE, string_of_int),
	FUNCTION1("string", UINT, STRING, ONE, string_of_uint),
	FUNCTION1("string", DOUBLE, STRING, ONE, string_of_double),
	FUNCTION1("string", BYTES, STRING, FLAT, string_of_bytes),
	FUNCTION1("string", TIMESTAMP, STRING, ONE, string_of_timestamp),
	FUNCTION1("string", DURATION, STRING, ONE, string_of_duration),
	FUNCTION1("timestamp", TIMESTAMP, TIMESTAMP, ONE, same),
	FUNCTION1("timestamp", INT, TIMESTAMP, ONE, timestamp_of_int),
	FUNCTION1("timestamp", STRING, TIMESTAMP, FLAT, timestamp_of_string),
	FUNCTION1("type", A, TYPE, ONE, type_of),
	FUNCTION1("uint", UINT, UINT, ONE, same),
	FUNCTION1("uint", INT, UINT, ONE, uint_of_int),
	FUNCTION1("uint", DOUBLE, UINT, ONE, uint_of_double),
	FUNCTION1("uint", STRING, UINT, FLAT, uint_of_string),
};
/* clang-format on */

enum { TABLE_COUNT = sizeof(TABLE) / sizeof(TABLE[0]) };

const struct sfs_cel_overload *sfs_cel_overloads(size_t *count)
{
	*count = TABLE_COUNT;
	return TABLE;
}

static int order_of(struct sfs_cel_text name, const char *row)
{
	size_t len = strlen(row);
	int order = memcmp(name.data, row, name.len < len ? name.len : len);

	if (order == 0)
		order = (name.len > len) - (name.len < len);
	return order;
}

const struct sfs_cel_overload *sfs_cel_overloads_named(struct sfs_cel_text name,
                                                       size_t *count)
{
	size_t low = 0;
	size_t high = TABLE_COUNT;
	size_t end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (order_of(name, TABLE[middle].name) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	end = low;
	while (end < TABLE_COUNT && order_of(name, TABLE[end].name) == 0)
		end++;
	*count = end - low;
	return end > low ? &TABLE[low] : NULL;
}

const char SFS_CEL_NO_POOL[] = "the evaluation needs too much memory";

struct sfs_cel_value sfs_cel_error(const char *message)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_ERROR,
		                       .as.error = message };
}

struct sfs_cel_value sfs_cel_error_memory(void)
{
	return sfs_cel_error(SFS_CEL_NO_POOL);
}
