/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the files 0 ... COUNT-1 in a directory, with the values that
 * "mkstore -g" gives these keys: what a plain file system is compared by.
 *
 *	mkfiles [-v BYTES] DIR COUNT
 */
#include "bench.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES_MAX = 1 << 20, COUNT_MAX = 1 << 30 };

static void make_file(int dir_fd, const char *name, const char *value,
                      size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	                0444);

	if (fd < 0 || write(fd, value, len) != (ssize_t)len || close(fd) != 0)
		die(name);
}

/* "NAME ......", cut to the value's length. */
static void make_value(char *value, const char *name)
{
	size_t len = strlen(name);

	memcpy(value, name, len);
	value[len] = ' ';
	memset(value + len + 1, '.', DECIMAL_BYTES - len);
}

int main(int argc, char **argv)
{
	char room[DECIMAL_BYTES];
	const char *name;
	size_t bytes = 100;
	uint64_t count;
	char *value;
	int dir_fd;
	int option;

	while ((option = getopt(argc, argv, "v:")) != -1) {
		if (option != 'v')
			return 2;
		bytes = read_count(optarg, 1, BYTES_MAX);
	}
	if (optind != argc - 2)
		return 2;
	count = read_count(argv[optind + 1], 1, COUNT_MAX);
	if (mkdir(argv[optind], 0755) != 0 && errno != EEXIST)
		die(argv[optind]);
	dir_fd = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		die(argv[optind]);
	value = must_malloc(bytes + DECIMAL_BYTES + 1, 1);
	memset(value, '.', bytes);
	for (uint64_t i = 0; i < count; i++) {
		name = print_decimal(i, room);
		make_value(value, name);
		make_file(dir_fd, name, value, bytes);
	}
	free(value);
	return close(dir_fd) == 0 ? 0 : 1;
}
