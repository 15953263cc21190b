/* SPDX-License-Identifier: Apache-2.0 */
/* The store that fails on purpose must really fail, and only as planned. */
#include "unit/workstore.h"

#include "base/clock.h"
#include "store/fault.h"

#include <pthread.h>

static void set(unsigned op_mask, uint64_t fail_at, bool always, enum sfs_rc rc)
{
	const struct sfs_fault_plan plan = { op_mask, fail_at, always, rc, 0 };

	sfs_store_fault_set(store, &plan);
}

/* Puts the wrapper around the store; closing it closes both. */
static void wrap(void)
{
	struct sfs_store *outer = NULL;

	IS_INT(sfs_store_fault_wrap(store, &outer, &err), SFS_OK);
	store = outer;
}

static bool go_on(void *arg, const struct sfs_list_entry *entry)
{
	(void)entry;
	++*(int *)arg;
	return true;
}

/* An upload and a pin, call by call. */
static enum sfs_rc upload_and_pin(int *steps)
{
	struct sfs_upload *u = NULL;
	struct sfs_pin *pin = NULL;
	enum sfs_rc rc;

	rc = store->ops->create(store, "e", 1, &u, NULL, &err);
	if (rc == SFS_OK && ++*steps)
		rc = u->ops->write(u, "1", 1, NULL, &err);
	if (rc == SFS_OK && ++*steps)
		rc = u->ops->commit(u, NULL, &err);
	if (rc == SFS_OK && ++*steps)
		rc = store->ops->pin(store, "e", false, &pin, &err);
	if (u != NULL)
		u->ops->close(u);
	store->ops->unpin(store, pin);
	if (rc == SFS_OK)
		++*steps;
	return rc;
}

