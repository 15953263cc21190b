/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lane: a queue and its threads. Each thread owns one cancel, which the
 * request that it works on raises when it is interrupted; libfuse calls back
 * with the request's lock held, and so taking the callback away waits for one
 * that is under way. That is done before the reply, which ends the request.
 */
#include "fuse/lane.h"

#include "base/alloc.h"

struct worker {
	struct sfs_lane *lane;
	struct sfs_cancel cancel;
	pthread_t thread;
};

struct sfs_lane {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct sfs_lane_job *first; /* protected by lock, as all below */
	struct sfs_lane_job *last;
	unsigned idle;   /* threads that wait */
	unsigned queued; /* jobs that wait */
	bool is_ending;
	unsigned count;
	struct worker workers[SFS_LANE_THREADS];
};

struct sfs_lane *sfs_lane_new(void)
{
	struct sfs_lane *lane = sfs_calloc(1, sizeof(*lane));

	if (lane == NULL)
		return NULL;
	pthread_mutex_init(&lane->lock, NULL);
	pthread_cond_init(&lane->wake, NULL);
	return lane;
}

static void on_interrupt(fuse_req_t req, void *arg)
{
	(void)req;
	sfs_cancel_raise(arg);
}

static void job_free(struct sfs_lane_job *job)
{
	sfs_free((char *)job->name);
	sfs_free((char *)job->new_name);
	sfs_free(job);
}

static void run(struct worker *w, struct sfs_lane_job *job)
{
	struct sfs_call call = { job->deadline_ms, &w->cancel };
	struct sfs_err err;
	enum sfs_rc rc;

	fuse_req_interrupt_func(job->req, on_interrupt, &w->cancel);
	rc = job->work(job, &call, &err);
	fuse_req_interrupt_func(job->req, NULL, NULL);
	job->reply(job, rc, &err);
	job_free(job);
}

static struct sfs_lane_job *take_locked(struct sfs_lane *lane)
{
	struct sfs_lane_job *job = lane->first;

	if (job == NULL)
		return NULL;
	lane->first = job->next;
	if (lane->first == NULL)
		lane->last = NULL;
	lane->queued--;
	return job;
}

/* What was raised at the end of the lane stays raised. */
static struct sfs_lane_job *next_job(struct worker *w)
{
	struct sfs_lane *lane = w->lane;
	struct sfs_lane_job *job;

	pthread_mutex_lock(&lane->lock);
	lane->idle++;
	while ((job = take_locked(lane)) == NULL && !lane->is_ending)
		pthread_cond_wait(&lane->wake, &lane->lock);
	lane->idle--;
	if (!lane->is_ending)
		sfs_cancel_clear(&w->cancel);
	pthread_mutex_unlock(&lane->lock);
	return job;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct sfs_lane_job *job;

	while ((job = next_job(w)) != NULL)
		run(w, job);
	return NULL;
}

static bool add_worker_locked(struct sfs_lane *lane)
{
	struct worker *w = &lane->workers[lane->count];
	struct sfs_err ignored;

	if (lane->count == SFS_LANE_THREADS)
		return false;
	w->lane = lane;
	if (sfs_cancel_init(&w->cancel, &ignored) != SFS_OK)
		return false;
	if (pthread_create(&w->thread, NULL, work, w) != 0) {
		sfs_cancel_release(&w->cancel);
		return false;
	}
	lane->count++;
	return true;
}

static struct sfs_lane_job *job_copy(const struct sfs_lane_job *job,
                                     const char *name, const char *new_name)
{
	struct sfs_lane_job *copy = sfs_malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *job;
	copy->next = NULL;
	copy->name = name != NULL ? sfs_strdup(name) : NULL;
	copy->new_name = new_name != NULL ? sfs_strdup(new_name) : NULL;
	if ((name != NULL && copy->name == NULL) ||
	    (new_name != NULL && copy->new_name == NULL)) {
		job_free(copy);
		return NULL;
	}
	return copy;
}

bool sfs_lane_submit(struct sfs_lane *lane, const struct sfs_lane_job *job,
                     const char *name, const char *new_name)
{
	struct sfs_lane_job *copy = job_copy(job, name, new_name);
	bool is_served;

	if (copy == NULL)
		return false;
	pthread_mutex_lock(&lane->lock);
	if (lane->idle <= lane->queued)
		(void)add_worker_locked(lane); /* else another one serves it */
	is_served = lane->count > 0;
	if (is_served) {
		*(lane->last != NULL ? &lane->last->next : &lane->first) = copy;
		lane->last = copy;
		lane->queued++;
		pthread_cond_signal(&lane->wake);
	}
	pthread_mutex_unlock(&lane->lock);
	if (!is_served)
		job_free(copy);
	return is_served;
}

void sfs_lane_free(struct sfs_lane *lane)
{
	if (lane == NULL)
		return;
	pthread_mutex_lock(&lane->lock);
	lane->is_ending = true;
	for (unsigned i = 0; i < lane->count; i++)
		sfs_cancel_raise(&lane->workers[i].cancel);
	pthread_cond_broadcast(&lane->wake);
	pthread_mutex_unlock(&lane->lock);
	for (unsigned i = 0; i < lane->count; i++) {
		(void)pthread_join(lane->workers[i].thread, NULL); /* ours */
		sfs_cancel_release(&lane->workers[i].cancel);
	}
	pthread_cond_destroy(&lane->wake);
	pthread_mutex_destroy(&lane->lock);
	sfs_free(lane);
}
