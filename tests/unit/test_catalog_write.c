/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog's write side: manifests, the pointer, tags and the log. */
#include "base/json.h"
#include "format/names.h"
#include "unit/followed.h"

static struct sfs_err err;
static struct sfs_catalog *c;

static void open_store(void)
{
	begin();
	IS_INT(world_open_source(&w), SFS_OK);
	c = w.source.catalog;
}

/* The bytes of an object as text, or the name of the code. */
static const char *text_of(const char *key)
{
	static char text[4096];
	char *data = NULL;
	size_t len = 0;
	enum sfs_rc rc = sfs_store_get(w.store, key, sizeof(text) - 1, &data,
	                               &len, NULL, NULL, &err);

	if (rc != SFS_OK)
		return sfs_rc_name(rc);
	memcpy(text, data, len + 1);
	sfs_free(data);
	return text;
}

static void a_manifest_is_put_once_and_deleted(void)
{
	struct sfs_snapshot_id id =
		world_new_id(INT64_C(1790000000123456000), "new");
	char key[SFS_MANIFEST_KEY_BYTES];

	open_store();
	sfs_snapshot_id_manifest_key(&id, key);
	IS_INT(c->ops->put_manifest(c, &id, "one", 3, NULL, &err), SFS_OK);
	IS_STR(text_of(key), "one");
	IS_INT(c->ops->put_manifest(c, &id, "two", 3, NULL, &err),
	       SFS_E_EXISTS);
	HAS_STR(err.msg, key);
	IS_STR(text_of(key), "one");
	IS_INT(c->ops->delete_manifest(c, &id, NULL, &err), SFS_OK);
	IS_STR(text_of(key), "not_found");
	IS_INT(c->ops->delete_manifest(c, &id, NULL, &err), SFS_OK);
	end();
}

static struct sfs_current pointer_to(const struct sfs_snapshot_id *id)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_current next = { .updated_at_ns = id->published_at_ns };

	sfs_snapshot_id_manifest_key(id, key);
	(void)snprintf(next.manifest_ref, sizeof(next.manifest_ref), "%s/%s",
	               URL, key);
	(void)snprintf(next.run_id, sizeof(next.run_id), "%s", id->run_id);
	return next;
}

static void the_pointer_is_swapped_from_the_version_that_is_expected(void)
{
	struct sfs_current next;
	struct sfs_pointer p = { 0 };
	struct sfs_tag tag;

	open_store();
	next = pointer_to(&ids[1]);
	IS_INT(c->ops->current(c, &p, NULL, &err), SFS_OK);
	IS_INT(c->ops->swap(c, &next, &p.tag, &tag, NULL, &err), SFS_OK);
	next = pointer_to(&ids[2]);
	/* the version before, and none */
	IS_INT(c->ops->swap(c, &next, &p.tag, NULL, NULL, &err),
	       SFS_E_CONFLICT);
	sfs_pointer_release(&p);
	IS_INT(c->ops->swap(c, &next, &p.tag, NULL, NULL, &err),
	       SFS_E_CONFLICT);
	IS_INT(c->ops->current(c, &p, NULL, &err), SFS_OK);
	IS_STR(p.current->run_id, ids[1].run_id);
	IS_STR(p.tag.text, tag.text);
	sfs_pointer_release(&p);
	IS_INT(c->ops->swap(c, &next, &tag, &tag, NULL, &err), SFS_OK);
	HAS_STR(text_of(SFS_CURRENT_KEY), ids[2].run_id);
	end();
}

static void the_first_publish_expects_nothing(void)
{
	struct sfs_snapshot_id id = world_new_id(1000, "first");
	struct sfs_tag none = { "" };
	struct sfs_current next = pointer_to(&id);

	world_begin(&w, "");
	IS_INT(world_open_source(&w), SFS_OK);
	c = w.source.catalog;
	IS_INT(c->ops->swap(c, &next, &none, NULL, NULL, &err), SFS_OK);
	IS_INT(c->ops->swap(c, &next, &none, NULL, NULL, &err), SFS_E_CONFLICT);
	world_close_end(&w);
}

static void a_tag_names_a_snapshot_until_it_is_deleted(void)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot_id id;

	open_store();
	IS_INT(c->ops->get_tag(c, "v1.0", &id, NULL, &err), SFS_E_NOT_FOUND);
	IS_INT(c->ops->delete_tag(c, "v1.0", NULL, &err), SFS_E_NOT_FOUND);
	IS_INT(c->ops->put_tag(c, "v1.0", &ids[1], NULL, &err), SFS_OK);
	IS_INT(c->ops->get_tag(c, "v1.0", &id, NULL, &err), SFS_OK);
	IS_INT(sfs_snapshot_id_compare(&id, &ids[1]), 0);
	sfs_snapshot_id_text(&ids[1], text);
	HAS_STR(text_of("tags/v1.0"), "{\"created_at\":\"20");
	HAS_STR(text_of("tags/v1.0"), "\",\"snapshot\":\"");
	HAS_STR(text_of("tags/v1.0"), text);
	HAS_STR(text_of("tags/v1.0"), "\",\"who\":\"");

	IS_INT(c->ops->put_tag(c, "v1.0", &ids[2], NULL, &err), SFS_E_EXISTS);
	HAS_STR(err.msg, "v1.0");
	HAS_STR(err.msg, text);
	IS_INT(c->ops->delete_tag(c, "v1.0", NULL, &err), SFS_OK);
	IS_INT(c->ops->put_tag(c, "v1.0", &ids[2], NULL, &err), SFS_OK);
	end();
}

