/* SPDX-License-Identifier: Apache-2.0 */
/* Random names: run ids and checkpoint ids, from the kernel's generator. */
#include "base/uuid.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

enum { UUID_BYTES = 16, VERSION_AT = 6, VARIANT_AT = 8 };

enum sfs_rc sfs_uuid_hex(char out[SFS_UUID_HEX_BYTES], struct sfs_err *err)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[UUID_BYTES];
	ssize_t got;
	size_t i;

	/* So few bytes come at once; a signal may come before the first. */
	do {
		got = getrandom(bytes, sizeof(bytes), 0);
	} while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(bytes))
		return sfs_err_sys(err, got < 0 ? errno : EIO,
		                   "cannot get random bytes");
	/* RFC 9562, sections 4.1 and 5.4 */
	bytes[VERSION_AT] = (uint8_t)(0x40 | (bytes[VERSION_AT] & 0x0f));
	bytes[VARIANT_AT] = (uint8_t)(0x80 | (bytes[VARIANT_AT] & 0x3f));
	for (i = 0; i < UUID_BYTES; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	out[2 * UUID_BYTES] = '\0';
	return SFS_OK;
}
