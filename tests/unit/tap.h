/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_TAP_H
#define SFS_TESTS_TAP_H

/*
 * A TAP harness in one header. A test program is a list of
 *     static void test_name(void) { OK(condition); IS_INT(got, want); ... }
 * and a main() of
 *     RUN(test_name); ... return tap_done();
 * One TAP line per RUN: a test fails if any of its checks does; each failed
 * check prints its place and values as a diagnostic.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_tests;
static int tap_failed_tests;
static int tap_failed_checks;

#define TAP_FAIL(...)                                    \
	do {                                             \
		tap_failed_checks++;                     \
		printf("# %s:%d: ", __FILE__, __LINE__); \
		printf(__VA_ARGS__);                     \
		printf("\n");                            \
	} while (0)

#define OK(condition)                                      \
	do {                                               \
		if (!(condition))                          \
			TAP_FAIL("false: %s", #condition); \
	} while (0)

#define IS_INT(got, want)                                                 \
	do {                                                              \
		int64_t tap_got = (int64_t)(got);                         \
		int64_t tap_want = (int64_t)(want);                       \
		if (tap_got != tap_want)                                  \
			TAP_FAIL("%s is %" PRId64 ", not %" PRId64, #got, \
			         tap_got, tap_want);                      \
	} while (0)

#define IS_STR(got, want)                                                 \
	do {                                                              \
		const char *tap_got = (got);                              \
		const char *tap_want = (want);                            \
		if (tap_got == NULL || strcmp(tap_got, tap_want) != 0)    \
			TAP_FAIL("%s is \"%s\", not \"%s\"", #got,        \
			         tap_got ? tap_got : "(null)", tap_want); \
	} while (0)

#define HAS_STR(text, part)                                                  \
	do {                                                                 \
		const char *tap_text = (text);                               \
		if (strstr(tap_text, (part)) == NULL)                        \
			TAP_FAIL("\"%s\" does not contain \"%s\"", tap_text, \
			         (part));                                    \
	} while (0)

#define RUN(test)                                                             \
	do {                                                                  \
		tap_failed_checks = 0;                                        \
		test();                                                       \
		tap_tests++;                                                  \
		if (tap_failed_checks > 0)                                    \
			tap_failed_tests++;                                   \
		printf("%sok %d - %s\n", tap_failed_checks > 0 ? "not " : "", \
		       tap_tests, #test);                                     \
		fflush(stdout);                                               \
	} while (0)

static inline int tap_done(void)
{
	printf("1..%d\n", tap_tests);
	return tap_failed_tests > 0;
}

#endif