/* Every operation once, in this order; stops at the first that fails. */
static enum sfs_rc use_all(int *steps)
{
	struct sfs_tag known = { "" };
	char *data = NULL;
	size_t len = 0;
	int fd = openat(store_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int count = 0;
	enum sfs_rc rc;

	*steps = 0;
	rc = store->ops->put(store, "a", "1", 1, NULL, NULL, &err);
	if (rc == SFS_OK && ++*steps)
		rc = store->ops->put_if(store, "b", "1", 1, NULL, NULL, NULL,
		                        &err);
	if (rc == SFS_OK && ++*steps)
		rc = store->ops->put_file(store, "c", fd, NULL, NULL, &err);
	if (rc == SFS_OK && ++*steps)
		rc = store->ops->copy(store, "a", "d", NULL, &err);
	if (rc == SFS_OK && ++*steps)
		rc = sfs_store_get(store, "d", 9, &data, &len, NULL, NULL,
		                   &err);
	sfs_free(data);
	if (rc == SFS_OK && ++*steps)
		rc = store->ops->list(store, "", 0, NULL, go_on, &count, NULL,
		                      &err);
	if (rc == SFS_OK && ++*steps)
		rc = store->ops->watch(store, "a", &known, NULL, &err);
	if (rc == SFS_OK && ++*steps)
		rc = store->ops->barrier(store, "", NULL, &err);
	if (rc == SFS_OK && ++*steps)
		rc = store->ops->delete (store, "b", NULL, &err);
	if (rc == SFS_OK)
		++*steps;
	if (rc == SFS_OK)
		rc = upload_and_pin(steps);
	(void)close(fd);
	return rc;
}

static void without_a_plan_it_is_the_store_inside(void)
{
	int steps = 0;

	IS_STR(store->url + strlen(store->url) - 6, "/store");
	wrap();
	IS_INT(store->ops->start(store, &err), SFS_OK);
	IS_INT(use_all(&steps), SFS_OK);
	IS_INT(steps, 13);
	IS_INT(sfs_store_fault_count(store), 0);
	IS_INT(sfs_store_fault_open_objects(store), 0);
	IS_STR(store->url + strlen(store->url) - 6, "/store");
}

static void a_sweep_visits_every_call_and_nothing_leaks(void)
{
	uint64_t n = 0;
	enum sfs_rc rc;
	int steps;

	wrap();
	do {
		set(SFS_STORE_ALL, ++n, false, SFS_E_TRANSIENT);
		rc = use_all(&steps);
		IS_INT(sfs_store_fault_count(store), rc == SFS_OK ? 0 : 1);
		IS_INT(sfs_store_fault_open_objects(store), 0);
		if (rc == SFS_OK)
			break;
		IS_INT(rc, SFS_E_TRANSIENT);
		HAS_STR(err.msg, "injected");
		set(0, 0, false, SFS_OK);
		IS_INT(store->ops->delete (store, "b", NULL, &err), SFS_OK);
	} while (n < 100);
	/* thirteen calls, of which get is an open and a read */
	IS_INT(n, 15);
}

static void a_mask_chooses_what_is_counted(void)
{
	int steps = 0;

	wrap();
	set(SFS_STORE_READ, 1, false, SFS_E_IO);
	IS_INT(use_all(&steps), SFS_E_IO);
	IS_INT(steps, 4);
	IS_INT(sfs_store_fault_open_objects(store), 0);
	IS_INT(store->ops->delete (store, "b", NULL, &err), SFS_OK);
	set(SFS_STORE_PUT, 4, false, SFS_E_NO_SPACE);
	IS_INT(use_all(&steps), SFS_E_NO_SPACE);
	IS_INT(steps, 3);
	IS_INT(store->ops->delete (store, "b", NULL, &err), SFS_OK);
	set(SFS_STORE_WATCH | SFS_STORE_DELETE, 2, false, SFS_E_AUTH);
	IS_INT(use_all(&steps), SFS_E_AUTH);
	IS_INT(steps, 8);
	IS_INT(store->ops->delete (store, "b", NULL, &err), SFS_OK);
	set(SFS_STORE_COMMIT, 1, false, SFS_E_NO_SPACE);
	IS_INT(use_all(&steps), SFS_E_NO_SPACE);
	IS_INT(steps, 11);
	OK(!is_there("e"));
	IS_INT(sfs_store_fault_open_objects(store), 0);
}

static void once_is_once_and_always_is_from_there_on(void)
{
	wrap();
	set(SFS_STORE_OPEN, 2, false, SFS_E_STALE);
	IS_STR(get_text("k"), "not_found");
	IS_STR(get_text("k"), "stale");
	IS_STR(get_text("k"), "not_found");
	IS_INT(sfs_store_fault_count(store), 1);
	set(SFS_STORE_OPEN, 2, true, SFS_E_STALE);
	IS_INT(sfs_store_fault_count(store), 0);
	IS_STR(get_text("k"), "not_found");
	IS_STR(get_text("k"), "stale");
	IS_STR(get_text("k"), "stale");
	IS_INT(sfs_store_fault_count(store), 2);
}

static void open_objects_are_counted(void)
{
	struct sfs_object *a = NULL;
	struct sfs_object *b = NULL;

	wrap();
	put_text("k", "12");
	IS_INT(store->ops->open(store, "k", &a, NULL, &err), SFS_OK);
	IS_INT(store->ops->open(store, "k", &b, NULL, &err), SFS_OK);
	IS_INT(a->info.size, 2);
	IS_INT(sfs_store_fault_open_objects(store), 2);
	a->ops->close(a);
	IS_INT(sfs_store_fault_open_objects(store), 1);
	b->ops->close(b);
	IS_INT(sfs_store_fault_open_objects(store), 0);
}

static void a_delay_takes_its_time_but_heeds_the_call(void)
{
	const struct sfs_fault_plan slow = { SFS_STORE_BARRIER, 0, false,
		                             SFS_OK, 20 };
	const struct sfs_fault_plan stuck = { SFS_STORE_BARRIER, 0, false,
		                              SFS_OK, 60000 };
	struct sfs_cancel cancel;
	int64_t begin = sfs_clock_ms();
	struct sfs_call call = { 0, &cancel };

	wrap();
	IS_INT(sfs_cancel_init(&cancel, &err), SFS_OK);
	sfs_store_fault_set(store, &slow);
	IS_INT(store->ops->barrier(store, "", NULL, &err), SFS_OK);
	OK(sfs_clock_ms() - begin >= 20);
	sfs_store_fault_set(store, &stuck);
	call.deadline_ms = sfs_clock_ms() + 20;
	IS_INT(store->ops->barrier(store, "", &call, &err), SFS_E_TIMEOUT);
	call.deadline_ms = 0;
	sfs_cancel_raise(&cancel);
	IS_INT(store->ops->barrier(store, "", &call, &err), SFS_E_CANCELED);
	OK(sfs_clock_ms() - begin < 30000);
	sfs_cancel_release(&cancel);
}

static void *cancelled_barrier(void *arg)
{
	struct sfs_err e;
	const struct sfs_call *call = arg;

	return store->ops->barrier(store, "", call, &e) == SFS_E_CANCELED ? NULL
	                                                                  : arg;
}

static void a_delay_is_cancelled_from_another_thread(void)
{
	const struct sfs_fault_plan stuck = { SFS_STORE_BARRIER, 0, false,
		                              SFS_OK, 60000 };
	struct sfs_cancel cancel;
	struct sfs_call call = { 0, &cancel };
	int64_t begin = sfs_clock_ms();
	pthread_t threads[3];
	void *failed = NULL;

	wrap();
	IS_INT(sfs_cancel_init(&cancel, &err), SFS_OK);
	sfs_store_fault_set(store, &stuck);
	for (int i = 0; i < 3; i++)
		IS_INT(pthread_create(&threads[i], NULL, cancelled_barrier,
		                      &call),
		       0);
	sfs_cancel_raise(&cancel);
	for (int i = 0; i < 3; i++) {
		IS_INT(pthread_join(threads[i], &failed), 0);
		OK(failed == NULL);
	}
	OK(sfs_clock_ms() - begin < 30000);
	sfs_cancel_release(&cancel);
}

int main(void)
{
	RUN_IN_STORE(without_a_plan_it_is_the_store_inside);
	RUN_IN_STORE(a_sweep_visits_every_call_and_nothing_leaks);
	RUN_IN_STORE(a_mask_chooses_what_is_counted);
	RUN_IN_STORE(once_is_once_and_always_is_from_there_on);
	RUN_IN_STORE(open_objects_are_counted);
	RUN_IN_STORE(a_delay_takes_its_time_but_heeds_the_call);
	RUN_IN_STORE(a_delay_is_cancelled_from_another_thread);
	return tap_done();
}
