/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CEL's conformance tests, those that need no protobuf messages, and vectors
 * of our own for what they lack (tests/data/cel/README). None is excepted.
 */
#include "unit/cel_vectors.h"

#include "unit/tap.h"
#include "unit/testdata.h"

static void run_file(const char *name)
{
	char path[TESTDATA_PATH_BYTES];

	testdata_path(path, name);
	IS_INT(cel_vectors_run_file(path, "# "), 0);
}

static void test_vectors_of_cel_spec(void)
{
	run_file("cel/conformance.jsonl");
}

static void test_own_vectors(void)
{
	run_file("cel/own.jsonl");
}

int main(void)
{
	RUN(test_vectors_of_cel_spec);
	RUN(test_own_vectors);
	return tap_done();
}
