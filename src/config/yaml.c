/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subset of YAML that configuration files and run records use, over
 * libyaml's events: nothing is built in memory but nested values that
 * somebody asks for, the others are walked over, and aliases, which can make a
 * small text huge, are refused.
 */
#include "config/yaml.h"

#include "base/alloc.h"

#include <string.h>
#include <yaml.h>

/* libyaml's work grows with the square of the depth. */
enum { DEPTH_MAX = 64 };

/* Who gets the pairs. */
struct sink {
	sfs_yaml_fn *fn;
	void *arg;
	bool wants_nested;
};

static enum sfs_rc fail(const yaml_mark_t *at, const char *what,
                        struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_INVALID, "YAML, line %zu, column %zu: %s",
	                   at->line + 1, at->column + 1, what);
}

static enum sfs_rc parser_failure(const yaml_parser_t *p, struct sfs_err *err)
{
	yaml_mark_t at = p->problem_mark;

	switch (p->error) {
	case YAML_MEMORY_ERROR:
		return sfs_err_set(err, SFS_E_NO_MEMORY, "YAML: out of memory");
	case YAML_READER_ERROR: /* knows an offset only */
		return sfs_err_set(err, SFS_E_INVALID, "YAML, byte %zu: %s",
		                   p->problem_offset, p->problem);
	case YAML_NO_ERROR:
	case YAML_SCANNER_ERROR:
	case YAML_PARSER_ERROR:
	case YAML_COMPOSER_ERROR:
	case YAML_WRITER_ERROR:
	case YAML_EMITTER_ERROR:
		break;
	}
	return fail(&at, p->problem != NULL ? p->problem : "not YAML", err);
}

/* The next event, which the caller deletes. */
static enum sfs_rc next_event(yaml_parser_t *p, yaml_event_t *event,
                              struct sfs_err *err)
{
	if (yaml_parser_parse(p, event))
		return SFS_OK;
	memset(event, 0, sizeof(*event));
	return parser_failure(p, err);
}

static int depth_change(yaml_event_type_t type)
{
	if (type == YAML_MAPPING_START_EVENT ||
	    type == YAML_SEQUENCE_START_EVENT)
		return 1;
	if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
		return -1;
	return 0;
}

/* Walks to the end of a mapping or sequence whose start was read. */
static enum sfs_rc skip_nested(yaml_parser_t *p, struct sfs_err *err)
{
	yaml_event_t event;
	enum sfs_rc rc;
	int depth = 1;

	while (depth > 0) {
		rc = next_event(p, &event, err);
		if (rc != SFS_OK)
			return rc;
		depth += depth_change(event.type);
		if (depth > DEPTH_MAX)
			rc = fail(&event.start_mark, "nested too deeply", err);
		yaml_event_delete(&event);
		if (rc != SFS_OK)
			return rc;
	}
	return SFS_OK;
}

/* A scalar's text, which "\0" in quotes may cut. */
static enum sfs_rc check_scalar(const yaml_event_t *event, struct sfs_err *err)
{
	const char *text = (const char *)event->data.scalar.value;

	if (strlen(text) != event->data.scalar.length)
		return fail(&event->start_mark, "NUL in a value", err);
	return SFS_OK;
}

static bool is_plain(const yaml_event_t *event)
{
	return event->data.scalar.plain_implicit &&
	       event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* --- trees -------------------------------------------------------------- */

static void free_nodes(struct sfs_yaml_node *node)
{
	struct sfs_yaml_node *next;

	for (; node != NULL; node = next) {
		next = node->next;
		free_nodes(node->first); /* SFS_YAML_NESTED_MAX deep */
		sfs_free(node->name);
		sfs_free(node->text);
		sfs_free(node);
	}
}

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "YAML: out of memory");
}

/* The text of a scalar. */
static enum sfs_rc copy_scalar(const yaml_event_t *event, char **out,
                               struct sfs_err *err)
{
	enum sfs_rc rc = check_scalar(event, err);

	if (rc != SFS_OK)
		return rc;
	*out = sfs_strdup((const char *)event->data.scalar.value);
	return *out != NULL ? SFS_OK : no_memory(err);
}

