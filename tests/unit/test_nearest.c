/* SPDX-License-Identifier: Apache-2.0 */
/* What a misspelt name was probably meant to be. */
#include "base/nearest.h"
#include "unit/tap.h"

static const char *const NAMES[] = { "num_dbs", "page_size", "key_col",
	                             "key_encoding", NULL };

static const char *near(const char *name)
{
	const char *found = sfs_nearest(NAMES, name, strlen(name));

	return found != NULL ? found : "nothing";
}

static void a_slip_is_recognized(void)
{
	IS_STR(near("num_db"), "num_dbs");
	IS_STR(near("nmu_dbs"), "num_dbs");
	IS_STR(near("pagesize"), "page_size");
	IS_STR(near("page_sise"), "page_size");
}

static void case_and_dashes_do_not_count(void)
{
	IS_STR(near("PAGE-SIZE"), "page_size");
	IS_STR(near("Key-Col"), "key_col");
}

static void a_beginning_is_enough(void)
{
	IS_STR(near("key_e"), "key_encoding");
	IS_STR(near("pag"), "page_size");
}

static void another_word_is_near_to_nothing(void)
{
	IS_STR(near("compression"), "nothing");
	IS_STR(near("x"), "nothing");
	IS_STR(near(""), "nothing");
	IS_STR(near("a_name_that_is_much_longer_than_any_of_them"), "nothing");
}

int main(void)
{
	RUN(a_slip_is_recognized);
	RUN(case_and_dashes_do_not_count);
	RUN(a_beginning_is_enough);
	RUN(another_word_is_near_to_nothing);
	return tap_done();
}
