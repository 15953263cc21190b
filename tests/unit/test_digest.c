/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 against the published vectors; the table hash against its own. */
#include "base/digest.h"
#include "base/hash.h"
#include "unit/tap.h"

static struct sfs_err err;

/* The digest of data given in pieces. */
static const char *sha256(const char *data, size_t len, size_t piece)
{
	static char hex[SFS_DIGEST_HEX_BYTES];
	struct sfs_digest d = { NULL };
	size_t n;

	IS_INT(sfs_digest_begin(&d, &err), SFS_OK);
	for (size_t at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		IS_INT(sfs_digest_add(&d, data + at, n, &err), SFS_OK);
	}
	IS_INT(sfs_digest_finish(&d, hex, &err), SFS_OK);
	sfs_digest_release(&d);
	OK(d.state == NULL);
	return hex;
}

/* csrc.nist.gov: FIPS 180-4 examples. */
static void sha256_agrees_with_the_published_vectors(void)
{
	static char million[1000000];
	const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijk"
				  "ijkljklmklmnlmnomnopnopq";

	IS_STR(sha256("", 0, 1), "e3b0c44298fc1c149afbf4c8996fb924"
	                         "27ae41e4649b934ca495991b7852b855");
	IS_STR(sha256("abc", 3, 3), "ba7816bf8f01cfea414140de5dae2223"
	                            "b00361a396177a9cb410ff61f20015ad");
	IS_STR(sha256(two_blocks, strlen(two_blocks), 7),
	       "248d6a61d20638b8e5c026930c3e6039"
	       "a33ce45964ff2167f6ecedd419db06c1");
	memset(million, 'a', sizeof(million));
	IS_STR(sha256(million, sizeof(million), 4099),
	       "cdc76e5c9914fb9281a1c7e284d73e67"
	       "f1809a48a497200e046d39ccc7112cd0");
}

static void an_unused_digest_can_be_released(void)
{
	struct sfs_digest d = { NULL };

	sfs_digest_release(&d);
	OK(d.state == NULL);
}

static void mix64_is_a_bijection_as_far_as_one_can_see(void)
{
	/* its inverse: the same shifts, the multiplicative inverses */
	for (uint64_t i = 0; i < 100000; i++) {
		uint64_t in = i * 0x9e3779b97f4a7c15u;
		uint64_t x = sfs_mix64(in);

		x ^= x >> 33;
		x *= 0x9cb4b2f8129337dbu;
		x ^= x >> 33;
		x *= 0x4f74430c22a54005u;
		x ^= x >> 33;
		if (x != in) {
			TAP_FAIL("mix64(%" PRIu64 ") is not undone", in);
			return;
		}
	}
}

/* isthe.com/chongo/tech/comp/fnv: FNV-1a of "foobar" */
static void hash64_is_fnv_mixed(void)
{
	OK(sfs_hash64("foobar", 6) == sfs_mix64(0x85944171f73967e8u));
	OK(sfs_hash64(NULL, 0) == sfs_mix64(0xcbf29ce484222325u));
}

int main(void)
{
	RUN(sha256_agrees_with_the_published_vectors);
	RUN(an_unused_digest_can_be_released);
	RUN(mix64_is_a_bijection_as_far_as_one_can_see);
	RUN(hash64_is_fnv_mixed);
	return tap_done();
}