/* A node for an event that begins one, or is one. */
static enum sfs_rc make_node(const yaml_event_t *event,
                             struct sfs_yaml_node **out, struct sfs_err *err)
{
	struct sfs_yaml_node *node;

	*out = NULL;
	if (event->type == YAML_ALIAS_EVENT)
		return fail(&event->start_mark, "aliases are not supported",
		            err);
	node = sfs_calloc(1, sizeof(*node));
	*out = node;
	if (node == NULL)
		return no_memory(err);
	node->line = (unsigned)event->start_mark.line + 1;
	node->kind = event->type == YAML_SEQUENCE_START_EVENT
	                     ? SFS_YAML_LIST
	                     : SFS_YAML_MAPPING;
	if (event->type != YAML_SCALAR_EVENT)
		return SFS_OK;
	node->kind = SFS_YAML_SCALAR;
	node->is_plain = is_plain(event);
	return copy_scalar(event, &node->text, err);
}

static enum sfs_rc read_items(yaml_parser_t *p, struct sfs_yaml_node *parent,
                              unsigned depth, struct sfs_err *err);

/* The item that an event begins, behind its name in a mapping. */
static enum sfs_rc read_item(yaml_parser_t *p, const yaml_event_t *event,
                             unsigned depth, struct sfs_yaml_node **out,
                             struct sfs_err *err)
{
	enum sfs_rc rc = make_node(event, out, err);

	if (rc == SFS_OK && (*out)->kind != SFS_YAML_SCALAR)
		rc = read_items(p, *out, depth + 1, err);
	return rc;
}

/* The same in a mapping, where event is the name. */
static enum sfs_rc read_member(yaml_parser_t *p, const yaml_event_t *event,
                               unsigned depth, struct sfs_yaml_node **out,
                               struct sfs_err *err)
{
	yaml_event_t value;
	char *name = NULL;
	enum sfs_rc rc;

	if (event->type != YAML_SCALAR_EVENT)
		return fail(&event->start_mark, "a key is not a scalar", err);
	rc = copy_scalar(event, &name, err);
	if (rc != SFS_OK)
		return rc;
	rc = next_event(p, &value, err);
	if (rc == SFS_OK)
		rc = read_item(p, &value, depth, out, err);
	yaml_event_delete(&value);
	if (*out != NULL)
		(*out)->name = name;
	else
		sfs_free(name);
	return rc;
}

/* Behind the start of a list or mapping, to its end. */
static enum sfs_rc read_items(yaml_parser_t *p, struct sfs_yaml_node *parent,
                              unsigned depth, struct sfs_err *err)
{
	struct sfs_yaml_node **at = &parent->first;
	yaml_event_t event;
	bool is_end = false;
	enum sfs_rc rc;

	do {
		rc = next_event(p, &event, err);
		if (rc != SFS_OK)
			return rc;
		is_end = depth_change(event.type) < 0;
		if (!is_end && depth > SFS_YAML_NESTED_MAX)
			rc = fail(&event.start_mark, "nested too deeply", err);
		else if (!is_end && parent->kind == SFS_YAML_MAPPING)
			rc = read_member(p, &event, depth, at, err);
		else if (!is_end)
			rc = read_item(p, &event, depth, at, err);
		yaml_event_delete(&event);
		if (*at != NULL)
			at = &(*at)->next;
	} while (rc == SFS_OK && !is_end);
	return rc;
}

/* --- pairs -------------------------------------------------------------- */

