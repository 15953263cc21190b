/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of routing, as they are read one by one: an expression with its
 * columns and values, or ranges. What depends on the others, the encoding
 * among them, waits for the end of the file.
 */
#include "build/build_config_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "config.yaml: out of memory");
}

static enum sfs_rc begin_draft(struct sfs_config_reading *r,
                               struct sfs_err *err)
{
	enum sfs_rc rc;

	if (r->routing.is_begun)
		return SFS_OK;
	rc = sfs_sharding_init(&r->routing.draft, SFS_STRATEGY_CEL, err);
	r->routing.is_begun = rc == SFS_OK;
	return rc;
}

/* What is no place's fault goes on as it is. */
static enum sfs_rc pass_on(struct sfs_config_reading *r, enum sfs_rc rc,
                           const struct sfs_err *why, struct sfs_err *err)
{
	if (rc == SFS_OK)
		return SFS_OK;
	if (rc == SFS_E_NO_MEMORY)
		return sfs_err_set(err, rc, "%s", why->msg);
	return sfs_config_refuse(r, err, "%s", why->msg);
}

enum sfs_rc sfs_config_read_cel(struct sfs_config_reading *r, const char *value,
                                struct sfs_err *err)
{
	enum sfs_rc rc = begin_draft(r, err);

	if (rc != SFS_OK)
		return rc;
	return sfs_sharding_set_expr(&r->routing.draft, value, strlen(value),
	                             err);
}

/* --- columns ---------------------------------------------------------------- */

enum sfs_rc sfs_config_read_columns(struct sfs_config_reading *r,
                                    const char *value, struct sfs_err *err)
{
	return sfs_config_refuse(r, err,
	                         "must be names and types, such as {region: "
	                         "string, tier: int}, not \"%.60s\"",
	                         value);
}

static enum sfs_rc add_column(struct sfs_config_reading *r,
                              const struct sfs_yaml_node *node,
                              struct sfs_err *err)
{
	enum sfs_cel_kind kind = SFS_CEL_INVALID;
	struct sfs_err why;
	enum sfs_rc rc;

	r->line = node->line;
	if (node->kind == SFS_YAML_SCALAR)
		kind = sfs_column_kind_from_text(node->text);
	if (kind == SFS_CEL_INVALID)
		return sfs_config_refuse(
			r, err,
			"column %.60s: must be int, uint, double, bool, "
			"string or bytes, not \"%.60s\"",
			node->name,
			node->kind == SFS_YAML_SCALAR ? node->text : "a list");
	rc = sfs_sharding_add_column(&r->routing.draft, node->name,
	                             strlen(node->name), kind, &why);
	return pass_on(r, rc, &why, err);
}

static enum sfs_rc read_columns(struct sfs_config_reading *r,
                                const struct sfs_yaml_node *node,
                                struct sfs_err *err)
{
	enum sfs_rc rc = begin_draft(r, err);

	if (rc != SFS_OK)
		return rc;
	if (node->kind != SFS_YAML_MAPPING || node->first == NULL)
		return sfs_config_refuse(
			r, err,
			"must be names and types, such as {region: string, "
			"tier: int}");
	for (node = node->first; rc == SFS_OK && node != NULL;
	     node = node->next)
		rc = add_column(r, node, err);
	return rc;
}

/* --- routing values --------------------------------------------------------- */

enum sfs_rc sfs_config_read_values(struct sfs_config_reading *r,
                                   const char *value, struct sfs_err *err)
{
	r->routing.is_inferred = strcmp(value, "inferred") == 0;
	if (r->routing.is_inferred)
		return SFS_OK;
	return sfs_config_refuse(r, err,
	                         "must be a list, such as [eu, us], or "
	                         "inferred, not \"%.60s\"",
	                         value);
}

