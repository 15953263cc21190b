/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: a FUSE file system that answers what shardyfs answers below
 * keys/, request for request and flag for flag, but has nothing to look up.
 * What it costs is what the kernel, libfuse and the machine cost, so that
 * the rest is ours. Its tree is keys/0 ... keys/NAMES-1, all of one value.
 *
 *	floor [-n NAMES] [-v BYTES] [-r] MOUNTPOINT
 *
 * -r: mounted read-only, OPEN and FLUSH are refused with ENOSYS, as shardyfs
 * does under -o ro. It stays in the foreground until it is unmounted.
 *
 * To be kept in step with src/fuse: INIT's flags, the flags of OPEN, the
 * timeouts, the threads, the mount options.
 */
#define FUSE_USE_VERSION 314

#include "bench.h"

#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	NODE_KEYS = FUSE_ROOT_ID + 1,
	NODE_FIRST_KEY,
	THREADS = 64,
	BACKGROUND = 64,
	BLOCK_BYTES = 4096,
	VALUE_MAX = 4096,
	FIRST_COOKIE = 2, /* of the first name; "." and ".." come before */
};

static const double FOREVER = 1e9;

struct floor {
	uint64_t names;     /* immutable, as all below */
	size_t value_bytes; /* at most VALUE_MAX */
	bool is_read_only;
	char value[VALUE_MAX];
	struct timespec made_at;
	struct fuse_session *se;
	atomic_bool is_greeted;
};

static struct floor *floor_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static void fill_stat(const struct floor *f, fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_mode = ino < NODE_FIRST_KEY ? S_IFDIR | 0555 : S_IFREG | 0444;
	st->st_nlink = 1;
	st->st_size = ino < NODE_FIRST_KEY ? 0 : (off_t)f->value_bytes;
	st->st_blocks = (st->st_size + 511) / 512;
	st->st_blksize = BLOCK_BYTES;
	st->st_mtim = f->made_at;
	st->st_atim = f->made_at;
	st->st_ctim = f->made_at;
}

static void fill_entry(const struct floor *f, fuse_ino_t ino,
                       struct fuse_entry_param *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->ino = ino;
	entry->entry_timeout = FOREVER;
	entry->attr_timeout = FOREVER;
	fill_stat(f, ino, &entry->attr);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct floor *f = userdata;

	conn->want &=
		~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ATOMIC_O_TRUNC);
	conn->want |= conn->capable & FUSE_CAP_PARALLEL_DIROPS;
	conn->max_background = BACKGROUND;
	atomic_store(&f->is_greeted, true);
}

/* The node of a name, 0 if there is none. */
static fuse_ino_t find(const struct floor *f, fuse_ino_t parent,
                       const char *name)
{
	uint64_t number;
	char *end;

	if (parent == FUSE_ROOT_ID)
		return strcmp(name, "keys") == 0 ? NODE_KEYS : 0;
	number = strtoull(name, &end, 10);
	return *end == '\0' && number < f->names ? NODE_FIRST_KEY + number : 0;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct floor *f = floor_of(req);
	struct fuse_entry_param entry;
	fuse_ino_t ino = find(f, parent, name);

	fill_entry(f, ino, &entry);
	fuse_reply_entry(req, &entry);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	(void)ino;
	(void)count;
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
                            struct fuse_forget_data *forgets)
{
	(void)count;
	(void)forgets;
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill_stat(floor_of(req), ino, &st);
	fuse_reply_attr(req, &st, FOREVER);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (floor_of(req)->is_read_only) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->keep_cache = 1;
	fi->noflush = 1;
	fuse_reply_open(req, fi);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, floor_of(req)->is_read_only ? ENOSYS : 0);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
	const struct floor *f = floor_of(req);
	size_t at = (size_t)offset;
	size_t left = at < f->value_bytes ? f->value_bytes - at : 0;

	(void)ino;
	(void)fi;
	if (left == 0)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_buf(req, f->value + at, left < size ? left : size);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
	(void)ino;
	fuse_reply_open(req, fi);
}

/* A reply to READDIR or READDIRPLUS while it fills. */
struct reply {
	fuse_req_t req;
	bool with_attr;
	char *buf;
	size_t size;
	size_t len;
};

static bool add(struct reply *r, const char *name, fuse_ino_t ino,
                uint64_t next_cookie)
{
	const struct floor *f = floor_of(r->req);
	size_t left = r->size - r->len;
	struct fuse_entry_param entry;
	size_t need;

	fill_entry(f, ino, &entry);
	if (r->with_attr) {
		if (name[0] == '.')
			entry.ino = 0; /* the kernel takes no reference */
		need = fuse_add_direntry_plus(r->req, r->buf + r->len, left,
		                              name, &entry, (off_t)next_cookie);
	} else {
		need = fuse_add_direntry(r->req, r->buf + r->len, left, name,
		                         &entry.attr, (off_t)next_cookie);
	}
	if (need > left)
		return false;
	r->len += need;
	return true;
}

