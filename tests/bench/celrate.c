/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast CEL is, on one thread:
 *
 *	celrate COUNT
 *
 * evaluates what routes records, COUNT times each (1,024 or more), and prints
 * a line of each measure: a name and evaluations a second, or for "compile"
 * microseconds.
 */
#include "bench/bench.h"

#include "cel/cel.h"

#include <inttypes.h>

enum {
	VALUES = 1024, /* different ones, so that no branch is learnt */
	RANGES = 1000,
	RANGE_WIDTH = 10,
	COMPILATIONS = 20,
};

static const struct sfs_cel_variable region_id[] = {
	{ "region", "string" },
	{ "id", "int" },
};
static const struct sfs_cel_variable key[] = { { "key", "int" } };

static struct sfs_cel_program *compile(const char *text, size_t len,
                                       const struct sfs_cel_variable *variables,
                                       size_t count)
{
	const struct sfs_cel_env env = { variables, count, false };
	struct sfs_cel_program *program;
	struct sfs_err err;

	if (sfs_cel_compile(text, len, &env, &program, &err) == SFS_OK)
		return program;
	(void)fprintf(stderr, "celrate: %s\n", err.msg);
	exit(1);
}

/* values: VALUES rows of count values. */
static void measure(const char *name, const struct sfs_cel_program *program,
                    const struct sfs_cel_value *values, size_t count,
                    uint64_t evaluations)
{
	struct sfs_cel_scratch *scratch = sfs_cel_scratch_new();
	struct sfs_cel_value result;
	uint64_t sum = 0;
	struct sfs_err err;
	double began;

	if (scratch == NULL)
		die("memory");
	began = now_seconds();
	for (uint64_t i = 0; i < evaluations; i++) {
		if (sfs_cel_eval(program, values + i % VALUES * count, scratch,
		                 &result, &err) != SFS_OK)
			die(err.msg);
		sum += result.as.uinteger;
	}
	printf("%s %.0f\n", name,
	       (double)evaluations / (now_seconds() - began));
	sfs_cel_scratch_free(scratch);
	if (sum == 0)
		die("all results are 0");
}

static void measure_text(const char *name, const char *text,
                         const struct sfs_cel_value *values, size_t count,
                         uint64_t evaluations)
{
	struct sfs_cel_program *program;

	program = compile(text, strlen(text), count == 2 ? region_id : key,
	                  count);
	measure(name, program, values, count, evaluations);
	sfs_cel_program_free(program);
}

/* A tree of comparisons over the ranges from low to high. */
static void write_ranges(struct sfs_buf *b, unsigned low, unsigned high)
{
	const unsigned middle = low + (high - low) / 2;

	if (high - low == 1) {
		sfs_buf_printf(b, "%u", low);
		return;
	}
	sfs_buf_printf(b, "(key < %u ? ", middle * RANGE_WIDTH);
	write_ranges(b, low, middle);
	sfs_buf_puts(b, " : ");
	write_ranges(b, middle, high);
	sfs_buf_putc(b, ')');
}

static void measure_ranges(const struct sfs_cel_value *keys,
                           uint64_t evaluations)
{
	struct sfs_buf text = SFS_BUF_INIT(1 << 20);
	struct sfs_cel_program *program = NULL;
	double began;

	write_ranges(&text, 0, RANGES);
	began = now_seconds();
	for (int i = 0; i < COMPILATIONS; i++) {
		sfs_cel_program_free(program);
		program = compile(text.data, text.len, key, 1);
	}
	printf("compile %.1f\n", (now_seconds() - began) / COMPILATIONS * 1e6);
	measure("ranges", program, keys, 1, evaluations);
	sfs_cel_program_free(program);
	sfs_buf_release(&text);
}

int main(int argc, char **argv)
{
	static struct sfs_cel_value rows[VALUES][2];
	static struct sfs_cel_value keys[VALUES];
	const char *const regions[] = { "us-west", "eu", "ap-south" };
	uint64_t evaluations;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: celrate COUNT\n");
		return 2;
	}
	evaluations = read_count(argv[1], VALUES, UINT32_MAX);
	for (unsigned i = 0; i < VALUES; i++) {
		rows[i][0].kind = SFS_CEL_STRING;
		rows[i][0].as.text.data = regions[i % 3];
		rows[i][0].as.text.len = strlen(regions[i % 3]);
		rows[i][1].kind = SFS_CEL_INT;
		rows[i][1].as.integer = (int64_t)i * 7919 % 1000003;
		keys[i].kind = SFS_CEL_INT;
		keys[i].as.integer = (int64_t)i * 7919 % (RANGES * RANGE_WIDTH);
	}
	measure_text("hash", "shard_hash(region + \":\" + string(id)) % 64u",
	             rows[0], 2, evaluations);
	measure_text("modulo", "key % 16", keys, 1, evaluations);
	measure_ranges(keys, evaluations);
	return 0;
}