static void a_tag_that_is_set_names_another_in_one_step(void)
{
	const struct sfs_snapshot_id nowhere = world_new_id(1, "no");
	struct sfs_snapshot_id id;

	open_store();
	IS_INT(c->ops->set_tag(c, "v1", &ids[1], NULL, &err), SFS_OK);
	IS_INT(c->ops->set_tag(c, "v1", &ids[2], NULL, &err), SFS_OK);
	IS_INT(c->ops->get_tag(c, "v1", &id, NULL, &err), SFS_OK);
	IS_INT(sfs_snapshot_id_compare(&id, &ids[2]), 0);
	IS_INT(c->ops->set_tag(c, "v1", &nowhere, NULL, &err), SFS_E_NOT_FOUND);
	IS_INT(c->ops->set_tag(c, ".v", &ids[1], NULL, &err), SFS_E_INVALID);
	IS_INT(c->ops->get_tag(c, "v1", &id, NULL, &err), SFS_OK);
	IS_INT(sfs_snapshot_id_compare(&id, &ids[2]), 0);
	end();
}

static void names_that_cannot_be_tags_are_refused(void)
{
	static const char *const names[] = { "",    ".",   "..",  ".hidden",
		                             "a/b", "a b", "a\n", "\303\251" };
	char name[300];
	struct sfs_snapshot_id id;

	open_store();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		IS_INT(c->ops->put_tag(c, names[i], &ids[0], NULL, &err),
		       SFS_E_INVALID);
		IS_INT(c->ops->get_tag(c, names[i], &id, NULL, &err),
		       SFS_E_NOT_FOUND);
		IS_INT(c->ops->delete_tag(c, names[i], NULL, &err),
		       SFS_E_NOT_FOUND);
	}
	memset(name, 'a', sizeof(name));
	name[256] = '\0';
	IS_INT(c->ops->put_tag(c, name, &ids[0], NULL, &err), SFS_E_INVALID);
	name[255] = '\0';
	IS_INT(c->ops->put_tag(c, name, &ids[0], NULL, &err), SFS_OK);
	end();
}

static void a_tag_needs_its_snapshot(void)
{
	struct sfs_snapshot_id id = world_new_id(1000, "none");

	open_store();
	IS_INT(c->ops->put_tag(c, "x", &id, NULL, &err), SFS_E_NOT_FOUND);
	IS_STR(text_of("tags/x"), "not_found");
	end();
}

/* gc holds a manifest alone from its last look at the tags on. */
static void a_snapshot_that_is_being_deleted_cannot_be_tagged(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_pin *pin = NULL;

	open_store();
	sfs_snapshot_id_manifest_key(&ids[1], key);
	IS_INT(w.store->ops->pin(w.store, key, true, &pin, &err), SFS_OK);
	IS_INT(c->ops->put_tag(c, "x", &ids[1], NULL, &err), SFS_E_BUSY);
	w.store->ops->unpin(w.store, pin);
	IS_INT(c->ops->put_tag(c, "x", &ids[1], NULL, &err), SFS_OK);
	end();
}

struct names {
	char text[256];
	int stop_at; /* 0: never */
	int count;
};

static bool note(void *arg, const char *name, const struct sfs_snapshot_id *id)
{
	struct names *n = arg;
	size_t len = strlen(n->text);

	(void)snprintf(n->text + len, sizeof(n->text) - len, "%s=%.4s ", name,
	               id->run_id);
	return ++n->count != n->stop_at;
}

static void tags_are_listed_in_byte_order(void)
{
	struct names n = { .stop_at = 0 };
	struct names first = { .stop_at = 1 };

	open_store();
	IS_INT(c->ops->list_tags(c, note, &n, NULL, &err), SFS_OK);
	IS_STR(n.text, "");
	IS_INT(c->ops->put_tag(c, "b", &ids[1], NULL, &err), SFS_OK);
	IS_INT(c->ops->put_tag(c, "a-", &ids[0], NULL, &err), SFS_OK);
	IS_INT(c->ops->put_tag(c, "B", &ids[2], NULL, &err), SFS_OK);
	world_put(&w, "tags/.scratch", "x", 1);
	world_put(&w, "tags/dir/x", "x", 1);
	IS_INT(c->ops->list_tags(c, note, &n, NULL, &err), SFS_OK);
	IS_STR(n.text, "B=76e6 a-=8d68 b=2afd ");
	IS_INT(c->ops->list_tags(c, note, &first, NULL, &err), SFS_OK);
	IS_STR(first.text, "B=76e6 ");
	end();
}

