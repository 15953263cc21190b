/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flat YAML mappings: pairs in order, nested values marked, or as trees for
 * who asks for them, nothing else.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "config/yaml.h"
#include "unit/tap.h"

static char seen[512];

static enum sfs_rc note(void *arg, const struct sfs_yaml_pair *pair,
                        struct sfs_err *err)
{
	size_t len = strlen(seen);

	(void)arg;
	(void)err;
	(void)snprintf(seen + len, sizeof(seen) - len, "%u:%s=%s%s;",
	               pair->line, pair->key,
	               pair->value != NULL ? pair->value : "(nested)",
	               pair->is_plain ? "" : "'");
	return SFS_OK;
}

static enum sfs_rc refuse(void *arg, const struct sfs_yaml_pair *pair,
                          struct sfs_err *err)
{
	(void)arg;
	(void)note(arg, pair, err);
	return sfs_err_set(err, SFS_E_READ_ONLY, "no %s here", pair->key);
}

/* The pairs of a text, or the code's name. */
static const char *pairs(const char *text)
{
	struct sfs_err err;
	enum sfs_rc rc;

	seen[0] = '\0';
	rc = sfs_yaml_read(text, strlen(text), note, NULL, &err);
	if (rc == SFS_OK)
		return seen;
	HAS_STR(err.msg, "YAML");
	return sfs_rc_name(rc);
}

static void pairs_come_in_order_with_their_lines(void)
{
	IS_STR(pairs("a: 1\n\n# note\nb: x y\n"), "1:a=1;4:b=x y;");
	IS_STR(pairs("{a: 1, b: two}"), "1:a=1;1:b=two;");
}

static void quoted_values_are_not_plain(void)
{
	IS_STR(pairs("a: null\nb: 'null'\nc: \"1\"\nd: !!str 1\n"),
	       "1:a=null;2:b=null';3:c=1';4:d=1';");
	IS_STR(pairs("a: |\n  x\n"), "1:a=x\n';");
}

static void an_absent_value_is_empty(void)
{
	IS_STR(pairs("a:\nb: ''\n"), "1:a=;2:b=';");
}

static void nested_values_are_marked_and_skipped(void)
{
	IS_STR(pairs("a: [1, {x: [2]}]\nb:\n  c:\n    d: 1\ne: 2\n"),
	       "1:a=(nested)';2:b=(nested)';5:e=2;");
}

static void nothing_is_an_empty_mapping(void)
{
	IS_STR(pairs(""), "");
	IS_STR(pairs("# only a comment\n"), "");
	IS_STR(pairs("---\n"), "");
	IS_STR(pairs("{}\n"), "");
}

static void what_is_no_flat_mapping_is_invalid(void)
{
	IS_STR(pairs("just text\n"), "invalid");
	IS_STR(pairs("- a\n- b\n"), "invalid");
	IS_STR(pairs("''\n"), "invalid");
	IS_STR(pairs("a: 1\n---\nb: 2\n"), "invalid");
	IS_STR(pairs("[a]: 1\n"), "invalid");
	IS_STR(pairs("a: 1\n b: 2\n"), "invalid");
	IS_STR(pairs("a: 'x\n"), "invalid");
	IS_STR(pairs("a: {b: 1\n"), "invalid");
	IS_STR(pairs("a: \xff\n"), "invalid");
}

static void deep_nesting_ends(void)
{
	static char text[20000];

	memset(text, '[', sizeof(text) - 1);
	memcpy(text, "a: ", 3);
	IS_STR(pairs(text), "invalid");
}

static void aliases_and_hidden_nuls_are_invalid(void)
{
	IS_STR(pairs("a: &x 1\nb: *x\n"), "invalid");
	IS_STR(pairs("a: \"x\\0y\"\n"), "invalid");
	IS_STR(pairs("\"a\\0\": y\n"), "invalid");
}

static void faults_tell_line_and_column(void)
{
	const char text[] = "a: 1\nb: *x\n";
	struct sfs_err err;

	IS_INT(sfs_yaml_read(text, strlen(text), note, NULL, &err),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "line 2, column 4");
}

static void the_callback_can_end_the_reading(void)
{
	const char text[] = "a: 1\nb: 2\n";
	struct sfs_err err;

	seen[0] = '\0';
	IS_INT(sfs_yaml_read(text, strlen(text), refuse, NULL, &err),
	       SFS_E_READ_ONLY);
	IS_STR(err.msg, "no a here");
	IS_STR(seen, "1:a=1;");
}

