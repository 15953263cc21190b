/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: each submission is served, no job runs in two threads at once. */
#include "base/alloc.h"
#include "base/workers.h"
#include "unit/tap.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { THREADS = 3, JOBS = 8, SUBMISSIONS = 3000 };

struct counter {
	struct sfs_job job; /* first: run() casts */
	struct sfs_workers *workers;
	struct counter *then; /* submitted by run(); or NULL */
	atomic_uint runs;
	atomic_uint inside;
	atomic_uint overlaps;
	atomic_uint wanted; /* what was asked for */
	atomic_uint seen;   /* of it, by the run that began last */
	atomic_bool gate;   /* run() waits until it is open */
};

static void count(struct sfs_job *job)
{
	struct counter *c = (struct counter *)job;

	if (atomic_fetch_add(&c->inside, 1) != 0)
		atomic_fetch_add(&c->overlaps, 1);
	atomic_store(&c->seen, atomic_load(&c->wanted));
	atomic_fetch_add(&c->runs, 1);
	while (!atomic_load(&c->gate))
		sched_yield();
	if (c->then != NULL)
		sfs_workers_submit(c->workers, &c->then->job);
	atomic_fetch_sub(&c->inside, 1);
}

static void init(struct counter *c, struct sfs_workers *w, bool is_open)
{
	memset(c, 0, sizeof(*c));
	c->job.run = count;
	c->workers = w;
	atomic_store(&c->gate, is_open);
}

static struct sfs_workers *new_workers(unsigned threads)
{
	struct sfs_workers *w = NULL;
	struct sfs_err err;

	OK(sfs_workers_new(threads, &w, &err) == SFS_OK);
	return w;
}

static void a_job_runs_and_drain_waits_for_it(void)
{
	struct sfs_workers *w = new_workers(THREADS);
	struct counter c;

	init(&c, w, true);
	sfs_workers_drain(w, &c.job); /* was never submitted */
	sfs_workers_submit(w, &c.job);
	sfs_workers_drain(w, &c.job);
	IS_INT(atomic_load(&c.runs), 1);
	sfs_workers_submit(w, &c.job);
	sfs_workers_drain(w, &c.job);
	IS_INT(atomic_load(&c.runs), 2);
	sfs_workers_free(w);
}

static void a_job_that_waits_is_not_queued_twice(void)
{
	struct sfs_workers *w = new_workers(1);
	struct counter blocker;
	struct counter c;

	init(&blocker, w, false);
	init(&c, w, true);
	sfs_workers_submit(w, &blocker.job);
	for (int i = 0; i < 5; i++)
		sfs_workers_submit(w, &c.job);
	atomic_store(&blocker.gate, true);
	sfs_workers_drain(w, &c.job);
	IS_INT(atomic_load(&c.runs), 1);
	sfs_workers_free(w);
}

static void a_job_that_runs_is_run_once_more(void)
{
	struct sfs_workers *w = new_workers(THREADS);
	struct counter c;

	init(&c, w, false);
	sfs_workers_submit(w, &c.job);
	while (atomic_load(&c.runs) == 0)
		sched_yield();
	for (int i = 0; i < 5; i++)
		sfs_workers_submit(w, &c.job);
	atomic_store(&c.gate, true);
	sfs_workers_drain(w, &c.job);
	IS_INT(atomic_load(&c.runs), 2);
	IS_INT(atomic_load(&c.overlaps), 0);
	sfs_workers_free(w);
}

static void jobs_run_in_the_order_of_submission(void)
{
	struct sfs_workers *w = new_workers(1);
	struct counter blocker;
	struct counter jobs[JOBS];

	init(&blocker, w, false);
	sfs_workers_submit(w, &blocker.job);
	for (int i = 0; i < JOBS; i++) {
		init(&jobs[i], w, i < JOBS - 1);
		sfs_workers_submit(w, &jobs[i].job);
	}
	atomic_store(&blocker.gate, true);
	while (atomic_load(&jobs[JOBS - 1].runs) == 0)
		sched_yield();
	for (int i = 0; i < JOBS - 1; i++)
		IS_INT(atomic_load(&jobs[i].runs), 1);
	atomic_store(&jobs[JOBS - 1].gate, true);
	sfs_workers_free(w);
}

static void the_end_waits_for_jobs_that_jobs_submit(void)
{
	struct sfs_workers *w = new_workers(THREADS);
	struct counter jobs[JOBS];

	for (int i = 0; i < JOBS; i++) {
		init(&jobs[i], w, true);
		jobs[i].then = i + 1 < JOBS ? &jobs[i + 1] : NULL;
	}
	sfs_workers_submit(w, &jobs[0].job);
	sfs_workers_free(w);
	for (int i = 0; i < JOBS; i++)
		IS_INT(atomic_load(&jobs[i].runs), 1);
}

static struct counter shared[JOBS];

static void *submit_many(void *arg)
{
	struct sfs_workers *w = arg;

	for (int i = 0; i < SUBMISSIONS; i++) {
		struct counter *c = &shared[i % JOBS];

		atomic_fetch_add(&c->wanted, 1);
		sfs_workers_submit(w, &c->job);
		if (i % 100 == 0)
			sfs_workers_drain(w, &c->job);
	}
	return NULL;
}

static void no_submission_is_lost_and_no_job_overlaps_itself(void)
{
	struct sfs_workers *w = new_workers(THREADS);
	pthread_t threads[THREADS];

	for (int i = 0; i < JOBS; i++)
		init(&shared[i], w, true);
	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, submit_many, w) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < JOBS; i++) {
		sfs_workers_drain(w, &shared[i].job);
		IS_INT(atomic_load(&shared[i].overlaps), 0);
		IS_INT(atomic_load(&shared[i].seen),
		       atomic_load(&shared[i].wanted));
	}
	sfs_workers_free(w);
}

static void what_cannot_be_started_is_told(void)
{
	struct sfs_workers *w;
	struct sfs_err err;

	OK(sfs_workers_new(0, &w, &err) == SFS_E_INVALID);
	sfs_alloc_fail_nth(1);
	OK(sfs_workers_new(1, &w, &err) == SFS_E_NO_MEMORY);
	sfs_alloc_fail_nth(0);
	sfs_workers_free(NULL);
}

int main(void)
{
	RUN(a_job_runs_and_drain_waits_for_it);
	RUN(a_job_that_waits_is_not_queued_twice);
	RUN(a_job_that_runs_is_run_once_more);
	RUN(jobs_run_in_the_order_of_submission);
	RUN(the_end_waits_for_jobs_that_jobs_submit);
	RUN(no_submission_is_lost_and_no_job_overlaps_itself);
	RUN(what_cannot_be_started_is_told);
	return tap_done();
}
