#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Nothing is lost and nothing is mixed: daemons that are killed, system calls
# that fail, disks that are full, and random operations against a model.

# shellcheck disable=SC2034,SC2154
load helpers

FAILIO=$SFS_BUILD/tests/tools/failio.so
COMMAND_SECONDS=600

setup() {
	require fuse
	dir=$(mktemp -d "$BATS_TEST_TMPDIR/work-XXXX")
}

teardown() {
	local place

	while read -r place; do
		fusermount3 -uz "$place"
	done < <(awk -v top="$dir" 'index($5, top) == 1 { print $5 }' \
		/proc/self/mountinfo)
}

# sweep ERRNO: with the sanitizer's library in front, where there is one.
sweep() {
	local asan

	asan=$(ldd "$SHARDYFS" | awk '/libasan/ { print $3 }')
	run python sweep.py "$SHARDYFS" "${asan:+$asan:}$FAILIO" "$dir" "$1"
	echo "$output"
	((status == 0))
}

@test "what was acknowledged survives kill -9 at any moment, 20 times" {
	run python crash.py "$SHARDYFS" "$dir" 20 "$RANDOM"
	echo "$output"
	((status == 0))
	[[ $output == *'nothing lost'* ]]
}

@test "every failing system call of a publish leaves all intact: EIO" {
	sweep EIO
}

@test "every failing system call of a publish leaves all intact: ENOSPC" {
	sweep ENOSPC
}

@test "every failing system call of a publish leaves all intact: EDQUOT" {
	sweep EDQUOT
}

@test "a staging area that fills up gives ENOSPC, and goes on when freed" {
	require root
	mkdir "$dir/small"
	mount -t tmpfs -o size=24m none "$dir/small"
	run python full.py "$SHARDYFS" "$dir/small" "$dir/work"
	umount -l "$dir/small"
	echo "$output"
	((status == 0))
}

@test "random operations publish what a model says, 1000 sequences" {
	run python property.py "$SHARDYFS" "$dir" \
		"${SFS_PROPERTY_SEQUENCES:-1000}" "$RANDOM"
	echo "$output"
	((status == 0))
}
