/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_COMPILE_H
#define SFS_CEL_COMPILE_H

#include "cel/check.h"
#include "cel/program.h"

/* Between the files of the compiler. */
struct sfs_cel_compiler {
	const struct sfs_cel_env *env;
	struct sfs_cel_program *p;
	size_t cap;
	size_t handler_cap;
	const struct sfs_cel_scope *scope;
	struct sfs_cel_lookup lookup;
	struct sfs_cel_text *names; /* of variables, once they are used */
	uint32_t handler;           /* of the operations that are added now */
	enum sfs_rc failed;         /* adding goes on, to no avail */
	struct sfs_cel_op lost;     /* what is added then */
	struct sfs_err *err;
};

/* Adds an operation at a node's place. Valid until the next is added. */
struct sfs_cel_op *sfs_cel_emit(struct sfs_cel_compiler *c, sfs_cel_exec *exec,
                                const struct sfs_cel_node *n, uint32_t slot);

/* A handler that is not set yet; its index + 1. Then: where it goes on. */
uint32_t sfs_cel_emit_handler(struct sfs_cel_compiler *c, uint32_t slot);
void sfs_cel_emit_handled(struct sfs_cel_compiler *c, uint32_t handler);

/* Makes the jump added at that index go to what is added next. */
void sfs_cel_emit_land(struct sfs_cel_compiler *c, size_t jump);

void sfs_cel_emit_fail(struct sfs_cel_compiler *c, enum sfs_rc rc);

/* A copy that lives as long as the program. */
struct sfs_cel_text sfs_cel_emit_text(struct sfs_cel_compiler *c,
                                      struct sfs_cel_text text);

/* The value of a node, at slot. */
void sfs_cel_emit_node(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                       uint32_t slot);
void sfs_cel_emit_call(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                       uint32_t slot);
void sfs_cel_emit_macro(struct sfs_cel_compiler *c,
                        const struct sfs_cel_node *n, uint32_t slot);

#endif
