/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists a directory through getdents64 with a buffer of a chosen size, which
 * is also how much a FUSE filesystem is asked for at once; glibc's readdir
 * takes 32 KiB.
 *
 *	readdir [-b BUFFER_BYTES] DIR
 *
 * It prints the number of names, "." and ".." left out, and the seconds from
 * the first call to the end of the directory.
 */
#include "bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LEAST_BUFFER = 1024, MOST_BUFFER = 1 << 26 };

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static uint64_t count_names(const char *buf, size_t len)
{
	const struct dirent64 *entry;
	uint64_t names = 0;

	for (size_t at = 0; at < len; at += entry->d_reclen) {
		entry = (const struct dirent64 *)(const void *)(buf + at);
		names += !is_dots(entry->d_name);
	}
	return names;
}

int main(int argc, char **argv)
{
	size_t size = 32 << 10;
	uint64_t names = 0;
	double seconds;
	int option;
	char *buf;
	long got;
	int fd;

	while ((option = getopt(argc, argv, "b:")) != -1) {
		if (option != 'b')
			return 2;
		size = read_count(optarg, LEAST_BUFFER, MOST_BUFFER);
	}
	if (optind != argc - 1)
		return 2;
	buf = must_malloc(size, 1);
	fd = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die(argv[optind]);
	seconds = -now_seconds();
	while ((got = syscall(SYS_getdents64, fd, buf, size)) > 0)
		names += count_names(buf, (size_t)got);
	seconds += now_seconds();
	if (got < 0)
		die(argv[optind]);
	(void)printf("%llu %.6f\n", (unsigned long long)names, seconds);
	free(buf);
	return close(fd) == 0 ? 0 : 1;
}
