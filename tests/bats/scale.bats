#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Many shards, many keys, many readers.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154
load helpers

@test "10,000 shards mount, are listed and read with few of them open" {
	require_memory 400
	in_memory
	store "$memory_dir/store" -n 10000 -g 30000 -v 20 -p 512 >/dev/null
	mount_store "$memory_dir/store" -o max_open_shards=16
	is "$(within ls "$mnt/shards" | wc -l)" 10000
	is "$(within sh -c 'cd "$1" && cat $(seq 0 13 29999) | wc -c' \
		sh "$mnt/keys")" "$((2308 * 20))"
	is "$(content keys/29999)" '29999 ..............'
	(($(status_of shards_opened) > 1500))
	(($(status_of open_shards) <= 16))
	is "$(within ls -f "$mnt/keys" | wc -l)" 30002
	(($(status_of open_shards) <= 20))
	(($(within find "/proc/$daemon/fd" | wc -l) < 60))
}

@test "a million keys are listed with their sizes" {
	require_memory 400
	in_memory
	store "$memory_dir/store" -n 8 -g 1000000 -v 100 >/dev/null
	mount_store "$memory_dir/store"
	is "$(within ls -fl "$mnt/keys" | awk '/^-/ && $5 == 100 { n++ }
		END { print n }')" 1000000
	# by the page, not by the file
	requests=$(requests)
	within grep requests_total "$mnt/.shardyfs/metrics"
	((requests < 300000))
}

# All that the kernel asked for.
requests() {
	within awk '/^shardyfs_fuse_requests_total/ { n += $2 }
		END { print n }' "$mnt/.shardyfs/metrics"
}

@test "readers, listers and switches side by side see whole snapshots" {
	local i readers=()

	numbers 0 199 'round 0' | store "$dir/store" >/dev/null
	mount_store "$dir/store" -o max_open_shards=2
	for i in 1 2 3 4; do
		python crowd.py "$mnt" "$dir/stop" >"$dir/reader-$i" 3>&- &
		readers+=($!)
	done
	for i in {1..10}; do
		numbers 0 199 "round $i" | store "$dir/store" >/dev/null
		eventually 15 content_is keys/3 "round $i 3"
	done
	touch "$dir/stop"
	for i in 0 1 2 3; do
		wait "${readers[i]}" || { cat "$dir/reader-$((i + 1))"; false; }
	done
	cat "$dir"/reader-*
}
