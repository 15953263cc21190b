/* SPDX-License-Identifier: Apache-2.0 */
/* What all stores share: reading objects whole, whatever they say they are. */
#include "unit/workstore.h"

#include "store/tag.h"

static void get_reads_whole_objects_up_to_a_limit(void)
{
	struct sfs_object_info info;
	struct sfs_tag tag;
	char *data = NULL;
	size_t len = 0;

	IS_INT(store->ops->put(store, "k", "a\0b", 3, &tag, NULL, &err),
	       SFS_OK);
	IS_INT(sfs_store_get(store, "k", 3, &data, &len, &info, NULL, &err),
	       SFS_OK);
	IS_INT(len, 3);
	OK(memcmp(data, "a\0b\0", 4) == 0);
	IS_STR(info.tag.text, tag.text);
	IS_INT(strlen(tag.text), 32);
	sfs_free(data);
	IS_INT(sfs_store_get(store, "k", 2, &data, &len, NULL, NULL, &err),
	       SFS_E_TOO_BIG);
	put_text("empty", "");
	IS_INT(sfs_store_get(store, "empty", 0, &data, &len, &info, NULL, &err),
	       SFS_OK);
	IS_INT(len, 0);
	IS_STR(data, "");
	/* XXH3_128 of nothing, as the xxHash specification gives it */
	IS_STR(info.tag.text, "99aa06d3014798d86001c324468d497f");
	sfs_free(data);
	IS_INT(sfs_store_get(store, "k", SIZE_MAX, &data, &len, NULL, NULL,
	                     &err),
	       SFS_OK);
	sfs_free(data);
}

/* An object whose size is a lie, as with a file that is being appended to. */
struct growing {
	struct sfs_object base;
	size_t bytes;
};

static struct growing growing;

static enum sfs_rc growing_read(struct sfs_object *o, uint64_t offset,
                                void *buf, size_t len, size_t *got,
                                const struct sfs_call *call, struct sfs_err *e)
{
	size_t left = ((struct growing *)o)->bytes - (size_t)offset;

	(void)call;
	(void)e;
	*got = len < left ? len : left;
	memset(buf, 'g', *got);
	return SFS_OK;
}

static void growing_close(struct sfs_object *o)
{
	(void)o;
}

static const struct sfs_object_ops growing_ops = { growing_read,
	                                           growing_close };

static enum sfs_rc growing_open(struct sfs_store *s, const char *key,
                                struct sfs_object **object_out,
                                const struct sfs_call *call, struct sfs_err *e)
{
	(void)s;
	(void)key;
	(void)call;
	(void)e;
	growing.base.ops = &growing_ops;
	*object_out = &growing.base;
	return SFS_OK;
}

static void get_trusts_no_size(void)
{
	struct sfs_store_ops ops;
	struct sfs_store liar = { &ops, "liar://" };
	char *data = NULL;
	size_t len = 0;

	memset(&ops, 0, sizeof(ops));
	ops.open = growing_open;
	for (size_t bytes = 0; bytes <= 20; bytes++) {
		enum sfs_rc rc;

		growing.bytes = bytes;
		growing.base.info.size = 5;
		rc = sfs_store_get(&liar, "k", 17, &data, &len, NULL, NULL,
		                   &err);
		IS_INT(rc, bytes <= 17 ? SFS_OK : SFS_E_TOO_BIG);
		if (rc != SFS_OK)
			continue;
		IS_INT(len, bytes);
		IS_INT(strlen(data), bytes);
		sfs_free(data);
	}
}

static void a_tag_is_the_same_in_pieces(void)
{
	struct sfs_tag_hasher hasher = { NULL };
	struct sfs_tag whole;
	struct sfs_tag pieces;
	char bytes[1000];

	memset(bytes, 'b', sizeof(bytes));
	sfs_tag_hash(&whole, bytes, sizeof(bytes));
	IS_INT(sfs_tag_hasher_init(&hasher, &err), SFS_OK);
	for (size_t i = 0; i < sizeof(bytes); i += 8)
		sfs_tag_hasher_add(&hasher, bytes + i, 8);
	sfs_tag_hasher_tag(&hasher, &pieces);
	IS_STR(pieces.text, whole.text);
	sfs_tag_hash(&whole, bytes, sizeof(bytes) - 1);
	OK(strcmp(pieces.text, whole.text) != 0);
	sfs_tag_hasher_release(&hasher);
	sfs_tag_hasher_release(&hasher);
}

int main(void)
{
	RUN_IN_STORE(get_reads_whole_objects_up_to_a_limit);
	RUN_IN_STORE(get_trusts_no_size);
	RUN(a_tag_is_the_same_in_pieces);
	return tap_done();
}