/* "[1:a,2:{2:b=c}]": a tree with its lines. */
static void show(const struct sfs_yaml_node *node, struct sfs_buf *out)
{
	sfs_buf_printf(out, "%u:", node->line);
	if (node->name != NULL)
		sfs_buf_printf(out, "%s=", node->name);
	if (node->kind == SFS_YAML_SCALAR) {
		sfs_buf_printf(out, "%s%s", node->text,
		               node->is_plain ? "" : "'");
		return;
	}
	sfs_buf_putc(out, node->kind == SFS_YAML_LIST ? '[' : '{');
	for (const struct sfs_yaml_node *i = node->first; i != NULL;
	     i = i->next) {
		show(i, out);
		sfs_buf_puts(out, i->next != NULL ? "," : "");
	}
	sfs_buf_putc(out, node->kind == SFS_YAML_LIST ? ']' : '}');
}

static enum sfs_rc note_tree(void *arg, const struct sfs_yaml_pair *pair,
                             struct sfs_err *err)
{
	(void)err;
	sfs_buf_printf(arg, "%s ", pair->key);
	OK((pair->value == NULL) == (pair->nested != NULL));
	if (pair->nested != NULL)
		show(pair->nested, arg);
	return SFS_OK;
}

/* The trees of a text, or what is wrong with it. */
static const char *trees(const char *text)
{
	struct sfs_buf out = SFS_BUF_INIT(sizeof(seen) - 1);
	struct sfs_err err;
	enum sfs_rc rc;

	sfs_buf_puts(&out, "");
	rc = sfs_yaml_read_nested(text, strlen(text), note_tree, &out, &err);
	(void)snprintf(seen, sizeof(seen), "%s",
	               rc == SFS_OK ? out.data : err.msg);
	sfs_buf_release(&out);
	return seen;
}

static void nested_values_come_as_trees_to_who_asks(void)
{
	IS_STR(trees("a: [1, 'x',\n  y]\n"), "a 1:[1:1,1:x',2:y]");
	IS_STR(trees("a:\n  b: 1\n  c:\n  - d\n  - {e: f}\nz: 1\n"),
	       "a 2:{2:b=1,4:c=[4:d,5:{5:e=f}]}z ");
	IS_STR(trees("a: []\nb: {}\n"), "a 1:[]b 2:{}");
	IS_STR(trees("a: [[[[1]]]]\n"), "a 1:[1:[1:[1:[1:1]]]]");
}

static void trees_have_the_same_faults_and_an_end(void)
{
	HAS_STR(trees("a: [[[[[1]]]]]\n"), "nested too deeply");
	HAS_STR(trees("a: [1, *x]\n"), "aliases are not supported");
	HAS_STR(trees("a: {b: *x}\n"), "aliases are not supported");
	HAS_STR(trees("a: {[b]: 1}\n"), "a key is not a scalar");
	HAS_STR(trees("a: {b: \"x\\0\"}\n"), "NUL in a value");
	HAS_STR(trees("a:\n- b\n- {c: 1\n"), "YAML, line ");
}

static void memory_that_is_out_ends_a_tree(void)
{
	static const char text[] = "a: {b: [c, {d: e}], f: g}\n";
	struct sfs_buf out = SFS_BUF_INIT(sizeof(seen) - 1);
	unsigned long before, nth;
	struct sfs_err err;
	enum sfs_rc rc;

	for (nth = 1;; nth++) {
		sfs_buf_reset(&out);
		before = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(nth);
		rc = sfs_yaml_read_nested(text, strlen(text), note_tree, &out,
		                          &err);
		sfs_alloc_fail_nth(0);
		if (sfs_alloc_fault_count() == before)
			break;
		OK(rc == SFS_E_NO_MEMORY || out.failed == SFS_E_NO_MEMORY);
		sfs_buf_release(&out);
		out.failed = SFS_OK;
	}
	OK(nth > 10);
	IS_INT(rc, SFS_OK);
	sfs_buf_release(&out);
}

int main(void)
{
	RUN(pairs_come_in_order_with_their_lines);
	RUN(quoted_values_are_not_plain);
	RUN(an_absent_value_is_empty);
	RUN(nested_values_are_marked_and_skipped);
	RUN(nothing_is_an_empty_mapping);
	RUN(what_is_no_flat_mapping_is_invalid);
	RUN(deep_nesting_ends);
	RUN(aliases_and_hidden_nuls_are_invalid);
	RUN(faults_tell_line_and_column);
	RUN(the_callback_can_end_the_reading);
	RUN(nested_values_come_as_trees_to_who_asks);
	RUN(trees_have_the_same_faults_and_an_end);
	RUN(memory_that_is_out_ends_a_tree);
	return tap_done();
}
