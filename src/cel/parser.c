/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From words to a tree, by recursive descent (cel-spec, doc/langdef.md,
 * "Syntax"). Two depths are bounded, so that neither this nor what walks the
 * tree later overflows a stack: how deep expressions stand in each other, and
 * how deep the tree becomes, which a long chain of operators does as well.
 * Chains of && and || become balanced trees, and may be as long as they like.
 */
#include "cel/parser.h"

#include "base/alloc.h"

#include <string.h>

enum { SHOWN_BYTES = 32 }; /* of a word, in a message */

/* Says what was expected instead of the next word. */
static enum sfs_rc unexpected(struct sfs_cel_parser *p, const char *expected)
{
	const struct sfs_cel_token *t = &p->token;
	const char *text = p->lexer.source.data + t->offset;
	size_t shown = t->len;

	if (t->kind == SFS_CEL_TOKEN_END)
		return sfs_cel_refuse(
			p->lexer.source, t->offset, p->err,
			"the expression ends where %s is expected", expected);
	if (shown > SHOWN_BYTES) {
		shown = SHOWN_BYTES;
		while (shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80)
			shown--;
	}
	return sfs_cel_refuse(p->lexer.source, t->offset, p->err,
	                      "%s is expected, not %.*s%s", expected,
	                      (int)shown, text, shown < t->len ? "..." : "");
}

static enum sfs_rc advance(struct sfs_cel_parser *p)
{
	return sfs_cel_lexer_next(&p->lexer, &p->token, p->err);
}

/* Steps over a word that must be there. */
static enum sfs_rc expect(struct sfs_cel_parser *p,
                          enum sfs_cel_token_kind kind, const char *what)
{
	if (p->token.kind != kind)
		return unexpected(p, what);
	return advance(p);
}

static enum sfs_rc parse_expression(struct sfs_cel_parser *p,
                                    struct sfs_cel_node **out);

/* Expressions with commas between; they wait. Stops before what follows. */
static enum sfs_rc parse_arguments(struct sfs_cel_parser *p)
{
	struct sfs_cel_node *n;
	enum sfs_rc rc;

	if (p->token.kind == SFS_CEL_TOKEN_PAREN_END)
		return SFS_OK;
	for (;;) {
		rc = parse_expression(p, &n);
		if (rc == SFS_OK)
			rc = sfs_cel_parser_push(p, n, 0);
		if (rc != SFS_OK || p->token.kind != SFS_CEL_TOKEN_COMMA)
			return rc;
		rc = advance(p);
		if (rc != SFS_OK)
			return rc;
	}
}

/* From "(" to ")": target waits first, if there is one. */
static enum sfs_rc parse_call(struct sfs_cel_parser *p,
                              const struct sfs_cel_token *name,
                              struct sfs_cel_node *target,
                              struct sfs_cel_node **out)
{
	const size_t base = p->count;
	enum sfs_rc rc;

	rc = advance(p);
	if (rc == SFS_OK && target != NULL)
		rc = sfs_cel_parser_push(p, target, 0);
	if (rc == SFS_OK)
		rc = parse_arguments(p);
	if (rc == SFS_OK)
		rc = expect(p, SFS_CEL_TOKEN_PAREN_END, "',' or ')'");
	if (rc == SFS_OK)
		rc = sfs_cel_parser_take(p,
		                         target != NULL ? SFS_CEL_NODE_METHOD
		                                        : SFS_CEL_NODE_CALL,
		                         name->offset, base, out);
	if (rc == SFS_OK)
		(*out)->name = name->text;
	return rc;
}

/* Message literals are CEL, but have no meaning here. */
static enum sfs_rc refuse_message(struct sfs_cel_parser *p,
                                  const struct sfs_cel_node *n)
{
	if (p->token.kind != SFS_CEL_TOKEN_BRACE_BEGIN)
		return SFS_OK;
	while (n->kind == SFS_CEL_NODE_SELECT)
		n = n->children[0];
	if (n->kind != SFS_CEL_NODE_NAME)
		return SFS_OK;
	return sfs_cel_refuse(p->lexer.source, p->token.offset, p->err,
	                      "protobuf messages are not supported");
}

static enum sfs_rc parse_name(struct sfs_cel_parser *p, bool is_rooted,
                              struct sfs_cel_node **out)
{
	const struct sfs_cel_token name = p->token;
	enum sfs_rc rc;