/* Digits as the number is printed, with the u of CEL. */
static bool read_integer(const char *text, struct sfs_cel_value *out)
{
	const char *digits = text + (text[0] == '-');
	size_t len = strspn(digits, "0123456789");
	bool is_uint = digits[len] == 'u' && digits[len + 1] == '\0';

	if (len == 0 || (digits[len] != '\0' && !is_uint) ||
	    (digits[0] == '0' && (len > 1 || digits != text)))
		return false;
	errno = 0;
	if (text[0] == '-' && !is_uint) {
		out->kind = SFS_CEL_INT;
		out->as.integer = strtoll(text, NULL, 10);
	} else {
		out->kind = SFS_CEL_UINT;
		out->as.uinteger = strtoull(digits, NULL, 10);
	}
	return errno == 0 && (text[0] != '-' || !is_uint);
}

/* What other readers of YAML take for something else than text. */
static bool is_ambiguous(const char *text)
{
	static const char *const words[] = { "null", "~", "true", "false",
		                             NULL };
	char *end;

	for (size_t i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0)
			return true;
	}
	(void)strtod(text, &end);
	return *end == '\0';
}

static enum sfs_rc add_value(struct sfs_config_reading *r,
                             const struct sfs_yaml_node *node,
                             struct sfs_err *err)
{
	struct sfs_cel_value value = { .kind = SFS_CEL_STRING };
	struct sfs_err why;
	enum sfs_rc rc;

	r->line = node->line;
	if (node->kind != SFS_YAML_SCALAR)
		return sfs_config_refuse(r, err,
		                         "each must be one text or whole "
		                         "number");
	value.as.text = (struct sfs_cel_text){ node->text, strlen(node->text) };
	if (node->is_plain && !read_integer(node->text, &value)) {
		value.kind = SFS_CEL_STRING;
		value.as.text =
			(struct sfs_cel_text){ node->text, strlen(node->text) };
		if (is_ambiguous(node->text))
			return sfs_config_refuse(
				r, err,
				"%.60s: must be text or a whole number; a "
				"text like this needs quotes",
				node->text);
	}
	rc = sfs_sharding_add_token(&r->routing.draft, &value, &why);
	return pass_on(r, rc, &why, err);
}

static enum sfs_rc read_values(struct sfs_config_reading *r,
                               const struct sfs_yaml_node *node,
                               struct sfs_err *err)
{
	const unsigned line = r->line;
	struct sfs_err why;
	enum sfs_rc rc = begin_draft(r, err);

	if (rc != SFS_OK)
		return rc;
	if (node->kind != SFS_YAML_LIST || node->first == NULL)
		return sfs_config_refuse(
			r, err,
			"must be a list with a value for each "
			"shard, such as [eu, us], or inferred");
	for (node = node->first; rc == SFS_OK && node != NULL;
	     node = node->next)
		rc = add_value(r, node, err);
	if (rc != SFS_OK)
		return rc;
	r->line = line;
	rc = sfs_sharding_check_tokens(&r->routing.draft, &why);
	if (rc == SFS_E_INVALID)
		return sfs_config_refuse(r, err,
		                         "%s; each stands for one shard "
		                         "(3 and 3u are the same)",
		                         why.msg);
	return pass_on(r, rc, &why, err);
}

/* --- ranges ------------------------------------------------------------------ */

enum sfs_rc sfs_config_read_ranges(struct sfs_config_reading *r,
                                   const char *value, struct sfs_err *err)
{
	if (strcmp(value, "auto") == 0)
		return SFS_OK;
	return sfs_config_refuse(
		r, err,
		"must be auto, not \"%.60s\"; ranges that are known are "
		"sharding: {strategy: range, bounds: [1000, 65536]}",
		value);
}

enum sfs_rc sfs_config_read_sharding(struct sfs_config_reading *r,
                                     const char *value, struct sfs_err *err)
{
	r->routing.is_hash = strcmp(value, "hash") == 0;
	if (r->routing.is_hash)
		return SFS_OK;
	return sfs_config_refuse(r, err,
	                         "must be hash, or {strategy: range, bounds: "
	                         "[1000, 65536]}, not \"%.60s\"",
	                         value);
}

