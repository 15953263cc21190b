/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Type inference with variables. "[]" is a list of something: a variable,
 * which is bound when the list meets others. An overload with parameters gets
 * new variables for each call. Assignability follows cel-go's checker step by
 * step, since "the more general of two types" decides what is dyn in the end,
 * and so which expressions are accepted. The types that result are advice:
 * through dyn, a list(int) may hold strings, and the evaluator looks at what
 * it gets.
 */
#include "cel/infer.h"

#include "base/alloc.h"

/*
 * A map type within a map type twice, again and again, is small in memory and
 * exponential to walk.
 */
enum { WORK_MAX = 20000000, FIRST_VARIABLE = 3 };

struct sfs_cel_rebound {
	size_t variable;
	const struct sfs_cel_type *was;
};

static const struct sfs_cel_type *dyn(void)
{
	return sfs_cel_type_of_kind(SFS_CEL_DYN);
}

void sfs_cel_infer_init(struct sfs_cel_infer *f, struct sfs_cel_pool *pool)
{
	*f = (struct sfs_cel_infer){ .pool = pool };
}

void sfs_cel_infer_release(struct sfs_cel_infer *f)
{
	sfs_free(f->bound);
	sfs_free(f->trail);
	sfs_cel_infer_init(f, NULL);
}

static void fail(struct sfs_cel_infer *f, enum sfs_rc rc)
{
	if (f->failed == SFS_OK)
		f->failed = rc;
}

static bool is_tired(struct sfs_cel_infer *f)
{
	if (f->failed == SFS_OK && ++f->work > WORK_MAX)
		fail(f, SFS_E_TOO_BIG);
	return f->failed != SFS_OK;
}

static const struct sfs_cel_type *make(struct sfs_cel_infer *f,
                                       const struct sfs_cel_type *like)
{
	struct sfs_cel_type *t = sfs_cel_pool_get(f->pool, sizeof(*t));

	if (t == NULL) {
		fail(f, SFS_E_NO_MEMORY);
		return dyn();
	}
	*t = *like;
	return t;
}

/* The array, larger if one more would not fit; NULL: out of memory. */
static void *make_room(struct sfs_cel_infer *f, void *items, size_t *cap,
                       size_t count, size_t size)
{
	size_t more = *cap > 0 ? *cap * 2 : 16;
	void *grown;

	if (count < *cap)
		return items;
	grown = sfs_realloc_array(items, more, size);
	if (grown == NULL)
		fail(f, SFS_E_NO_MEMORY);
	else
		*cap = more;
	return grown;
}

const struct sfs_cel_type *sfs_cel_infer_fresh(struct sfs_cel_infer *f)
{
	const struct sfs_cel_type **bound =
		make_room(f, f->bound, &f->cap, f->count, sizeof(*bound));

	if (bound == NULL)
		return dyn();
	f->bound = bound;
	f->bound[f->count] = NULL;
	f->count++;
	return make(f, &(struct sfs_cel_type){
			       .kind = SFS_CEL_INVALID,
			       .parameter = (unsigned)(FIRST_VARIABLE +
	                                               f->count - 1),
		       });
}

const struct sfs_cel_type *sfs_cel_infer_list(struct sfs_cel_infer *f,
                                              const struct sfs_cel_type *item)
{
	return make(f, &(struct sfs_cel_type){ .kind = SFS_CEL_LIST,
	                                       .of = { item, NULL } });
}

const struct sfs_cel_type *sfs_cel_infer_map(struct sfs_cel_infer *f,
                                             const struct sfs_cel_type *key,
                                             const struct sfs_cel_type *value)
{
	return make(f, &(struct sfs_cel_type){ .kind = SFS_CEL_MAP,
	                                       .of = { key, value } });
}

static bool is_variable(const struct sfs_cel_type *t)
{
	return t->parameter >= FIRST_VARIABLE;
}

static const struct sfs_cel_type *bound_to(const struct sfs_cel_infer *f,
                                           const struct sfs_cel_type *t)
{
	return f->bound[t->parameter - FIRST_VARIABLE];
}

