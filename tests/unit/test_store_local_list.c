/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of the local store: S3's order, and never silently shorter. */
#include "unit/workstore.h"

#include <sys/wait.h>

/* Collects keys, with a space behind each; stops after limit of them. */
struct listing {
	char text[4096];
	size_t len;
	int count;
	int limit; /* 0: none */
	uint64_t bytes;
};

static struct listing found;

static bool collect(void *arg, const struct sfs_list_entry *entry)
{
	struct listing *l = arg;
	size_t len = strlen(entry->key);

	OK(entry->is_prefix == (entry->key[len - 1] == '/'));
	l->count++;
	l->bytes += entry->info.size;
	if (l->len + len + 2 < sizeof(l->text)) {
		memcpy(l->text + l->len, entry->key, len);
		l->len += len;
		l->text[l->len++] = ' ';
		l->text[l->len] = '\0';
	}
	return l->limit == 0 || l->count < l->limit;
}

static enum sfs_rc list_rc(const char *prefix, char delimiter,
                           const char *start_after)
{
	memset(&found, 0, sizeof(found));
	return store->ops->list(store, prefix, delimiter, start_after, collect,
	                        &found, NULL, &err);
}

static const char *list(const char *prefix, char delimiter,
                        const char *start_after)
{
	enum sfs_rc rc = list_rc(prefix, delimiter, start_after);

	return rc == SFS_OK ? found.text : sfs_rc_name(rc);
}

static void put_tree(void)
{
	put_text("a-b", "1");
	put_text("a/b", "22");
	put_text("a/c/d", "333");
	put_text("a0", "4444");
	put_text("b/x", "");
	put_text("\xc3\xa4", ""); /* above every ASCII name */
	put_text("z", "");
}

static void keys_come_in_byte_order(void)
{
	put_tree();
	IS_STR(list("", 0, NULL), "a-b a/b a/c/d a0 b/x z \xc3\xa4 ");
	IS_INT(found.bytes, 10);
}

static void a_prefix_may_cut_a_name(void)
{
	put_tree();
	IS_STR(list("a", 0, NULL), "a-b a/b a/c/d a0 ");
	IS_STR(list("a/", 0, NULL), "a/b a/c/d ");
	IS_STR(list("a/c", 0, NULL), "a/c/d ");
	IS_STR(list("a/c/d", 0, NULL), "a/c/d ");
	IS_STR(list("a/c/d/", 0, NULL), "");
	IS_STR(list("a/c/de", 0, NULL), "");
	IS_STR(list("absent/x", 0, NULL), "");
	IS_STR(list("z/x/y", 0, NULL), "");
}

static void a_delimiter_folds_what_is_below_it(void)
{
	put_tree();
	IS_STR(list("", '/', NULL), "a-b a/ a0 b/ z \xc3\xa4 ");
	IS_STR(list("a", '/', NULL), "a-b a/ a0 ");
	IS_STR(list("a/", '/', NULL), "a/b a/c/ ");
	IS_STR(list("a/c", '/', NULL), "a/c/ ");
}

static void a_listing_continues_after_a_key(void)
{
	put_tree();
	IS_STR(list("", 0, "a-b"), "a/b a/c/d a0 b/x z \xc3\xa4 ");
	IS_STR(list("", 0, "a/"), "a/b a/c/d a0 b/x z \xc3\xa4 ");
	IS_STR(list("", 0, "a/b"), "a/c/d a0 b/x z \xc3\xa4 ");
	IS_STR(list("", 0, "a/c/z"), "a0 b/x z \xc3\xa4 ");
	IS_STR(list("a/", 0, "a/c/d"), "");
	IS_STR(list("a/", 0, "0"), "a/b a/c/d ");
	IS_STR(list("", '/', "a/"), "a0 b/ z \xc3\xa4 ");
	IS_STR(list("", '/', "a-b"), "a/ a0 b/ z \xc3\xa4 ");
	IS_STR(list("", '/', "z"), "\xc3\xa4 ");
}

static void pages_of_any_size_give_the_same_list(void)
{
	char all[4096];
	char after[64];

	put_tree();
	for (int folded = 0; folded < 2; folded++) {
		char delimiter = folded ? '/' : 0;
		char pages[4096] = "";

		(void)snprintf(all, sizeof(all), "%s", list("", delimiter, ""));
		after[0] = '\0';
		do {
			memset(&found, 0, sizeof(found));
			found.limit = 1;
			IS_INT(store->ops->list(store, "", delimiter, after,
			                        collect, &found, NULL, &err),
			       SFS_OK);
			(void)snprintf(pages + strlen(pages),
			               sizeof(pages) - strlen(pages), "%s",
			               found.text);
			(void)snprintf(after, sizeof(after), "%.*s",
			               (int)(found.len > 0 ? found.len - 1 : 0),
			               found.text);
		} while (found.count > 0 && strlen(pages) < 1000);
		IS_STR(pages, all);
	}
}

static void only_objects_are_listed(void)
{
	int fd;

	put_text("a/object", "x");
	IS_INT(mkfifoat(store_fd, "a/fifo", 0644), 0);
	IS_INT(symlinkat("object", store_fd, "a/link"), 0);
	IS_INT(symlinkat("a", store_fd, "dirlink"), 0);
	IS_INT(mkdirat(store_fd, "empty", 0755), 0);
	IS_INT(mkdirat(store_fd, "empty/too", 0755), 0);
	IS_INT(mkfifoat(store_fd, "empty/fifo", 0755), 0);
	IS_INT(mkdirat(store_fd, "new\nline", 0755), 0);
	fd = openat(store_fd, ".lock", O_CREAT | O_WRONLY, 0644);
	(void)close(fd);
	fd = openat(store_fd, "a/.tmp-1", O_CREAT | O_WRONLY, 0644);
	(void)close(fd);
	fd = openat(store_fd, "new\nline/x", O_CREAT | O_WRONLY, 0644);
	(void)close(fd);
	IS_STR(list("", 0, NULL), "a/object ");
	IS_STR(list("", '/', NULL), "a/ ");
	IS_STR(list("empty/", '/', NULL), "");
}

