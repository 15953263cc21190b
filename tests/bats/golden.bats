#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Stores of shardyfusion's own writers, compared key by key with what the
# writers said is in them (golden_check.py says what is compared).

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2030,SC2031,SC2154
load helpers

# check_golden NAMES...: each mounted read-write, and again read-only; the
# second mount must give the same inode numbers.
check_golden() {
	local name

	require python3
	for name; do
		mount_store "$GOLDEN/$name/tree"
		python golden_check.py "$GOLDEN/$name" "$mnt" "$dir/$name.inodes"
		unmount_store
		mount_store "$GOLDEN/$name/tree" -o ro
		python golden_check.py "$GOLDEN/$name" "$mnt" "$dir/$name.inodes"
		unmount_store
	done
}

@test "stores with integer keys read as they were written" {
	check_golden hash-one hash-u32be hash-u64be
}

@test "stores with text and raw keys read as they were written" {
	check_golden hash-utf8 hash-raw
}

@test "stores with empty shards read as they were written" {
	check_golden hash-sparse hash-parallel
}

@test "a store with another layout of its names reads as it was written" {
	require python3
	mount_store "$GOLDEN/hash-layout/tree" -o run_prefix=builds
	python golden_check.py "$GOLDEN/hash-layout" "$mnt"
	is "$(within find "$mnt/runs" -name run.yaml | wc -l)" 1
}

@test "all page sizes and large values read as they were written" {
	check_golden hash-pages sqlite-sidecar
}

@test "every publication of a history can be read at once" {
	check_golden history
}

@test "after a rollback the older publication is current, all can be read" {
	check_golden history-rolled-back
}

@test "shards of losing attempts and of failed runs are never shown" {
	check_golden losers runs
}

@test "runs/ shows the records of runs, also of those that failed" {
	local tree=$GOLDEN/runs/tree

	mount_store "$tree"
	within diff -r "$tree/runs" "$mnt/runs"
}

@test "ref= stays on the snapshot that it names, by run or by ID" {
	local run id

	run=$(sed -n 's/^ *"run_id": "\(.*\)",*/\1/p' \
		"$GOLDEN/history/store.json" | head -n 1)
	mount_store "$GOLDEN/history/tree" -o "ref=$run"
	is "$(status_of run_id)" "$run"
	id=$(status_of snapshot)
	is "$(within readlink "$mnt/current")" "snapshots/$id"
	within test ! -e "$mnt/_CURRENT"
	unmount_store
	mount_store "$GOLDEN/history/tree" -o "ref=$id"
	is "$(status_of run_id)" "$run"
}
