/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line and the configuration file with arbitrary bytes: the
 * first half of the input is the list of -o, the second the file.
 */
#include "config/options.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(char *list, const char *config)
{
	char *args[] = { (char *)"mount.shardyfs",
		         (char *)"-o",
		         list,
		         (char *)"-o",
		         (char *)config,
		         (char *)"source",
		         (char *)"mountpoint",
		         NULL };
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_options options;
	struct sfs_err err;

	if (sfs_options_parse(7, args, NULL, &options, &err) == SFS_OK)
		sfs_options_print_config(&options, &text);
	sfs_buf_release(&text);
	sfs_options_release(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char list[4096] = "", config[64];
	size_t half = size / 2 < sizeof(list) ? size / 2 : sizeof(list) - 1;
	int fd = memfd_create("config", 0);

	if (fd < 0)
		return 0;
	memcpy(list, data, half);
	if (write(fd, data + half, size - half) >= 0) {
		(void)snprintf(config, sizeof(config), "config=/dev/fd/%d", fd);
		(void)lseek(fd, 0, SEEK_SET);
		parse(list, config);
	}
	(void)close(fd);
	return 0;
}
