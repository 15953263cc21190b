# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # what tests/bench/run and lib.bash set
#
# The measure "cel" of tests/bench/run: what evaluating an expression costs,
# beside cel-expr-python, with which shardyfusion does that.

cel_evaluations=20000000
upstream_evaluations=100000
cel_python=${SFS_CEL_PYTHON:-python3}

# cel_round CONTENDER COMMAND...: its lines "NAME VALUE" become samples.
cel_round() {
	local contender=$1 answer name value

	shift
	answer=$(within "$@") || die "$* failed"
	while read -r name value; do
		[[ $name == compile ]] || value=$(calc "$value / 1000000")
		record "cel-$name-$contender" "$value"
	done <<<"$answer"
}

# cel_row MEASURE LABEL GOAL VERDICT
cel_row() {
	local name=$1 upstream='' ratio=''

	if ((has_upstream)); then
		upstream=$(spread "cel-$name-upstream" 3)
		ratio=$(ratios "cel-$name-shardyfs" "cel-$name-upstream")
	fi
	row "$2" "$(spread "cel-$name-shardyfs" 2)" "$upstream" "$ratio" \
		"$3" "$4"
}

measure_cel() {
	local round has_upstream=1

	printf '\n### cel: expressions that route\n\n'
	printf '1 thread, %d evaluations of each, %d rounds.\n' \
		"$cel_evaluations" "$rounds"
	if ! "$cel_python" -c 'import cel_expr_python' 2>/dev/null; then
		has_upstream=0
		skip 'cel-expr-python (SFS_CEL_PYTHON must be a python3 that' \
			'has it)'
	fi
	for ((round = 0; round < rounds; round++)); do
		say "cel: round $((round + 1))"
		cel_round shardyfs "$build/tests/bench/celrate" \
			"$cel_evaluations"
		((has_upstream == 0)) || cel_round upstream "$cel_python" \
			"$top/tests/bench/celrate.py" "$upstream_evaluations"
	done
	header measure shardyfs cel-expr-python ratio goal ''
	# shellcheck disable=SC2016 # Markdown
	cel_row hash \
		'`shard_hash(region + ":" + string(id)) % 64u`, millions/s' \
		'>= 10' "$(verdict "$(median "$work/samples/cel-hash-shardyfs")" \
			at-least 10)"
	# shellcheck disable=SC2016
	cel_row modulo '`key % 16`, millions/s' '>= 10' \
		"$(verdict "$(median "$work/samples/cel-modulo-shardyfs")" \
			at-least 10)"
	cel_row ranges '1,000 ranges, a balanced tree of ?:, millions/s' '' ''
	cel_row compile 'the same, compiled once, µs' '<= 1000' \
		"$(verdict "$(median "$work/samples/cel-compile-shardyfs")" \
			at-most 1000)"
}
