/* SPDX-License-Identifier: Apache-2.0 */
/*
 * matches(): RE2 behind functions of C, the only C++ here. RE2 is what CEL
 * names, it takes time linear in the text, and its memory has a limit, so
 * that patterns may be hostile. No exception leaves this file.
 */
#include <re2/re2.h>

#include <new>
#include <string>

extern "C" {
#include "cel/functions.h"
}

namespace
{
/*
 * For a program of some 8000 instructions and the states that a search keeps.
 * A pattern that takes more is refused after some 10 ms.
 */
const int64_t MEMORY_MAX_BYTES = 512 << 10;
/* Measured: at worst 50 ns an instruction and byte. */
const size_t INSTRUCTIONS_PER_STEP = 4;
const size_t PATTERN_MAX_BYTES = 16 << 10;
const size_t SHOWN_BYTES = 80;
}

struct sfs_cel_regex {
	re2::RE2 re;

	sfs_cel_regex(re2::StringPiece pattern, const re2::RE2::Options &options)
		: re(pattern, options)
	{
	}
};

static enum sfs_rc out_of_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY,
	                   "no memory for a regular expression");
}

static enum sfs_rc make(struct sfs_cel_text pattern, struct sfs_cel_regex **out,
                        struct sfs_err *err)
{
	re2::RE2::Options options;
	struct sfs_cel_regex *made;
	enum sfs_rc rc = SFS_OK;

	options.set_log_errors(false);
	options.set_max_mem(MEMORY_MAX_BYTES);
	made = new sfs_cel_regex(re2::StringPiece(pattern.data, pattern.len),
	                         options);
	if (made->re.ok()) {
		*out = made;
		return SFS_OK;
	}
	rc = sfs_err_set(err, SFS_E_INVALID,
	                 "not a regular expression of RE2: %.*s",
	                 (int)SHOWN_BYTES, made->re.error().c_str());
	delete made;
	return rc;
}

extern "C" enum sfs_rc sfs_cel_regex_new(struct sfs_cel_text pattern,
                                         struct sfs_cel_regex **out,
                                         struct sfs_err *err)
{
	*out = nullptr;
	if (pattern.len > PATTERN_MAX_BYTES)
		return sfs_err_set(err, SFS_E_TOO_BIG,
		                   "a regular expression of %zu bytes; the "
		                   "most is %zu",
		                   pattern.len, PATTERN_MAX_BYTES);
	try {
		return make(pattern, out, err);
	} catch (const std::bad_alloc &) {
		return out_of_memory(err);
	}
}

extern "C" void sfs_cel_regex_free(struct sfs_cel_regex *r)
{
	delete r;
}

extern "C" size_t sfs_cel_regex_cost(const struct sfs_cel_regex *r,
                                     struct sfs_cel_text text)
{
	const size_t size = r->re.ProgramSize();

	if (text.len > SFS_CEL_STEPS_MAX)
		return text.len;
	return text.len * size / INSTRUCTIONS_PER_STEP;
}

extern "C" enum sfs_rc sfs_cel_regex_search(const struct sfs_cel_regex *r,
                                            struct sfs_cel_text text,
                                            bool *found_out,
                                            struct sfs_err *err)
{
	try {
		*found_out = re2::RE2::PartialMatch(
			re2::StringPiece(text.data, text.len), r->re);
		return SFS_OK;
	} catch (const std::bad_alloc &) {
		*found_out = false;
		return out_of_memory(err);
	}
}