	if (sfs_cel_is_reserved(name.text))
		return sfs_cel_refuse(p->lexer.source, name.offset, p->err,
		                      "'%.*s' is a reserved word",
		                      (int)name.text.len, name.text.data);
	rc = advance(p);
	if (rc != SFS_OK)
		return rc;
	if (p->token.kind == SFS_CEL_TOKEN_PAREN_BEGIN) {
		rc = parse_call(p, &name, NULL, out);
		if (rc == SFS_OK && !is_rooted)
			return sfs_cel_macro_call(p, *out);
	} else {
		rc = sfs_cel_parser_leaf(p, SFS_CEL_NODE_NAME, name.offset,
		                         out);
		if (rc == SFS_OK)
			(*out)->name = name.text;
	}
	if (rc == SFS_OK)
		(*out)->is_rooted = is_rooted;
	return rc;
}

static enum sfs_rc parse_rooted(struct sfs_cel_parser *p,
                                struct sfs_cel_node **out)
{
	enum sfs_rc rc = advance(p);

	if (rc != SFS_OK)
		return rc;
	if (p->token.kind != SFS_CEL_TOKEN_NAME)
		return unexpected(p, "a name");
	return parse_name(p, true, out);
}

static enum sfs_rc parse_parenthesis(struct sfs_cel_parser *p,
                                     struct sfs_cel_node **out)
{
	enum sfs_rc rc = advance(p);

	if (rc == SFS_OK)
		rc = parse_expression(p, out);
	if (rc == SFS_OK)
		rc = expect(p, SFS_CEL_TOKEN_PAREN_END, "an operator or ')'");
	return rc;
}

/* One item of a list, or a key and its value; waits. */
static enum sfs_rc parse_entry(struct sfs_cel_parser *p, bool is_map)
{
	struct sfs_cel_node *n;
	enum sfs_rc rc;

	rc = parse_expression(p, &n);
	if (rc == SFS_OK)
		rc = sfs_cel_parser_push(p, n, 0);
	if (rc != SFS_OK || !is_map)
		return rc;
	rc = expect(p, SFS_CEL_TOKEN_COLON, "':' and the value of the key");
	if (rc == SFS_OK)
		rc = parse_expression(p, &n);
	return rc == SFS_OK ? sfs_cel_parser_push(p, n, 0) : rc;
}

/* Up to end; the last entry may have a comma, and so may none at all. */
static enum sfs_rc parse_entries(struct sfs_cel_parser *p, bool is_map,
                                 enum sfs_cel_token_kind end)
{
	enum sfs_rc rc = advance(p);

	while (rc == SFS_OK && p->token.kind != end &&
	       p->token.kind != SFS_CEL_TOKEN_COMMA) {
		rc = parse_entry(p, is_map);
		if (rc != SFS_OK || p->token.kind != SFS_CEL_TOKEN_COMMA)
			break;
		rc = advance(p);
		if (rc == SFS_OK && p->token.kind == SFS_CEL_TOKEN_COMMA)
			return unexpected(p, "an expression");
		if (rc != SFS_OK || p->token.kind == end)
			return rc == SFS_OK ? advance(p) : rc;
	}
	if (rc == SFS_OK && p->token.kind == SFS_CEL_TOKEN_COMMA)
		rc = advance(p);
	if (rc != SFS_OK)
		return rc;
	return expect(p, end, is_map ? "',' or '}'" : "',' or ']'");
}

static enum sfs_rc parse_container(struct sfs_cel_parser *p,
                                   struct sfs_cel_node **out)
{
	const bool is_map = p->token.kind == SFS_CEL_TOKEN_BRACE_BEGIN;
	const uint32_t offset = p->token.offset;
	const size_t base = p->count;
	enum sfs_rc rc;

	rc = parse_entries(p, is_map,
	                   is_map ? SFS_CEL_TOKEN_BRACE_END
	                          : SFS_CEL_TOKEN_BRACKET_END);
	if (rc != SFS_OK)
		return rc;
	return sfs_cel_parser_take(
		p, is_map ? SFS_CEL_NODE_MAP : SFS_CEL_NODE_LIST, offset, base,
		out);
}

static enum sfs_rc set_literal(struct sfs_cel_parser *p, bool is_negative,
                               struct sfs_cel_value *out)
{
	const struct sfs_cel_text source = p->lexer.source;
	const struct sfs_cel_token *t = &p->token;