/* Reads the value of key and hands the pair out. */
static enum sfs_rc read_pair(yaml_parser_t *p, const yaml_event_t *key,
                             const struct sink *sink, struct sfs_err *err)
{
	struct sfs_yaml_pair pair = { 0 };
	struct sfs_yaml_node *nested = NULL;
	yaml_event_t event;
	enum sfs_rc rc;

	pair.key = (const char *)key->data.scalar.value;
	pair.line = (unsigned)key->start_mark.line + 1;
	rc = next_event(p, &event, err);
	if (rc != SFS_OK)
		return rc;
	if (event.type == YAML_ALIAS_EVENT) {
		rc = fail(&event.start_mark, "aliases are not supported", err);
	} else if (event.type == YAML_SCALAR_EVENT) {
		rc = check_scalar(&event, err);
		pair.value = (const char *)event.data.scalar.value;
		pair.is_plain = is_plain(&event);
	} else if (sink->wants_nested) {
		rc = read_item(p, &event, 0, &nested, err);
		pair.nested = nested;
	} else {
		rc = skip_nested(p, err);
	}
	if (rc == SFS_OK)
		rc = sink->fn(sink->arg, &pair, err);
	free_nodes(nested);
	yaml_event_delete(&event);
	return rc;
}

/* Behind the start of the outermost mapping, to its end. */
static enum sfs_rc read_mapping(yaml_parser_t *p, const struct sink *sink,
                                struct sfs_err *err)
{
	yaml_event_t event;
	enum sfs_rc rc;
	bool is_end = false;

	do {
		rc = next_event(p, &event, err);
		if (rc != SFS_OK)
			return rc;
		if (event.type == YAML_MAPPING_END_EVENT)
			is_end = true;
		else if (event.type != YAML_SCALAR_EVENT)
			rc = fail(&event.start_mark, "a key is not a scalar",
			          err);
		else
			rc = check_scalar(&event, err);
		if (rc == SFS_OK && !is_end)
			rc = read_pair(p, &event, sink, err);
		yaml_event_delete(&event);
	} while (rc == SFS_OK && !is_end);
	return rc;
}

static bool is_nothing(const yaml_event_t *event)
{
	return event->type == YAML_SCALAR_EVENT &&
	       event->data.scalar.length == 0 &&
	       event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* Behind the start of a document: its one node. */
static enum sfs_rc read_node(yaml_parser_t *p, const struct sink *sink,
                             struct sfs_err *err)
{
	yaml_event_t event;
	enum sfs_rc rc;

	rc = next_event(p, &event, err);
	if (rc != SFS_OK)
		return rc;
	if (event.type == YAML_MAPPING_START_EVENT)
		rc = read_mapping(p, sink, err);
	else if (!is_nothing(&event))
		rc = fail(&event.start_mark, "not a mapping", err);
	yaml_event_delete(&event);
	return rc;
}

/* From the start of the stream to its end, with one document at most. */
static enum sfs_rc read_stream(yaml_parser_t *p, const struct sink *sink,
                               struct sfs_err *err)
{
	bool has_document = false;
	yaml_event_type_t type;
	yaml_event_t event;
	yaml_mark_t at;
	enum sfs_rc rc;

	do {
		rc = next_event(p, &event, err);
		if (rc != SFS_OK)
			return rc;
		type = event.type;
		at = event.start_mark;
		yaml_event_delete(&event);
		if (type != YAML_DOCUMENT_START_EVENT)
			continue;
		if (has_document)
			return fail(&at, "a second document", err);
		has_document = true;
		rc = read_node(p, sink, err);
	} while (rc == SFS_OK && type != YAML_STREAM_END_EVENT);
	return rc;
}

static enum sfs_rc read_text(const char *data, size_t len,
                             const struct sink *sink, struct sfs_err *err)
{
	yaml_parser_t parser;
	enum sfs_rc rc;

	if (!yaml_parser_initialize(&parser))
		return no_memory(err);
	yaml_parser_set_input_string(&parser, (const unsigned char *)data, len);
	rc = read_stream(&parser, sink, err);
	yaml_parser_delete(&parser);
	return rc;
}

enum sfs_rc sfs_yaml_read(const char *data, size_t len, sfs_yaml_fn *fn,
                          void *arg, struct sfs_err *err)
{
	const struct sink sink = { .fn = fn, .arg = arg };

	return read_text(data, len, &sink, err);
}

enum sfs_rc sfs_yaml_read_nested(const char *data, size_t len, sfs_yaml_fn *fn,
                                 void *arg, struct sfs_err *err)
{
	const struct sink sink = { .fn = fn, .arg = arg, .wants_nested = true };

	return read_text(data, len, &sink, err);
}
