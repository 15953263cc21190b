#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The write half under attack: rivals, signals, stopped publishers, hostile
# records, and builds that are taken away while they are written.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154
load helpers

COMMAND_SECONDS=100

mount_empty() {
	mkdir "$dir/store"
	mount_store "$dir/store" -o "settle=0,num_dbs=4" "$@"
	within mkdir "$mnt/staging/b"
	build=$mnt/staging/b
}

require_debug() {
	grep -q SHARDYFS_DEBUG_FAIL "$SHARDYFS" ||
		lack 'the daemon is built without debug hooks'
}

# script FILE ARGUMENTS...: with a directory of its own.
script() {
	local file=$1

	shift
	mkdir "$dir/top"
	run python "$file" "$SHARDYFS" "$@"
	echo "$output"
	((status == 0))
}

@test "two daemons that publish at once lose and mix nothing" {
	mkdir "$dir/top"
	run python rivals.py "$SHARDYFS" "$SFS_BUILD/shardyctl" "$dir/top" 6
	echo "$output"
	((status == 0))
	has "$output" '24 snapshots'
}

@test "a signal to mv before the swap cancels, and mv again succeeds" {
	require_debug
	script cancel.py "$dir/top" interrupt
}

@test "a daemon killed at any step leaves the old or the new snapshot" {
	require_debug
	script cancel.py "$dir/top" kill
}

@test "a publisher that was stopped with the lock makes others EBUSY" {
	require_debug
	script cancel.py "$dir/top" lock
}

@test "hostile records are refused by name, in bounded memory" {
	require zstd
	script nasty.py "$dir/top"
}

@test "a crowd of writers, some killed, some replacing, loses nothing" {
	script disturb.py "$dir/top" crowd
}

@test "rm -r ends a build while it is written and while it settles" {
	script disturb.py "$dir/top" remove
}

@test "umount and SIGTERM while settling and publishing lose nothing" {
	script disturb.py "$dir/top" unmount
}

@test "50 staged builds are there after a remount" {
	script disturb.py "$dir/top" many
}

@test "random operations on one file of keys/ do what a buffer does" {
	mount_empty
	python fsx.py "$build/keys/1" "$build/keys/2" 4000 "$RANDOM"
	within mv "$build" "$mnt/publish/"
	is "$(within ls "$mnt/keys")" 1
}

@test "random operations on scratch files do what a buffer does" {
	mount_empty
	python fsx.py "$build/scratch" "$build/other" 2000 "$RANDOM"
	python fsx.py "$build/keys/.scratch" "$build/keys/.other" 2000 "$RANDOM"
	python fsx.py "$build/ingest/.scratch" "$build/ingest/.other" 4000 \
		"$RANDOM" unmapped
	python fsx.py "$build/ingest/a.part" "$build/ingest/.b" 4000 \
		"$RANDOM" unmapped
}

@test "an ingest file that is rewritten at random publishes its last state" {
	local i

	require rsync
	mount_empty -o key_encoding=utf8
	for ((i = 0; i < 40; i++)); do
		seq 1 $((RANDOM % 500)) |
			sed "s/.*/{\"key\":\"&\",\"value\":\"$i\"}/" \
				>"$dir/records"
		case $((i % 4)) in
		0) within cp "$dir/records" "$build/ingest/a.jsonl" ;;
		1)
			within cp "$dir/records" "$build/ingest/.a.tmp"
			within mv "$build/ingest/.a.tmp" "$build/ingest/a.jsonl"
			;;
		2) within rsync -a --inplace "$dir/records" \
			"$build/ingest/a.jsonl" ;;
		3) within dd if="$dir/records" of="$build/ingest/a.jsonl" \
			bs=777 status=none ;;
		esac
	done
	within cmp "$dir/records" "$build/ingest/a.jsonl"
	within mv "$build" "$mnt/publish/"
	is "$(within ls "$mnt/keys" | wc -l)" "$(wc -l <"$dir/records")"
}

@test "a failed move leaves no copy in publish/ and no empty staging/" {
	local how

	require rsync
	mount_empty
	printf x >"$build/keys/not-a-number"
	mkdir -p "$dir/elsewhere/keys"
	printf x >"$dir/elsewhere/keys/1"
	printf x >"$dir/file"
	# shellcheck disable=SC2086
	for how in mv 'mv -T' 'mv -f' 'mv -n' 'cp -r' 'rsync -a' 'cp -rl'; do
		fails within $how "$build" "$mnt/publish/x"
		fails within $how "$dir/elsewhere" "$mnt/publish/x"
		[[ $how == 'mv -T' ]] ||
			fails within $how "$dir/file" "$mnt/publish/"
		is "$(within ls -A "$mnt/publish")" ''
		is "$(within cat "$build/keys/not-a-number")" x
		is "$(cat "$dir/elsewhere/keys/1" "$dir/file")" xx
	done
	for how in shutil.move os.rename os.replace os.renames; do
		fails within "$PYTHON" -c "import os, shutil, sys
$how(*sys.argv[1:])" "$build" "$mnt/publish/x" 2>/dev/null
		is "$(within ls -A "$mnt/publish")" ''
		is "$(within cat "$build/keys/not-a-number")" x
	done
	within mv "$build/keys/not-a-number" "$build/keys/7"
	within "$PYTHON" -c 'import shutil, sys
shutil.move(*sys.argv[1:])' "$build" "$mnt/publish"
	is "$(content publish/b/keys/7)" x
	is "$(within ls -A "$mnt/staging")" ''
}