	if (t->kind == SFS_CEL_TOKEN_INT || t->kind == SFS_CEL_TOKEN_UINT ||
	    t->kind == SFS_CEL_TOKEN_DOUBLE)
		return sfs_cel_literal_number(source, t, is_negative, out,
		                              p->err);
	if (t->kind == SFS_CEL_TOKEN_STRING || t->kind == SFS_CEL_TOKEN_BYTES)
		return sfs_cel_literal_text(source, t, p->pool, out, p->err);
	if (t->kind == SFS_CEL_TOKEN_NULL) {
		out->kind = SFS_CEL_NULL;
		return SFS_OK;
	}
	if (t->kind != SFS_CEL_TOKEN_TRUE && t->kind != SFS_CEL_TOKEN_FALSE)
		return unexpected(p, "an expression");
	out->kind = SFS_CEL_BOOL;
	out->as.boolean = t->kind == SFS_CEL_TOKEN_TRUE;
	return SFS_OK;
}

static enum sfs_rc parse_literal(struct sfs_cel_parser *p, bool is_negative,
                                 struct sfs_cel_node **out)
{
	enum sfs_rc rc;

	rc = sfs_cel_parser_leaf(p, SFS_CEL_NODE_LITERAL, p->token.offset, out);
	if (rc == SFS_OK)
		rc = set_literal(p, is_negative, &(*out)->literal);
	return rc == SFS_OK ? advance(p) : rc;
}

static enum sfs_rc parse_primary(struct sfs_cel_parser *p, bool is_negative,
                                 struct sfs_cel_node **out)
{
	if (p->token.kind == SFS_CEL_TOKEN_NAME)
		return parse_name(p, false, out);
	if (p->token.kind == SFS_CEL_TOKEN_DOT)
		return parse_rooted(p, out);
	if (p->token.kind == SFS_CEL_TOKEN_PAREN_BEGIN)
		return parse_parenthesis(p, out);
	if (p->token.kind == SFS_CEL_TOKEN_BRACKET_BEGIN ||
	    p->token.kind == SFS_CEL_TOKEN_BRACE_BEGIN)
		return parse_container(p, out);
	return parse_literal(p, is_negative, out);
}

/* Behind the dot: target.name or target.name(...) */
static enum sfs_rc parse_select(struct sfs_cel_parser *p,
                                struct sfs_cel_node *target,
                                struct sfs_cel_node **out)
{
	const struct sfs_cel_token name = p->token;
	enum sfs_rc rc;

	if (name.kind != SFS_CEL_TOKEN_NAME &&
	    name.kind != SFS_CEL_TOKEN_QUOTED)
		return unexpected(p, "the name of a field or a function");
	rc = advance(p);
	if (rc == SFS_OK && name.kind == SFS_CEL_TOKEN_NAME &&
	    p->token.kind == SFS_CEL_TOKEN_PAREN_BEGIN) {
		rc = parse_call(p, &name, target, out);
		return rc == SFS_OK ? sfs_cel_macro_method(p, *out) : rc;
	}
	if (rc == SFS_OK)
		rc = sfs_cel_parser_join(p, SFS_CEL_NODE_SELECT, name.offset,
		                         target, NULL, out);
	if (rc == SFS_OK)
		(*out)->name = name.text;
	return rc;
}

static enum sfs_rc parse_index(struct sfs_cel_parser *p, uint32_t offset,
                               struct sfs_cel_node *target,
                               struct sfs_cel_node **out)
{
	struct sfs_cel_node *index;
	enum sfs_rc rc;

	rc = parse_expression(p, &index);
	if (rc == SFS_OK)
		rc = expect(p, SFS_CEL_TOKEN_BRACKET_END, "']'");
	if (rc == SFS_OK)
		rc = sfs_cel_parser_operate(p, "_[_]", offset, target, index,
		                            out);
	return rc;
}

/* is_negative: a minus stood before the literal that comes next. */
static enum sfs_rc parse_member(struct sfs_cel_parser *p, bool is_negative,
                                struct sfs_cel_node **out)
{
	struct sfs_cel_token t;
	enum sfs_rc rc;

	rc = parse_primary(p, is_negative, out);
	while (rc == SFS_OK) {
		t = p->token;
		if (t.kind != SFS_CEL_TOKEN_DOT &&
		    t.kind != SFS_CEL_TOKEN_BRACKET_BEGIN)
			return refuse_message(p, *out);
		rc = advance(p);
		if (rc == SFS_OK && t.kind == SFS_CEL_TOKEN_DOT)
			rc = parse_select(p, *out, out);
		else if (rc == SFS_OK)
			rc = parse_index(p, t.offset, *out, out);
	}
	return rc;
}

