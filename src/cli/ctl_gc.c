/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting what is no longer needed, or saying what that would be. */
#include "cli/ctl.h"

#include "build/gc.h"

struct report {
	struct sfs_buf text;
	struct sfs_buf kept_text;
	struct sfs_json_printer items;
	struct sfs_json_printer kept;
	const struct sfs_ctl_args *args;
};

static void add_member(struct sfs_json_printer *p, const char *name,
                       const char *value)
{
	sfs_json_key(p, name);
	sfs_json_cstring(p, value);
}

static void add_count(struct sfs_json_printer *p, const char *name,
                      uint64_t value)
{
	sfs_json_key(p, name);
	sfs_json_uint(p, value);
}

static void add_item(void *arg, const struct sfs_gc_item *item)
{
	struct report *r = arg;
	struct sfs_json_printer *p = &r->items;

	if (!r->args->json) {
		sfs_buf_printf(&r->text,
		               "%s %s %s: %s (objects: %llu, bytes: %llu)\n",
		               r->args->is_delete ? "deleted" : "would delete",
		               sfs_gc_kind_name(item->kind), item->name,
		               item->reason, (unsigned long long)item->objects,
		               (unsigned long long)item->bytes);
		return;
	}
	sfs_json_object_begin(p);
	add_member(p, "kind", sfs_gc_kind_name(item->kind));
	add_member(p, "name", item->name);
	add_member(p, "reason", item->reason);
	add_count(p, "objects", item->objects);
	add_count(p, "bytes", item->bytes);
	sfs_json_object_end(p);
}

static void add_kept(void *arg, const struct sfs_gc_kept *kept)
{
	struct report *r = arg;
	struct sfs_json_printer *p = &r->kept;

	if (!r->args->json) {
		sfs_buf_printf(&r->text, "kept %s: %s\n", kept->name,
		               kept->reason);
		return;
	}
	sfs_json_object_begin(p);
	add_member(p, "name", kept->name);
	add_member(p, "reason", kept->reason);
	sfs_json_key(p, "current");
	sfs_json_bool(p, kept->is_current);
	sfs_json_object_end(p);
}

static void begin(struct report *r, const struct sfs_ctl_args *args)
{
	r->args = args;
	sfs_buf_init(&r->text, SFS_TEXT_MAX_BYTES);
	sfs_buf_init(&r->kept_text, SFS_TEXT_MAX_BYTES);
	sfs_json_printer_init(&r->items, &r->text, true, true);
	sfs_json_printer_init(&r->kept, &r->kept_text, true, true);
	if (!args->json)
		return;
	sfs_json_object_begin(&r->items);
	sfs_json_key(&r->items, "deleted");
	sfs_json_array_begin(&r->items);
	sfs_json_array_begin(&r->kept);
}

/* What was done before a failure is told too. */
static int end(struct report *r, const struct sfs_gc_result *sum, int status)
{
	struct sfs_json_printer *p = &r->items;

	if (r->args->json) {
		sfs_json_array_end(&r->kept);
		sfs_json_array_end(p);
		sfs_json_key(p, "kept");
		sfs_json_raw(p, r->kept_text.data, r->kept_text.len);
		sfs_json_key(p, "dry_run");
		sfs_json_bool(p, !r->args->is_delete);
		add_count(p, "snapshots", sum->snapshots);
		add_count(p, "objects", sum->objects);
		add_count(p, "bytes", sum->bytes);
		sfs_json_object_end(p);
		sfs_buf_putc(&r->text, '\n');
	} else {
		sfs_buf_printf(&r->text,
		               "%s snapshots: %llu, objects: %llu, bytes: "
		               "%llu\n",
		               r->args->is_delete ? "deleted" : "would delete",
		               (unsigned long long)sum->snapshots,
		               (unsigned long long)sum->objects,
		               (unsigned long long)sum->bytes);
	}
	sfs_buf_release(&r->kept_text);
	return sfs_ctl_print(&r->text, status);
}

static int collect(const struct sfs_ctl_args *args,
                   const struct sfs_ctl_target *t)
{
	struct sfs_gc_config config = {
		.store = t->stack.store,
		.catalog = t->stack.catalog,
		.run_prefix = t->run_prefix,
		.pins = args->pins.values,
		.pin_count = args->pins.count,
		.keep = args->keep,
		.grace_ms = args->grace_ms,
		.is_delete = args->is_delete,
		.item = add_item,
		.kept = add_kept,
	};
	struct sfs_gc_result sum;
	int status = SFS_CTL_OK;
	struct report r = { 0 };
	struct sfs_err err;

	begin(&r, args);
	config.arg = &r;
	if (sfs_gc_run(&config, &sum, NULL, &err) != SFS_OK)
		status = sfs_ctl_fail_or_conflict(&err);
	return end(&r, &sum, status);
}

int sfs_ctl_gc(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_target(args, collect);
}
