/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_LEXER_H
#define SFS_CEL_LEXER_H

#include "cel/cel.h"
#include "cel/pool.h"

/* Words of the source, one by one, and the values of those that are literals. */
enum sfs_cel_token_kind {
	SFS_CEL_TOKEN_END = 0,
	SFS_CEL_TOKEN_NAME,   /* a reserved word, too */
	SFS_CEL_TOKEN_QUOTED, /* `name`: text is what the quotes hold */
	SFS_CEL_TOKEN_INT,    /* without a sign */
	SFS_CEL_TOKEN_UINT,
	SFS_CEL_TOKEN_DOUBLE,
	SFS_CEL_TOKEN_STRING, /* text is what the quotes hold */
	SFS_CEL_TOKEN_BYTES,
	SFS_CEL_TOKEN_TRUE,
	SFS_CEL_TOKEN_FALSE,
	SFS_CEL_TOKEN_NULL,
	SFS_CEL_TOKEN_IN,
	SFS_CEL_TOKEN_OR,
	SFS_CEL_TOKEN_AND,
	SFS_CEL_TOKEN_EQUAL,
	SFS_CEL_TOKEN_UNEQUAL,
	SFS_CEL_TOKEN_LESS,
	SFS_CEL_TOKEN_LESS_EQUAL,
	SFS_CEL_TOKEN_GREATER,
	SFS_CEL_TOKEN_GREATER_EQUAL,
	SFS_CEL_TOKEN_PLUS,
	SFS_CEL_TOKEN_MINUS,
	SFS_CEL_TOKEN_STAR,
	SFS_CEL_TOKEN_SLASH,
	SFS_CEL_TOKEN_PERCENT,
	SFS_CEL_TOKEN_NOT,
	SFS_CEL_TOKEN_QUESTION,
	SFS_CEL_TOKEN_COLON,
	SFS_CEL_TOKEN_DOT,
	SFS_CEL_TOKEN_COMMA,
	SFS_CEL_TOKEN_PAREN_BEGIN,
	SFS_CEL_TOKEN_PAREN_END,
	SFS_CEL_TOKEN_BRACKET_BEGIN,
	SFS_CEL_TOKEN_BRACKET_END,
	SFS_CEL_TOKEN_BRACE_BEGIN,
	SFS_CEL_TOKEN_BRACE_END,
};

struct sfs_cel_token {
	enum sfs_cel_token_kind kind;
	bool is_raw;              /* STRING, BYTES: no escapes */
	uint32_t offset;          /* in the source: bytes */
	uint32_t len;             /* with quotes and prefix */
	struct sfs_cel_text text; /* borrowed from the source */
};

/* The source is valid UTF-8 of at most SFS_CEL_TEXT_MAX_BYTES, and a NUL. */
struct sfs_cel_lexer {
	struct sfs_cel_text source;
	uint32_t pos;
};

/* INVALID: no word of the language begins here, or a string has no end. */
enum sfs_rc sfs_cel_lexer_next(struct sfs_cel_lexer *lexer,
                               struct sfs_cel_token *out,
                               struct sfs_err *err) SFS_NODISCARD;

/* as, break ...: no name of a variable or a function. */
bool sfs_cel_is_reserved(struct sfs_cel_text name);

/*
 * The value of INT, UINT or DOUBLE; a minus in front of the first and the last
 * belongs to it, since only so the least int can be written. INVALID: it does
 * not fit.
 */
enum sfs_rc sfs_cel_literal_number(struct sfs_cel_text source,
                                   const struct sfs_cel_token *token,
                                   bool is_negative, struct sfs_cel_value *out,
                                   struct sfs_err *err) SFS_NODISCARD;

/*
 * The value of STRING or BYTES, in the pool. Ends of lines read as LF, as
 * upstream has them. INVALID: no escape, no code point. NO_MEMORY.
 */
enum sfs_rc sfs_cel_literal_text(struct sfs_cel_text source,
                                 const struct sfs_cel_token *token,
                                 struct sfs_cel_pool *pool,
                                 struct sfs_cel_value *out,
                                 struct sfs_err *err) SFS_NODISCARD;

#endif