static void bind(struct sfs_cel_infer *f, const struct sfs_cel_type *variable,
                 const struct sfs_cel_type *to)
{
	const size_t n = variable->parameter - FIRST_VARIABLE;
	struct sfs_cel_rebound *trail = make_room(
		f, f->trail, &f->trail_cap, f->trail_count, sizeof(*trail));

	if (trail == NULL)
		return;
	f->trail = trail;
	f->trail[f->trail_count].variable = n;
	f->trail[f->trail_count].was = f->bound[n];
	f->trail_count++;
	f->bound[n] = to;
}

static void take_back(struct sfs_cel_infer *f, size_t mark)
{
	while (f->trail_count > mark) {
		f->trail_count--;
		f->bound[f->trail[f->trail_count].variable] =
			f->trail[f->trail_count].was;
	}
}

const struct sfs_cel_type *sfs_cel_infer_find(const struct sfs_cel_infer *f,
                                              const struct sfs_cel_type *t)
{
	while (is_variable(t) && bound_to(f, t) != NULL)
		t = bound_to(f, t);
	return t;
}

static size_t arity(const struct sfs_cel_type *t)
{
	if (t->kind == SFS_CEL_LIST)
		return 1;
	return t->kind == SFS_CEL_MAP ? 2 : 0;
}

/* The same type to the letter: variables are not looked up. */
static bool is_same(struct sfs_cel_infer *f, const struct sfs_cel_type *a,
                    const struct sfs_cel_type *b)
{
	if (a == b)
		return true;
	if (is_tired(f) || a->kind != b->kind || a->parameter != b->parameter)
		return false;
	for (size_t i = 0; i < arity(a); i++)
		if (!is_same(f, a->of[i], b->of[i]))
			return false;
	return true;
}

static bool occurs(struct sfs_cel_infer *f, const struct sfs_cel_type *variable,
                   const struct sfs_cel_type *within)
{
	if (is_tired(f))
		return true;
	if (is_variable(within)) {
		if (within->parameter == variable->parameter)
			return true;
		return bound_to(f, within) != NULL &&
		       occurs(f, variable, bound_to(f, within));
	}
	for (size_t i = 0; i < arity(within); i++)
		if (occurs(f, variable, within->of[i]))
			return true;
	return false;
}

static bool is_nullable(const struct sfs_cel_type *t)
{
	return t->kind == SFS_CEL_NULL || t->kind == SFS_CEL_TIMESTAMP ||
	       t->kind == SFS_CEL_DURATION;
}

static bool is_as_general(struct sfs_cel_infer *f, const struct sfs_cel_type *a,
                          const struct sfs_cel_type *b)
{
	if (is_variable(a) || a->kind == SFS_CEL_DYN)
		return true;
	if (is_variable(b) || b->kind == SFS_CEL_DYN || is_tired(f))
		return false;
	if (b->kind == SFS_CEL_NULL)
		return is_nullable(a);
	if (a->kind != b->kind)
		return false;
	for (size_t i = 0; i < arity(a); i++)
		if (!is_as_general(f, a->of[i], b->of[i]))
			return false;
	return true;
}

static const struct sfs_cel_type *most_general(struct sfs_cel_infer *f,
                                               const struct sfs_cel_type *a,
                                               const struct sfs_cel_type *b)
{
	return is_as_general(f, a, b) ? a : b;
}

static bool assign(struct sfs_cel_infer *f, const struct sfs_cel_type *a,
                   const struct sfs_cel_type *b);

/* Whether the variable may be t; *is_bound: it was something already. */
static bool substitute(struct sfs_cel_infer *f,
                       const struct sfs_cel_type *variable,
                       const struct sfs_cel_type *t, bool *is_bound)
{
	const struct sfs_cel_type *was = bound_to(f, variable);
	const struct sfs_cel_type *general;

	*is_bound = was != NULL || is_same(f, variable, t);
	if (was == NULL && *is_bound)
		return true;
	if (was == NULL) {
		if (occurs(f, variable, t))
			return false;
		bind(f, variable, t);
		return true;
	}
	if (is_same(f, t, was))
		return true;
	if (!assign(f, t, was))
		return false;
	general = most_general(f, t, was);
	if (!occurs(f, variable, general))
		bind(f, variable, general);
	return true;
}

