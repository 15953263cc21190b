/* SPDX-License-Identifier: Apache-2.0 */
/* Frozen files: text that stays until the last reference is taken back. */
#include "base/alloc.h"
#include "fs/frozen.h"
#include "unit/tap.h"

static uint64_t add(struct sfs_frozen *f, const char *text)
{
	struct sfs_frozen_info info = { strlen(text), 42, -1, false };
	uint64_t number = 0;

	OK(sfs_frozen_add(f, sfs_strdup(text), &info, &number));
	return number;
}

static void each_file_keeps_its_own_text(void)
{
	struct sfs_frozen *f = sfs_frozen_new();
	struct sfs_frozen_info info;
	uint64_t numbers[600];
	char text[32];
	char buf[32];
	size_t got;
	int bad = 0;

	for (int i = 0; i < 600; i++) {
		(void)snprintf(text, sizeof(text), "text %d", i);
		numbers[i] = add(f, text);
	}
	for (int i = 0; i < 600; i++) {
		(void)snprintf(text, sizeof(text), "text %d", i);
		bad += !sfs_frozen_read(f, numbers[i], 0, buf, sizeof(buf),
		                        &got) ||
		       got != strlen(text) || memcmp(buf, text, got) != 0;
		bad += !sfs_frozen_info(f, numbers[i], &info) ||
		       info.size != got || info.ino != 42 || info.command != -1;
	}
	IS_INT(bad, 0);
	sfs_frozen_free(f); /* and all that is still there */
	sfs_frozen_free(NULL);
}

static void parts_can_be_read(void)
{
	struct sfs_frozen *f = sfs_frozen_new();
	uint64_t n = add(f, "0123456789");
	char buf[16] = "";
	size_t got = 99;

	OK(sfs_frozen_read(f, n, 8, buf, 16, &got));
	IS_INT(got, 2);
	OK(memcmp(buf, "89", 2) == 0);
	OK(sfs_frozen_read(f, n, 3, buf, 4, &got));
	IS_INT(got, 4);
	OK(memcmp(buf, "3456", 4) == 0);
	OK(sfs_frozen_read(f, n, 10, buf, 16, &got));
	IS_INT(got, 0);
	OK(sfs_frozen_read(f, n, UINT64_MAX, buf, 16, &got));
	IS_INT(got, 0);
	n = add(f, "");
	OK(sfs_frozen_read(f, n, 0, buf, 16, &got));
	IS_INT(got, 0);
	sfs_frozen_free(f);
}

static void a_forgotten_file_is_gone_and_its_number_with_it(void)
{
	struct sfs_frozen *f = sfs_frozen_new();
	struct sfs_frozen_info info;
	uint64_t first = add(f, "a");
	uint64_t second = add(f, "b");
	char buf[4];
	size_t got;

	OK(first != second);
	sfs_frozen_forget(f, first, 1);
	OK(!sfs_frozen_info(f, first, &info));
	OK(!sfs_frozen_read(f, first, 0, buf, 4, &got));
	IS_INT(got, 0);
	OK(sfs_frozen_info(f, second, &info));
	sfs_frozen_forget(f, second, 100);
	OK(!sfs_frozen_info(f, second, &info));
	sfs_frozen_forget(f, second, 1);
	OK(add(f, "c") > second);
	sfs_frozen_free(f);
}

/* LeakSanitizer tells whether the text was taken over. */
static void without_memory_there_is_no_file(void)
{
	struct sfs_frozen *f = sfs_frozen_new();
	struct sfs_frozen_info info = { 1, 1, 0, false };
	char *text = sfs_strdup("x");
	uint64_t number;

	sfs_alloc_fail_nth(1);
	OK(!sfs_frozen_add(f, text, &info, &number));
	sfs_alloc_fail_nth(1);
	OK(sfs_frozen_new() == NULL);
	sfs_frozen_free(f);
}

int main(void)
{
	RUN(each_file_keeps_its_own_text);
	RUN(parts_can_be_read);
	RUN(a_forgotten_file_is_gone_and_its_number_with_it);
	RUN(without_memory_there_is_no_file);
	return tap_done();
}