static enum sfs_rc add_bound(struct sfs_config_reading *r,
                             const struct sfs_yaml_node *node,
                             struct sfs_err *err)
{
	struct sfs_config_routing *to = &r->routing;
	unsigned *grown;

	r->line = node->line;
	if (node->kind != SFS_YAML_SCALAR)
		return sfs_config_refuse(r, err, "each bound must be one key");
	grown = sfs_realloc_array(to->bound_lines, to->bound_count + 1,
	                          sizeof(*grown));
	if (grown == NULL)
		return no_memory(err);
	to->bound_lines = grown;
	grown[to->bound_count++] = node->line;
	sfs_buf_add(&to->bounds, node->text, strlen(node->text) + 1);
	return sfs_buf_finish(&to->bounds, "bounds", err);
}

static enum sfs_rc read_bounds(struct sfs_config_reading *r,
                               const struct sfs_yaml_node *node,
                               struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	sfs_buf_init(&r->routing.bounds, SFS_BUILD_CONFIG_MAX_BYTES);
	if (node->kind == SFS_YAML_LIST)
		node = node->first;
	else
		node = NULL;
	for (; rc == SFS_OK && node != NULL; node = node->next)
		rc = add_bound(r, node, err);
	return rc;
}

static bool is_member(const struct sfs_yaml_node *node, const char *name,
                      const struct sfs_yaml_node **out)
{
	if (strcmp(node->name, name) != 0 || *out != NULL)
		return false;
	*out = node;
	return true;
}

static enum sfs_rc read_sharding(struct sfs_config_reading *r,
                                 const struct sfs_yaml_node *node,
                                 struct sfs_err *err)
{
	static const char want[] =
		"must be hash, or {strategy: range, bounds: [1000, 65536]}";
	const struct sfs_yaml_node *strategy = NULL;
	const struct sfs_yaml_node *bounds = NULL;
	const unsigned line = r->line;
	enum sfs_rc rc;

	if (node->kind != SFS_YAML_MAPPING)
		return sfs_config_refuse(r, err, "%s", want);
	for (node = node->first; node != NULL; node = node->next) {
		r->line = node->line;
		if (!is_member(node, "strategy", &strategy) &&
		    !is_member(node, "bounds", &bounds))
			return sfs_config_refuse(r, err, "%s, not %.60s", want,
			                         node->name);
	}
	r->line = line;
	if (strategy == NULL || strategy->kind != SFS_YAML_SCALAR)
		return sfs_config_refuse(r, err, "%s", want);
	if (strcmp(strategy->text, "hash") == 0 && bounds == NULL)
		return sfs_config_read_sharding(r, strategy->text, err);
	if (strcmp(strategy->text, "range") != 0)
		return sfs_config_refuse(
			r, err, "%s; an expression is the setting cel", want);
	if (bounds == NULL)
		return sfs_config_refuse(r, err,
		                         "has no bounds; give them, or ranges: "
		                         "auto");
	rc = read_bounds(r, bounds, err);
	r->line = line;
	if (rc == SFS_OK && r->routing.bound_count == 0)
		return sfs_config_refuse(r, err,
		                         "bounds: must be a list of keys, "
		                         "ascending, such as [1000, 65536]");
	return rc;
}

/* --- nested ones ------------------------------------------------------------- */

bool sfs_config_takes_nested(size_t setting)
{
	return setting == SFS_SETTING_CEL_COLUMNS ||
	       setting == SFS_SETTING_ROUTING_VALUES ||
	       setting == SFS_SETTING_SHARDING;
}

enum sfs_rc sfs_config_read_nested(struct sfs_config_reading *r, size_t setting,
                                   const struct sfs_yaml_node *node,
                                   struct sfs_err *err)
{
	if (setting == SFS_SETTING_CEL_COLUMNS)
		return read_columns(r, node, err);
	if (setting == SFS_SETTING_ROUTING_VALUES)
		return read_values(r, node, err);
	return read_sharding(r, node, err);
}
