/* SPDX-License-Identifier: Apache-2.0 */
/* The byte buffer: growth, the maximum, and the failure that sticks. */
#include "base/alloc.h"
#include "base/buf.h"
#include "unit/tap.h"

static struct sfs_err err;

static void text_is_terminated_after_each_append(void)
{
	struct sfs_buf b = SFS_BUF_INIT(100);

	sfs_buf_add(&b, "", 0);
	IS_STR(b.data, "");
	sfs_buf_puts(&b, "ab");
	sfs_buf_putc(&b, 'c');
	sfs_buf_printf(&b, "%d", 42);
	IS_STR(b.data, "abc42");
	IS_INT(b.len, 5);
	sfs_buf_add(&b, "\0x", 2);
	IS_INT(b.len, 7);
	OK(memcmp(b.data, "abc42\0x", 8) == 0);
	sfs_buf_release(&b);
	OK(b.data == NULL && b.len == 0);
}

static void it_grows_far_beyond_its_first_size(void)
{
	struct sfs_buf b = SFS_BUF_INIT(1 << 20);
	bool same = true;

	for (int i = 0; i < 100000; i++)
		sfs_buf_putc(&b, (char)('a' + i % 26));
	IS_INT(sfs_buf_finish(&b, "it", &err), SFS_OK);
	IS_INT(b.len, 100000);
	for (int i = 0; i < 100000; i++)
		same = same && b.data[i] == 'a' + i % 26;
	OK(same);
	sfs_buf_release(&b);
}

static void the_maximum_is_exact_and_its_failure_sticks(void)
{
	struct sfs_buf b = SFS_BUF_INIT(4);

	sfs_buf_puts(&b, "1234");
	IS_INT(sfs_buf_finish(&b, "it", &err), SFS_OK);
	sfs_buf_putc(&b, '5');
	sfs_buf_puts(&b, "");
	OK(sfs_buf_reserve(&b, 0) == NULL);
	sfs_buf_printf(&b, "%s", "");
	IS_INT(sfs_buf_finish(&b, "the text", &err), SFS_E_TOO_BIG);
	IS_STR(err.msg, "the text: too big");
	IS_STR(b.data, "1234");
	sfs_buf_release(&b);
}

static void huge_lengths_do_not_wrap(void)
{
	struct sfs_buf b = SFS_BUF_INIT(16);

	sfs_buf_puts(&b, "12345678");
	OK(sfs_buf_reserve(&b, SIZE_MAX) == NULL);
	IS_INT(b.failed, SFS_E_TOO_BIG);
	sfs_buf_release(&b);
}

static void no_memory_is_reported_and_what_was_there_stays(void)
{
	struct sfs_buf b = SFS_BUF_INIT(10000);

	sfs_buf_puts(&b, "here");
	sfs_alloc_fail_nth(1);
	sfs_buf_printf(&b, "%1000d", 1);
	sfs_buf_puts(&b, "no more");
	IS_INT(sfs_buf_finish(&b, "it", &err), SFS_E_NO_MEMORY);
	IS_STR(b.data, "here");
	sfs_buf_release(&b);
}

static void a_reset_buffer_can_be_used_again(void)
{
	struct sfs_buf b = SFS_BUF_INIT(4);

	sfs_buf_puts(&b, "12345");
	sfs_buf_reset(&b);
	sfs_buf_puts(&b, "1");
	IS_INT(sfs_buf_finish(&b, "it", &err), SFS_OK);
	IS_STR(b.data, "1");
	sfs_buf_reset(&b);
	IS_STR(b.data, "");
	sfs_buf_release(&b);
}

static void detached_bytes_belong_to_the_caller(void)
{
	struct sfs_buf b = SFS_BUF_INIT(10);
	char *text;

	sfs_buf_puts(&b, "text");
	text = sfs_buf_detach(&b);
	IS_STR(text, "text");
	OK(b.data == NULL && b.len == 0 && b.max == 10);
	sfs_buf_release(&b);
	sfs_free(text);
}

int main(void)
{
	RUN(text_is_terminated_after_each_append);
	RUN(it_grows_far_beyond_its_first_size);
	RUN(the_maximum_is_exact_and_its_failure_sticks);
	RUN(huge_lengths_do_not_wrap);
	RUN(no_memory_is_reported_and_what_was_there_stays);
	RUN(a_reset_buffer_can_be_used_again);
	RUN(detached_bytes_belong_to_the_caller);
	return tap_done();
}
