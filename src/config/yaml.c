/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subset of YAML that configuration files and run records use, over
 * libyaml's events: nothing is built in memory, nested values are walked
 * over, and aliases, which can make a small text huge, are refused.
 */
#include "config/yaml.h"

#include <string.h>
#include <yaml.h>

/* libyaml's work grows with the square of the depth. */
enum { DEPTH_MAX = 64 };

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

/* Reads the value of key and hands the pair out. */
static enum sfs_rc read_pair(yaml_parser_t *p, const yaml_event_t *key,
                             sfs_yaml_fn *fn, void *arg, struct sfs_err *err)
{
	struct sfs_yaml_pair pair = { 0 };
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
		pair.is_plain =
			event.data.scalar.plain_implicit &&
			event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	} else {
		rc = skip_nested(p, err);
	}
	if (rc == SFS_OK)
		rc = fn(arg, &pair, err);
	yaml_event_delete(&event);
	return rc;
}

/* Behind the start of the outermost mapping, to its end. */
static enum sfs_rc read_mapping(yaml_parser_t *p, sfs_yaml_fn *fn, void *arg,
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
			rc = read_pair(p, &event, fn, arg, err);
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
static enum sfs_rc read_node(yaml_parser_t *p, sfs_yaml_fn *fn, void *arg,
                             struct sfs_err *err)
{
	yaml_event_t event;
	enum sfs_rc rc;

	rc = next_event(p, &event, err);
	if (rc != SFS_OK)
		return rc;
	if (event.type == YAML_MAPPING_START_EVENT)
		rc = read_mapping(p, fn, arg, err);
	else if (!is_nothing(&event))
		rc = fail(&event.start_mark, "not a mapping", err);
	yaml_event_delete(&event);
	return rc;
}

/* From the start of the stream to its end, with one document at most. */
static enum sfs_rc read_stream(yaml_parser_t *p, sfs_yaml_fn *fn, void *arg,
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
		rc = read_node(p, fn, arg, err);
	} while (rc == SFS_OK && type != YAML_STREAM_END_EVENT);
	return rc;
}

enum sfs_rc sfs_yaml_read(const char *data, size_t len, sfs_yaml_fn *fn,
                          void *arg, struct sfs_err *err)
{
	yaml_parser_t parser;
	enum sfs_rc rc;

	if (!yaml_parser_initialize(&parser))
		return sfs_err_set(err, SFS_E_NO_MEMORY, "YAML: out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)data, len);
	rc = read_stream(&parser, fn, arg, err);
	yaml_parser_delete(&parser);
	return rc;
}