static bool assign_known(struct sfs_cel_infer *f, const struct sfs_cel_type *a,
                         const struct sfs_cel_type *b)
{
	if (a->kind == SFS_CEL_DYN || b->kind == SFS_CEL_DYN)
		return true;
	if (a->kind == SFS_CEL_NULL)
		return is_nullable(b);
	if (b->kind == SFS_CEL_NULL)
		return is_nullable(a);
	if (a->kind != b->kind || a->parameter != b->parameter)
		return false;
	for (size_t i = 0; i < arity(a); i++)
		if (!assign(f, a->of[i], b->of[i]))
			return false;
	return true;
}

static bool assign(struct sfs_cel_infer *f, const struct sfs_cel_type *a,
                   const struct sfs_cel_type *b)
{
	bool is_bound;

	if (a == b)
		return true;
	if (is_tired(f))
		return false;
	if (is_variable(b)) {
		if (substitute(f, b, a, &is_bound))
			return true;
		if (is_bound)
			return false;
	}
	if (is_variable(a))
		return substitute(f, a, b, &is_bound);
	return assign_known(f, a, b);
}

bool sfs_cel_infer_assign(struct sfs_cel_infer *f,
                          const struct sfs_cel_type *from,
                          const struct sfs_cel_type *to)
{
	bool fits;

	f->trail_count = 0;
	fits = assign(f, from, to);
	if (!fits)
		take_back(f, 0);
	return fits;
}

/* The type of a row with its parameters replaced by variables of this call. */
static const struct sfs_cel_type *
instantiate(struct sfs_cel_infer *f, const struct sfs_cel_type *t,
            const struct sfs_cel_type *fresh[2])
{
	const struct sfs_cel_type *of[2] = { NULL, NULL };

	if (t->parameter > 0) {
		if (fresh[t->parameter - 1] == NULL)
			fresh[t->parameter - 1] = sfs_cel_infer_fresh(f);
		return fresh[t->parameter - 1];
	}
	if (arity(t) == 0)
		return t;
	for (size_t i = 0; i < arity(t); i++)
		of[i] = instantiate(f, t->of[i], fresh);
	if (of[0] == t->of[0] && of[1] == t->of[1])
		return t;
	return make(f, &(struct sfs_cel_type){ .kind = t->kind,
	                                       .of = { of[0], of[1] } });
}

const struct sfs_cel_type *
sfs_cel_infer_overload(struct sfs_cel_infer *f,
                       const struct sfs_cel_overload *row,
                       const struct sfs_cel_type *const *args)
{
	const struct sfs_cel_type *fresh[2] = { NULL, NULL };

	f->trail_count = 0;
	for (unsigned i = 0; i < row->argc; i++) {
		if (assign(f, args[i], instantiate(f, row->args[i], fresh)))
			continue;
		take_back(f, 0);
		return NULL;
	}
	return instantiate(f, row->result, fresh);
}

const struct sfs_cel_type *sfs_cel_infer_join(struct sfs_cel_infer *f,
                                              const struct sfs_cel_type *a,
                                              const struct sfs_cel_type *b)
{
	if (a == NULL)
		return b;
	if (sfs_cel_infer_assign(f, a, b))
		return most_general(f, a, b);
	return dyn();
}

const struct sfs_cel_type *sfs_cel_infer_final(struct sfs_cel_infer *f,
                                               const struct sfs_cel_type *t)
{
	const struct sfs_cel_type *of[2] = { NULL, NULL };

	t = sfs_cel_infer_find(f, t);
	if (is_variable(t) || is_tired(f))
		return dyn();
	for (size_t i = 0; i < arity(t); i++)
		of[i] = sfs_cel_infer_final(f, t->of[i]);
	if (of[0] == t->of[0] && of[1] == t->of[1])
		return t;
	return make(f, &(struct sfs_cel_type){ .kind = t->kind,
	                                       .of = { of[0], of[1] } });
}