/* Wraps what is parsed in the operators whose places wait. */
static enum sfs_rc apply_prefixes(struct sfs_cel_parser *p, const char *name,
                                  size_t base, struct sfs_cel_node **out)
{
	enum sfs_rc rc = SFS_OK;
	uint32_t offset;

	while (rc == SFS_OK && p->count > base) {
		offset = p->waiting[--p->count].offset;
		rc = sfs_cel_parser_operate(p, name, offset, *out, NULL, out);
	}
	return rc;
}

/* A run of ! or of -, whose last one belongs to a number. */
static enum sfs_rc parse_unary(struct sfs_cel_parser *p,
                               struct sfs_cel_node **out)
{
	const enum sfs_cel_token_kind prefix = p->token.kind;
	const bool is_minus = prefix == SFS_CEL_TOKEN_MINUS;
	const size_t base = p->count;
	bool is_negative = false;
	enum sfs_rc rc = SFS_OK;

	if (prefix != SFS_CEL_TOKEN_NOT && !is_minus)
		return parse_member(p, false, out);
	while (rc == SFS_OK && p->token.kind == prefix) {
		rc = sfs_cel_parser_push(p, NULL, p->token.offset);
		if (rc == SFS_OK)
			rc = advance(p);
	}
	if (rc != SFS_OK)
		return rc;
	if (is_minus && (p->token.kind == SFS_CEL_TOKEN_INT ||
	                 p->token.kind == SFS_CEL_TOKEN_DOUBLE)) {
		is_negative = true;
		p->count--;
	}
	rc = parse_member(p, is_negative, out);
	if (rc != SFS_OK)
		return rc;
	return apply_prefixes(p, is_minus ? "-_" : "!_", base, out);
}

/* By the token; higher levels bind tighter, 0 is no binary operator. */
static const struct {
	int level;
	const char *name;
} binary_operators[SFS_CEL_TOKEN_BRACE_END + 1] = {
	[SFS_CEL_TOKEN_EQUAL] = { 1, "_==_" },
	[SFS_CEL_TOKEN_UNEQUAL] = { 1, "_!=_" },
	[SFS_CEL_TOKEN_LESS] = { 1, "_<_" },
	[SFS_CEL_TOKEN_LESS_EQUAL] = { 1, "_<=_" },
	[SFS_CEL_TOKEN_GREATER] = { 1, "_>_" },
	[SFS_CEL_TOKEN_GREATER_EQUAL] = { 1, "_>=_" },
	[SFS_CEL_TOKEN_IN] = { 1, "@in" },
	[SFS_CEL_TOKEN_PLUS] = { 2, "_+_" },
	[SFS_CEL_TOKEN_MINUS] = { 2, "_-_" },
	[SFS_CEL_TOKEN_STAR] = { 3, "_*_" },
	[SFS_CEL_TOKEN_SLASH] = { 3, "_/_" },
	[SFS_CEL_TOKEN_PERCENT] = { 3, "_%_" },
};

/* All operators of at least that level; those of one chain to the left. */
static enum sfs_rc parse_binary(struct sfs_cel_parser *p, int level,
                                struct sfs_cel_node **out)
{
	enum sfs_cel_token_kind kind;
	struct sfs_cel_node *right;
	uint32_t offset;
	enum sfs_rc rc;

	rc = parse_unary(p, out);
	while (rc == SFS_OK && binary_operators[p->token.kind].level >= level) {
		kind = p->token.kind;
		offset = p->token.offset;
		rc = advance(p);
		if (rc == SFS_OK)
			rc = parse_binary(p, binary_operators[kind].level + 1,
			                  &right);
		if (rc == SFS_OK)
			rc = sfs_cel_parser_operate(p,
			                            binary_operators[kind].name,
			                            offset, *out, right, out);
	}
	return rc;
}