static void list_keys(struct reply *r, uint64_t cookie)
{
	const struct floor *f = floor_of(r->req);
	uint64_t end = f->names + FIRST_COOKIE;
	char room[DECIMAL_BYTES];
	bool fits = true;

	for (; fits && cookie < end; cookie++)
		fits = add(r, print_decimal(cookie - FIRST_COOKIE, room),
		           NODE_FIRST_KEY + cookie - FIRST_COOKIE, cookie + 1);
}

static void read_directory(fuse_req_t req, fuse_ino_t ino, size_t size,
                           uint64_t cookie, bool with_attr)
{
	struct reply r = { .req = req, .with_attr = with_attr, .size = size };

	r.buf = malloc(size);
	if (r.buf == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (cookie == 0 && add(&r, ".", ino, 1))
		cookie = 1;
	if (cookie == 1 && add(&r, "..", FUSE_ROOT_ID, 2))
		cookie = 2;
	if (ino == NODE_KEYS && cookie >= FIRST_COOKIE)
		list_keys(&r, cookie);
	else if (ino == FUSE_ROOT_ID && cookie == FIRST_COOKIE)
		(void)add(&r, "keys", NODE_KEYS, cookie + 1);
	fuse_reply_buf(req, r.buf, r.len);
	free(r.buf);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size,
                       off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	read_directory(req, ino, size, (uint64_t)offset, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
                           off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	read_directory(req, ino, size, (uint64_t)offset, true);
}

static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
	.flush = op_flush,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
};

#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 17)
/* As src/fuse/session.c does, and says why. */
static ssize_t write_patched(int fd, struct iovec *iov, int count, void *data)
{
	enum { INIT_OUT_BYTES = 64, FLAGS_WORD = 3 };
	const uint32_t parallel_dirops = 1u << 18;
	struct floor *f = data;
	uint32_t flags;
	char *word;

	/* libfuse calls op_init before it replies, so only once is it new. */
	if (count == 2 && iov[1].iov_len == INIT_OUT_BYTES &&
	    atomic_exchange(&f->is_greeted, false)) {
		word = (char *)iov[1].iov_base + FLAGS_WORD * sizeof(flags);
		memcpy(&flags, word, sizeof(flags));
		flags |= parallel_dirops;
		memcpy(word, &flags, sizeof(flags));
	}
	return writev(fd, iov, count);
}

static ssize_t read_plain(int fd, void *buf, size_t len, void *data)
{
	(void)data;
	return read(fd, buf, len);
}

static int ask_for_parallel_lookups(const struct floor *f)
{
	static const struct fuse_custom_io patched_io = {
		.writev = write_patched,
		.read = read_plain,
	};

	return fuse_session_custom_io(f->se, &patched_io,
	                              fuse_session_fd(f->se));
}
#else
static int ask_for_parallel_lookups(const struct floor *f)
{
	(void)f; /* op_init asks, and is heard */
	return 0;
}
#endif

static int serve(const struct floor *f)
{
	struct fuse_loop_config *loop = fuse_loop_cfg_create();
	int result;

	if (loop == NULL)
		die("memory");
	fuse_loop_cfg_set_max_threads(loop, THREADS);
	fuse_loop_cfg_set_idle_threads(loop, THREADS);
	result = fuse_session_loop_mt(f->se, loop);
	fuse_loop_cfg_destroy(loop);
	return result < 0 ? 1 : 0;
}

static int run(struct floor *f, const char *mountpoint)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int status = 1;

	if (fuse_opt_add_arg(&args, "floor") != 0 ||
	    fuse_opt_add_arg(&args, "-o") != 0 ||
	    fuse_opt_add_arg(&args,
	                     f->is_read_only
	                             ? "default_permissions,fsname=floor,ro"
	                             : "default_permissions,fsname=floor") != 0)
		die("memory");
	f->se = fuse_session_new(&args, &ops, sizeof(ops), f);
	fuse_opt_free_args(&args);
	if (f->se == NULL)
		return 1;
	if (fuse_set_signal_handlers(f->se) == 0) {
		if (fuse_session_mount(f->se, mountpoint) == 0) {
			if (ask_for_parallel_lookups(f) == 0)
				status = serve(f);
			fuse_session_unmount(f->se);
		}
		fuse_remove_signal_handlers(f->se);
	}
	fuse_session_destroy(f->se);
	return status;
}

int main(int argc, char **argv)
{
	static struct floor f = { .names = 200000, .value_bytes = 100 };
	int option;

	while ((option = getopt(argc, argv, "n:v:r")) != -1) {
		switch (option) {
		case 'n':
			f.names = read_count(optarg, 0, UINT32_MAX);
			break;
		case 'v':
			f.value_bytes = read_count(optarg, 0, VALUE_MAX);
			break;
		case 'r':
			f.is_read_only = true;
			break;
		default:
			return 2;
		}
	}
	if (optind != argc - 1)
		return 2;
	memset(f.value, '.', sizeof(f.value));
	(void)clock_gettime(CLOCK_REALTIME, &f.made_at); /* cannot fail */
	return run(&f, argv[optind]);
}