static void damaged_tags_are_corrupt_and_can_be_deleted(void)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"snapshot\":1}",
		"{\"snapshot\":\"x\"}",
		"{\"x\":{\"snapshot\":\"20260101T000000.000000Z-a\"}}",
	};
	struct names n = { .stop_at = 0 };
	struct sfs_snapshot_id id;

	open_store();
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		world_put(&w, "tags/bad", texts[i], strlen(texts[i]));
		IS_INT(c->ops->get_tag(c, "bad", &id, NULL, &err),
		       SFS_E_CORRUPT);
		HAS_STR(err.msg, "tag bad");
	}
	IS_INT(c->ops->put_tag(c, "bad", &ids[0], NULL, &err), SFS_E_EXISTS);
	IS_INT(c->ops->list_tags(c, note, &n, NULL, &err), SFS_E_CORRUPT);
	IS_INT(c->ops->delete_tag(c, "bad", NULL, &err), SFS_OK);
	IS_INT(c->ops->list_tags(c, note, &n, NULL, &err), SFS_OK);
	end();
}

struct logged {
	char keys[4][SFS_STORE_KEY_MAX];
	int count;
};

static bool note_log(void *arg, const struct sfs_list_entry *entry)
{
	struct logged *l = arg;

	if (l->count < 4)
		(void)snprintf(l->keys[l->count], sizeof(l->keys[0]), "%s",
		               entry->key);
	l->count++;
	return true;
}

static void each_event_is_an_object_of_its_own(void)
{
	struct logged l = { .count = 0 };
	const char *text;

	open_store();
	IS_INT(c->ops->log(c, "publish", 0,
	                   "{\"a\": [1, {\"b\":2}], \"who\": \"me\", \"n\": "
	                   "null}",
	                   NULL, &err),
	       SFS_OK);
	IS_INT(c->ops->log(c, "publish", 0, "{}", NULL, &err), SFS_OK);
	IS_INT(c->ops->log(c, "publish", 0, "{}", NULL, &err), SFS_OK);
	IS_INT(w.store->ops->list(w.store, "log/", 0, NULL, note_log, &l, NULL,
	                          &err),
	       SFS_OK);
	IS_INT(l.count, 3);
	HAS_STR(l.keys[0], "Z_publish.json");
	text = text_of(l.keys[0]);
	OK(strncmp(text,
	           "{\"a\":[1, {\"b\":2}],\"n\":null,\"event\":"
	           "\"publish\",\"host\":\"",
	           50) == 0);
	HAS_STR(text, "\"pid\":");
	HAS_STR(text, "\"when\":\"20");
	OK(strstr(text, "\"me\"") == NULL);
	end();
}

static void an_event_that_has_a_time_is_logged_once(void)
{
	const int64_t at_ns = INT64_C(1795240160021594000);
	struct logged l = { .count = 0 };

	open_store();
	for (int i = 0; i < 2; i++) {
		IS_INT(c->ops->log(c, "publish", at_ns, "{\"to\": 1}", NULL,
		                   &err),
		       SFS_OK);
		IS_INT(c->ops->log(c, "publish", at_ns, "{\"to\": 12}", NULL,
		                   &err),
		       SFS_OK);
		IS_INT(c->ops->log(c, "publish", at_ns, "{\"to\": 2}", NULL,
		                   &err),
		       SFS_OK);
	}
	IS_INT(w.store->ops->list(w.store, "log/", 0, NULL, note_log, &l, NULL,
	                          &err),
	       SFS_OK);
	IS_INT(l.count, 3);
	IS_STR(l.keys[0], "log/2026-11-21T05:49:20.021594Z_publish.json");
	HAS_STR(text_of(l.keys[0]), "\"when\":\"2026-11-21T05:49:20.021594Z\"");
	HAS_STR(text_of(l.keys[2]), "{\"to\":2,");
	end();
}

static void what_cannot_be_logged_is_refused(void)
{
	static const char *const details[] = { "", "[]", "{", "{} x", "1" };

	open_store();
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++)
		IS_INT(c->ops->log(c, "publish", 0, details[i], NULL, &err),
		       SFS_E_INVALID);
	IS_INT(c->ops->log(c, "a/b", 0, "{}", NULL, &err), SFS_E_INVALID);
	end();
}

int main(void)
{
	RUN(a_manifest_is_put_once_and_deleted);
	RUN(the_pointer_is_swapped_from_the_version_that_is_expected);
	RUN(the_first_publish_expects_nothing);
	RUN(a_tag_names_a_snapshot_until_it_is_deleted);
	RUN(a_tag_that_is_set_names_another_in_one_step);
	RUN(names_that_cannot_be_tags_are_refused);
	RUN(a_tag_needs_its_snapshot);
	RUN(a_snapshot_that_is_being_deleted_cannot_be_tagged);
	RUN(tags_are_listed_in_byte_order);
	RUN(damaged_tags_are_corrupt_and_can_be_deleted);
	RUN(each_event_is_an_object_of_its_own);
	RUN(an_event_that_has_a_time_is_logged_once);
	RUN(what_cannot_be_logged_is_refused);
	return tap_done();
}
