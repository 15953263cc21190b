/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs files of CEL vectors: cel_conformance FILE.jsonl... Names each failure,
 * counts each tier, and ends with "N passed, M failed". Exit status 1: there
 * were failures, 2: a file could not be read.
 */
#include "unit/cel_vectors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	bool is_failed = false;
	long failed;

	if (argc < 2) {
		fprintf(stderr, "usage: cel_conformance FILE.jsonl...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		failed = cel_vectors_run_file(argv[i], "");
		if (failed < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return 2;
		}
		is_failed = is_failed || failed > 0;
	}
	return is_failed;
}