/* The terms that wait from begin to end, as a tree of the least depth. */
static enum sfs_rc balance(struct sfs_cel_parser *p,
                           enum sfs_cel_node_kind kind, size_t begin,
                           size_t end, struct sfs_cel_node **out)
{
	const size_t middle = begin + (end - begin) / 2;
	const uint32_t offset = p->waiting[middle].offset;
	struct sfs_cel_node *left;
	struct sfs_cel_node *right;
	enum sfs_rc rc;

	if (end - begin == 1) {
		*out = p->waiting[begin].node;
		return SFS_OK;
	}
	rc = balance(p, kind, begin, middle, &left);
	if (rc == SFS_OK)
		rc = balance(p, kind, middle, end, &right);
	return rc == SFS_OK
	               ? sfs_cel_parser_join(p, kind, offset, left, right, out)
	               : rc;
}

/* Terms with || between, or with &&. */
static enum sfs_rc parse_logic(struct sfs_cel_parser *p, bool is_or,
                               struct sfs_cel_node **out)
{
	const enum sfs_cel_token_kind between =
		is_or ? SFS_CEL_TOKEN_OR : SFS_CEL_TOKEN_AND;
	const size_t base = p->count;
	uint32_t offset = 0;
	enum sfs_rc rc;

	for (;;) {
		rc = is_or ? parse_logic(p, false, out)
		           : parse_binary(p, 1, out);
		if (rc != SFS_OK ||
		    (p->token.kind != between && p->count == base))
			return rc;
		rc = sfs_cel_parser_push(p, *out, offset);
		if (rc != SFS_OK || p->token.kind != between)
			break;
		offset = p->token.offset;
		rc = advance(p);
		if (rc != SFS_OK)
			return rc;
	}
	if (rc == SFS_OK)
		rc = balance(p, is_or ? SFS_CEL_NODE_OR : SFS_CEL_NODE_AND,
		             base, p->count, out);
	p->count = base;
	return rc;
}

/* Behind the question mark; the condition waits. */
static enum sfs_rc parse_branches(struct sfs_cel_parser *p)
{
	struct sfs_cel_node *n;
	enum sfs_rc rc;

	rc = parse_logic(p, true, &n);
	if (rc == SFS_OK)
		rc = sfs_cel_parser_push(p, n, 0);
	if (rc == SFS_OK)
		rc = expect(p, SFS_CEL_TOKEN_COLON, "an operator or ':'");
	if (rc == SFS_OK)
		rc = parse_expression(p, &n);
	return rc == SFS_OK ? sfs_cel_parser_push(p, n, 0) : rc;
}

static enum sfs_rc parse_condition(struct sfs_cel_parser *p,
                                   struct sfs_cel_node **out)
{
	const size_t base = p->count;
	uint32_t offset;
	enum sfs_rc rc;

	rc = parse_logic(p, true, out);
	if (rc != SFS_OK || p->token.kind != SFS_CEL_TOKEN_QUESTION)
		return rc;
	offset = p->token.offset;
	rc = sfs_cel_parser_push(p, *out, 0);
	if (rc == SFS_OK)
		rc = advance(p);
	if (rc == SFS_OK)
		rc = parse_branches(p);
	if (rc == SFS_OK)
		rc = sfs_cel_parser_take(p, SFS_CEL_NODE_CONDITION, offset,
		                         base, out);
	return rc;
}

static enum sfs_rc parse_expression(struct sfs_cel_parser *p,
                                    struct sfs_cel_node **out)
{
	enum sfs_rc rc;

	if (p->depth == SFS_CEL_DEPTH_MAX)
		return sfs_cel_parser_too_deep(p, p->token.offset);
	p->depth++;
	rc = parse_condition(p, out);
	p->depth--;
	return rc;
}

static enum sfs_rc parse_all(struct sfs_cel_parser *p,
                             struct sfs_cel_node **out)
{
	enum sfs_rc rc = advance(p);

	if (rc == SFS_OK)
		rc = parse_expression(p, out);
	if (rc == SFS_OK && p->token.kind != SFS_CEL_TOKEN_END)
		rc = unexpected(p, "an operator or the end");
	return rc;
}

enum sfs_rc sfs_cel_parse(const char *text, size_t len,
                          struct sfs_cel_tree *out, struct sfs_err *err)
{
	struct sfs_cel_parser p = { .err = err };
	enum sfs_rc rc;

	rc = sfs_cel_tree_begin(out, text, len, err);
	if (rc == SFS_OK) {
		p.lexer.source = out->source;
		p.pool = out->pool;
		rc = parse_all(&p, &out->root);
	}
	sfs_free(p.waiting);
	if (rc != SFS_OK)
		sfs_cel_tree_release(out);
	return rc;
}
