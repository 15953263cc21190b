/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens, reads and closes files of a directory in random order, each at most
 * once, so that every one is a miss where nothing is cached. The files are
 * named 0 ... KEYS-1.
 *
 *	randread [-t THREADS] [-s SEED] DIR READS KEYS
 *
 * It prints the microseconds that one read took (time passed / READS, for
 * all threads together) and the bytes that were read. The same seed asks for
 * the same names in the same order. A name that cannot be read is fatal.
 */
#include "bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

enum { THREADS_MAX = 64, BUFFER_BYTES = 8192, KEYS_MAX = 1 << 30 };

struct job {
	int dir_fd;
	pthread_barrier_t begin;
};

/* The share of one thread. */
struct part {
	struct job *job;
	const uint32_t *keys;
	uint64_t count;
	uint64_t bytes;
	pthread_t thread;
};

/* Marsaglia's xorshift with Vigna's multiplier. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545F4914F6CDD1D);
}

/* The first reads of a shuffle of 0 ... keys-1 (Fisher and Yates). */
static uint32_t *draw(uint64_t reads, uint64_t keys, uint64_t seed)
{
	uint32_t *order = must_malloc(keys, sizeof(*order));
	uint64_t state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	uint32_t swapped;
	uint64_t other;

	for (uint64_t i = 0; i < keys; i++)
		order[i] = (uint32_t)i;
	for (uint64_t i = 0; i < reads; i++) {
		other = i + next_random(&state) % (keys - i);
		swapped = order[i];
		order[i] = order[other];
		order[other] = swapped;
	}
	return order;
}

static uint64_t read_one(int dir_fd, const char *name)
{
	char buf[BUFFER_BYTES];
	ssize_t got;
	int fd;

	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(name);
	got = read(fd, buf, sizeof(buf));
	if (got < 0 || close(fd) != 0)
		die(name);
	return (uint64_t)got;
}

static void *read_part(void *arg)
{
	struct part *p = arg;
	char room[DECIMAL_BYTES];

	(void)pthread_barrier_wait(&p->job->begin);
	for (uint64_t i = 0; i < p->count; i++)
		p->bytes += read_one(p->job->dir_fd,
		                     print_decimal(p->keys[i], room));
	return NULL;
}

static void run(struct job *job, const uint32_t *keys, uint64_t reads,
                unsigned threads)
{
	struct part parts[THREADS_MAX] = { 0 };
	uint64_t bytes = 0;
	uint64_t from = 0;
	double seconds;

	errno = pthread_barrier_init(&job->begin, NULL, threads + 1);
	if (errno != 0)
		die("barrier");
	for (unsigned i = 0; i < threads; i++) {
		parts[i].job = job;
		parts[i].keys = keys + from;
		parts[i].count = reads * (i + 1) / threads - from;
		from += parts[i].count;
		errno = pthread_create(&parts[i].thread, NULL, read_part,
		                       &parts[i]);
		if (errno != 0)
			die("thread");
	}
	seconds = -now_seconds();
	(void)pthread_barrier_wait(&job->begin);
	for (unsigned i = 0; i < threads; i++) {
		(void)pthread_join(parts[i].thread, NULL);
		bytes += parts[i].bytes;
	}
	seconds += now_seconds();
	(void)printf("%.3f %llu\n", seconds * 1e6 / (double)reads,
	             (unsigned long long)bytes);
}

int main(int argc, char **argv)
{
	struct job job = { 0 };
	unsigned threads = 1;
	uint64_t seed = 1;
	uint64_t reads;
	uint64_t count;
	uint32_t *keys;
	int option;

	while ((option = getopt(argc, argv, "t:s:")) != -1) {
		switch (option) {
		case 't':
			threads = (unsigned)read_count(optarg, 1, THREADS_MAX);
			break;
		case 's':
			seed = read_count(optarg, 0, UINT64_MAX);
			break;
		default:
			return 2;
		}
	}
	if (optind != argc - 3)
		return 2;
	count = read_count(argv[optind + 2], 1, KEYS_MAX);
	reads = read_count(argv[optind + 1], threads, count);
	job.dir_fd = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (job.dir_fd < 0)
		die(argv[optind]);
	keys = draw(reads, count, seed);
	run(&job, keys, reads, threads);
	free(keys);
	return close(job.dir_fd) == 0 ? 0 : 1;
}
