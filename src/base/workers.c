/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers: one queue, one lock. A job is in the queue at most once, and in
 * one thread at most, so that its run() needs no lock against itself:
 *
 *	idle     known to nobody here      submit: queued
 *	queued   in the queue              submit: nothing; taken: running
 *	running  in a thread               submit: again; ended: idle
 *	again    in a thread, wanted anew  submit: nothing; ended: queued
 *
 * A job that is idle is never touched: its owner may free it.
 */
#include "base/workers.h"

#include "base/alloc.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

enum job_state { IDLE = 0, QUEUED, RUNNING, AGAIN };

struct sfs_workers {
	pthread_mutex_t lock;
	pthread_cond_t queued;
	pthread_cond_t ended;  /* some job became idle */
	struct sfs_job *first; /* protected by lock, as all below */
	struct sfs_job *last;
	unsigned running; /* jobs */
	bool is_ending;
	unsigned count; /* immutable, as threads */
	pthread_t threads[];
};

static void enqueue_locked(struct sfs_workers *w, struct sfs_job *job)
{
	job->state = QUEUED;
	job->next = NULL;
	if (w->last != NULL)
		w->last->next = job;
	else
		w->first = job;
	w->last = job;
	pthread_cond_signal(&w->queued);
}

static struct sfs_job *dequeue_locked(struct sfs_workers *w)
{
	struct sfs_job *job = w->first;

	w->first = job->next;
	if (w->first == NULL)
		w->last = NULL;
	job->next = NULL;
	job->state = RUNNING;
	w->running++;
	return job;
}

static void end_locked(struct sfs_workers *w, struct sfs_job *job)
{
	w->running--;
	if (job->state == AGAIN) {
		enqueue_locked(w, job);
		return;
	}
	job->state = IDLE;
	pthread_cond_broadcast(&w->ended);
	/* a job that still runs may submit others: nobody leaves before */
	if (w->is_ending && w->running == 0)
		pthread_cond_broadcast(&w->queued);
}

static void *work(void *arg)
{
	struct sfs_workers *w = arg;
	struct sfs_job *job;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->first == NULL && !(w->is_ending && w->running == 0))
			pthread_cond_wait(&w->queued, &w->lock);
		if (w->first == NULL)
			break;
		job = dequeue_locked(w);
		pthread_mutex_unlock(&w->lock);
		job->run(job);
		pthread_mutex_lock(&w->lock);
		end_locked(w, job);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals are for the threads that the program has besides. */
static enum sfs_rc start_threads(struct sfs_workers *w, unsigned threads,
                                 struct sfs_err *err)
{
	sigset_t all;
	sigset_t old;
	int failed = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (w->count < threads && failed == 0) {
		failed = pthread_create(&w->threads[w->count], NULL, work, w);
		if (failed == 0)
			w->count++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed != 0)
		return sfs_err_sys(err, failed, "cannot start a thread");
	return SFS_OK;
}

enum sfs_rc sfs_workers_new(unsigned threads, struct sfs_workers **out,
                            struct sfs_err *err)
{
	struct sfs_workers *w;
	enum sfs_rc rc;

	if (threads == 0)
		return sfs_err_set(err, SFS_E_INVALID, "no worker threads");
	w = sfs_calloc(1, sizeof(*w) + threads * sizeof(w->threads[0]));
	if (w == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->queued, NULL);
	pthread_cond_init(&w->ended, NULL);
	rc = start_threads(w, threads, err);
	if (rc != SFS_OK) {
		sfs_workers_free(w);
		return rc;
	}
	*out = w;
	return SFS_OK;
}

void sfs_workers_free(struct sfs_workers *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->is_ending = true;
	pthread_cond_broadcast(&w->queued);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->count; i++)
		pthread_join(w->threads[i], NULL);
	pthread_cond_destroy(&w->ended);
	pthread_cond_destroy(&w->queued);
	pthread_mutex_destroy(&w->lock);
	sfs_free(w);
}

void sfs_workers_submit(struct sfs_workers *w, struct sfs_job *job)
{
	pthread_mutex_lock(&w->lock);
	if (job->state == IDLE)
		enqueue_locked(w, job);
	else if (job->state == RUNNING)
		job->state = AGAIN;
	pthread_mutex_unlock(&w->lock);
}

void sfs_workers_drain(struct sfs_workers *w, struct sfs_job *job)
{
	pthread_mutex_lock(&w->lock);
	while (job->state != IDLE)
		pthread_cond_wait(&w->ended, &w->lock);
	pthread_mutex_unlock(&w->lock);
}
