/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 over OpenSSL's EVP interface. */
#include "base/digest.h"

#include <openssl/evp.h>

static enum sfs_rc failed(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "SHA-256 failed");
}

enum sfs_rc sfs_digest_begin(struct sfs_digest *d, struct sfs_err *err)
{
	d->state = EVP_MD_CTX_new();
	if (d->state == NULL ||
	    EVP_DigestInit_ex(d->state, EVP_sha256(), NULL) != 1)
		return failed(err);
	return SFS_OK;
}

enum sfs_rc sfs_digest_add(struct sfs_digest *d, const void *data, size_t len,
                           struct sfs_err *err)
{
	if (EVP_DigestUpdate(d->state, data, len) != 1)
		return failed(err);
	return SFS_OK;
}

enum sfs_rc sfs_digest_finish(struct sfs_digest *d,
                              char hex[SFS_DIGEST_HEX_BYTES],
                              struct sfs_err *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (EVP_DigestFinal_ex(d->state, raw, &len) != 1)
		return failed(err);
	for (unsigned i = 0; i < len; i++) {
		hex[2 * i] = digits[raw[i] >> 4];
		hex[2 * i + 1] = digits[raw[i] & 15];
	}
	hex[2 * (size_t)len] = '\0';
	return SFS_OK;
}

void sfs_digest_release(struct sfs_digest *d)
{
	EVP_MD_CTX_free(d->state);
	d->state = NULL;
}