static void the_depth_is_bounded_by_what_is_a_key(void)
{
	char path[256];

	for (int i = 0; i < 70; i++) {
		path[2 * i] = 'd';
		path[2 * i + 1] = '\0';
		IS_INT(mkdirat(store_fd, path, 0755), 0);
		path[2 * i + 1] = '/';
	}
	memcpy(path + 140, "x", 2);
	IS_INT(close(openat(store_fd, path, O_CREAT | O_WRONLY, 0644)), 0);
	IS_STR(list("", 0, NULL), "");
	IS_STR(list("", '/', NULL), "");
	memcpy(path + 126, "x", 2);
	put_text(path, "64 segments");
	IS_INT(list_rc("", 0, NULL), SFS_OK);
	IS_INT(found.count, 1);
	IS_STR(list("", '/', NULL), "d/ ");
}

static void bad_prefixes_are_invalid(void)
{
	IS_INT(list_rc("/", 0, NULL), SFS_E_INVALID);
	IS_INT(list_rc("../", 0, NULL), SFS_E_INVALID);
	IS_INT(list_rc("a//b", 0, NULL), SFS_E_INVALID);
	IS_INT(list_rc("a\n", 0, NULL), SFS_E_INVALID);
	IS_INT(list_rc("", ',', NULL), SFS_E_INVALID);
	IS_INT(symlinkat("..", store_fd, "up"), 0);
	IS_INT(list_rc("up/", 0, NULL), SFS_E_CORRUPT);
	HAS_STR(err.msg, "leaves the store");
}

static int list_as_nobody(void)
{
	if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
	                       setresuid(NOBODY, NOBODY, NOBODY) != 0))
		return 100;
	if (list_rc("", 0, NULL) != SFS_E_AUTH || strstr(err.msg, "b") == NULL)
		return 1;
	if (list_rc("b/", 0, NULL) != SFS_E_AUTH)
		return 2;
	/* it is there, though what it holds is not told */
	return strcmp(list("", '/', NULL), "a/ b/ c/ ") == 0 ? 0 : 3;
}

static void what_cannot_be_read_ends_the_listing(void)
{
	int status = -1;
	pid_t pid;

	put_text("a/x", "");
	put_text("b/x", "");
	put_text("c/x", "");
	IS_INT(fchmodat(store_fd, "b", 0, 0), 0);
	pid = fork();
	if (pid == 0)
		_exit(list_as_nobody());
	IS_INT(waitpid(pid, &status, 0), pid);
	IS_INT(status, 0);
	IS_INT(fchmodat(store_fd, "b", 0755, 0), 0);
}

static void a_listing_can_be_cancelled(void)
{
	struct sfs_cancel cancel;
	struct sfs_call call = { 0, &cancel };
	struct sfs_call late = { 1, NULL };

	put_tree();
	memset(&found, 0, sizeof(found));
	IS_INT(sfs_cancel_init(&cancel, &err), SFS_OK);
	sfs_cancel_raise(&cancel);
	IS_INT(store->ops->list(store, "", 0, NULL, collect, &found, &call,
	                        &err),
	       SFS_E_CANCELED);
	IS_INT(store->ops->list(store, "", 0, NULL, collect, &found, &late,
	                        &err),
	       SFS_E_TIMEOUT);
	IS_INT(found.count, 0);
	sfs_cancel_release(&cancel);
}

static bool check_order(void *arg, const struct sfs_list_entry *entry)
{
	struct listing *l = arg;

	if (strcmp(l->text, entry->key) >= 0)
		TAP_FAIL("%s before %s", l->text, entry->key);
	(void)snprintf(l->text, sizeof(l->text), "%s", entry->key);
	l->count++;
	return true;
}

static void a_directory_may_hold_very_many_names(void)
{
	enum { COUNT = 20000 };
	char name[32];

	IS_INT(mkdirat(store_fd, "many", 0755), 0);
	for (unsigned i = 0; i < COUNT; i++) {
		(void)snprintf(name, sizeof(name), "many/%x", i * 40503u);
		if (mknodat(store_fd, name, S_IFREG | 0644, 0) != 0)
			TAP_FAIL("cannot make %s", name);
	}
	memset(&found, 0, sizeof(found));
	IS_INT(store->ops->list(store, "many/", 0, NULL, check_order, &found,
	                        NULL, &err),
	       SFS_OK);
	IS_INT(found.count, COUNT);
}

int main(void)
{
	RUN_IN_STORE(keys_come_in_byte_order);
	RUN_IN_STORE(a_prefix_may_cut_a_name);
	RUN_IN_STORE(a_delimiter_folds_what_is_below_it);
	RUN_IN_STORE(a_listing_continues_after_a_key);
	RUN_IN_STORE(pages_of_any_size_give_the_same_list);
	RUN_IN_STORE(only_objects_are_listed);
	RUN_IN_STORE(the_depth_is_bounded_by_what_is_a_key);
	RUN_IN_STORE(bad_prefixes_are_invalid);
	RUN_IN_STORE(what_cannot_be_read_ends_the_listing);
	RUN_IN_STORE(a_listing_can_be_cancelled);
	RUN_IN_STORE(a_directory_may_hold_very_many_names);
	return tap_done();
}
