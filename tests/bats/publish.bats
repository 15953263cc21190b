#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Publishing by mv, receipts, tags and rollback, and what each failure leaves.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154
load helpers

mount_empty() {
	mkdir "$dir/store"
	mount_store "$dir/store" -o "settle=0,num_dbs=4"
}

# stage NAME FROM TO TEXT: a build with these keys.
stage() {
	local i

	within mkdir "$mnt/staging/$1"
	for ((i = $2; i <= $3; i++)); do
		printf '%s %s' "$4" "$i" >"$mnt/staging/$1/keys/$i"
	done
}

publish() {
	stage "$@"
	within mv "$mnt/staging/$1" "$mnt/publish/"
}

current() {
	basename "$(within readlink "$mnt/current")"
}

# The build is as it was, and nothing else came of the failure.
is_intact() {
	is "$(content "staging/$1/keys/1")" "$2"
	is "$(within ls -A "$mnt/publish")" ''
}

@test "mv publishes: the mount shows it when mv is back, with a receipt" {
	local i

	mount_empty
	for i in 1 2 3 4 5; do
		publish "b$i" 1 20 "round $i"
		is "$(content keys/7)" "round $i 7"
		is "$(within ls -A "$mnt/staging")" ''
		is "$(within readlink "$mnt/publish/b$i")" \
			"../snapshots/$(current)"
		is "$(content "publish/b$i/keys/7")" "round $i 7"
	done
	is "$(within ls "$mnt/publish" | wc -l)" 5
	is "$(within ls "$mnt/snapshots" | wc -l)" 5
	is "$(within ls "$mnt/keys" | wc -l)" 20
	has "$(content .shardyfs/metrics)" \
		'shardyfs_publishes_total{result="ok"} 5'
}

@test "mv -T, shutil.move, os.rename and os.replace publish" {
	mount_empty
	stage a 1 2 a
	within mv -T "$mnt/staging/a" "$mnt/publish/under-another-name"
	is "$(within ls -A "$mnt/publish")" under-another-name
	stage b 1 2 b
	within "$PYTHON" -c 'import shutil, sys; shutil.move(*sys.argv[1:])' \
		"$mnt/staging/b" "$mnt/publish"
	is "$(content keys/1)" 'b 1'
	stage c 1 2 c
	within "$PYTHON" -c 'import os, sys; os.rename(*sys.argv[1:])' \
		"$mnt/staging/c" "$mnt/publish/c"
	is "$(content keys/1)" 'c 1'
	stage d 1 2 d
	within "$PYTHON" -c 'import os, sys; os.replace(*sys.argv[1:])' \
		"$mnt/staging/d" "$mnt/publish/d"
	is "$(content keys/1)" 'd 1'
}

@test "busybox mv publishes" {
	require busybox
	mount_empty
	stage a 1 2 a
	within busybox mv "$mnt/staging/a" "$mnt/publish/"
	is "$(content keys/1)" 'a 1'
}

@test "bad records: EBADMSG, and the same mv succeeds once they are mended" {
	mount_empty
	stage a 1 3 a
	printf '{"key":\n' | within tee "$mnt/staging/a/ingest/x.jsonl" \
		>/dev/null || true
	fails_with EBADMSG rename "$mnt/staging/a" "$mnt/publish/a"
	fails within mv "$mnt/staging/a" "$mnt/publish/"
	fails within "$PYTHON" -c 'import shutil, sys
shutil.move(*sys.argv[1:])' "$mnt/staging/a" "$mnt/publish"
	is_intact a 'a 1'
	has "$(content staging/a/errors)" x.jsonl
	within rm "$mnt/staging/a/ingest/x.jsonl"
	within mv "$mnt/staging/a" "$mnt/publish/"
	is "$(content keys/1)" 'a 1'
}

@test "a name that is no key is refused by name" {
	mount_empty
	stage a 1 3 a
	printf x >"$mnt/staging/a/keys/sedAbCdEf"
	fails_with EBADMSG rename "$mnt/staging/a" "$mnt/publish/a"
	has "$(content staging/a/errors)" sedAbCdEf
	is_intact a 'a 1'
	within rm "$mnt/staging/a/keys/sedAbCdEf"
	within mv "$mnt/staging/a" "$mnt/publish/"
}

@test "nothing can be made in publish/, and nothing else moves there" {
	mount_empty
	stage a 1 3 a
	printf x >"$dir/file"
	fails_with EPERM create "$mnt/publish/x"
	fails_with EPERM mkdir "$mnt/publish/x"
	fails_with EPERM symlink "$mnt/publish/x" ../snapshots
	fails_with EPERM mkfifo "$mnt/publish/x"
	fails_with EPERM link "$mnt/staging/a/keys/1" "$mnt/publish/x"
	fails_with EPERM rename "$mnt/staging/a/keys/1" "$mnt/publish/x"
	fails_with EPERM rename "$mnt/staging/a/keys" "$mnt/publish/x"
	fails_with EPERM rename "$mnt/staging/a" "$mnt/staging/b"
	has "$(content .shardyfs/last_error)" publish
	fails within mv "$dir/file" "$mnt/publish/"
	fails within mv "$dir" "$mnt/publish/x"
	fails within cp -r "$mnt/staging/a" "$mnt/publish/"
	is_intact a 'a 1'
	[[ -f $dir/file ]]
}

@test "a receipt is not written over, and mkdir or rm take it away" {
	mount_empty
	publish a 1 2 first
	stage b 1 2 second
	fails_with ENOTDIR rename "$mnt/staging/b" "$mnt/publish/a"
	fails_with EEXIST rename_new "$mnt/staging/b" "$mnt/publish/a"
	fails within mv -T "$mnt/staging/b" "$mnt/publish/a"
	is "$(content staging/b/keys/1)" 'second 1'
	within rm "$mnt/publish/a"
	within mv -T "$mnt/staging/b" "$mnt/publish/a"
	is "$(content keys/1)" 'second 1'
	within mkdir "$mnt/staging/a"
	fails_with ENOENT stat "$mnt/publish/a"
}

@test "with a base that moved publishing is ESTALE, and ln -sfn the remedy" {
	mount_empty
	publish a 1 3 first
	within mkdir "$mnt/staging/b" "$mnt/staging/c"
	within ln -s ../../current "$mnt/staging/b/base"
	within ln -s ../../current "$mnt/staging/c/base"
	printf new >"$mnt/staging/b/keys/2"
	printf lost >"$mnt/staging/c/keys/1"
	within mv "$mnt/staging/b" "$mnt/publish/"
	is "$(content keys/2)" new
	fails_with ESTALE rename "$mnt/staging/c" "$mnt/publish/c"
	is "$(content staging/c/keys/1)" lost
	fails_with ESTALE rename "$mnt/staging/c" "$mnt/publish/c"
	within ln -sfn ../../current "$mnt/staging/c/base"
	within mv "$mnt/staging/c" "$mnt/publish/"
	is "$(content keys/1) $(content keys/2) $(content keys/3)" \
		'lost new first 3'
}

@test "changes and removals on a base are what is published" {
	mount_empty
	publish a 1 9 first
	within mkdir "$mnt/staging/b"
	within ln -s ../../current "$mnt/staging/b/base"
	within rm "$mnt/staging/b/keys/3"
	within mv "$mnt/staging/b/keys/4" "$mnt/staging/b/keys/40"
	printf changed >"$mnt/staging/b/keys/5"
	printf '{"key":6,"delete":true}\n{"key":60,"value":"sixty"}\n' \
		>"$mnt/staging/b/ingest/x.jsonl"
	within mv "$mnt/staging/b" "$mnt/publish/"
	is "$(within ls "$mnt/keys" | sort -n | tr '\n' ' ')" \
		'1 2 5 7 8 9 40 60 '
	is "$(content keys/40)" 'first 4'
	is "$(content keys/5)" changed
	is "$(content keys/60)" sixty
}

@test "an open working directory and open files survive publishing" {
	mount_empty
	stage a 1 3 a
	exec {fd}<"$mnt/staging/a/keys/2"
	(
		cd "$mnt/staging/a/keys" || exit
		within mv "$mnt/staging/a" "$mnt/publish/"
		fails within touch 9
	)
	is "$(within cat <&"$fd")" 'a 2'
	exec {fd}<&-
	is "$(content keys/3)" 'a 3'
}

@test "sync of the directory settles, so that mv is short" {
	mount_empty
	stage a 1 50 a
	within sync "$mnt/staging/a"
	has "$(content staging/a/status)" 'state: settled'
	within sync "$mnt/staging/a/keys" "$mnt/staging/a/ingest"
	within mv "$mnt/staging/a" "$mnt/publish/"
	is "$(content keys/50)" 'a 50'
}

@test "ln -sfn snapshots/ID current rolls back at once" {
	local first second i

	mount_empty
	publish a 1 3 first
	first=$(current)
	publish b 1 3 second
	second=$(current)
	for i in 1 2 3; do
		within ln -sfn "snapshots/$first" "$mnt/current"
		is "$(current)" "$first"
		eventually 1 content_is keys/1 'first 1'
		within ln -sfn "$mnt/snapshots/$second" "$mnt/current"
		is "$(current)" "$second"
		eventually 1 content_is keys/1 'second 1'
	done
	within ln -sfn "snapshots/$second" "$mnt/current"
	is "$(within ls "$mnt/snapshots" | wc -l)" 2
	fails within ln -sfn snapshots/none "$mnt/current"
	fails within ln -sfn keys "$mnt/current"
	fails within rm "$mnt/current"
	is "$(current)" "$second"
	is "$(within ls -A "$mnt" | tr '\n' ' ')" \
'_CURRENT current keys publish runs shards snapshots staging tags '
}

@test "tags are links: made, listed, moved and removed" {
	local first

	mount_empty
	publish a 1 3 first
	first=$(current)
	within ln -s "../snapshots/$first" "$mnt/tags/v1"
	within ln -s ../current "$mnt/tags/v2"
	within ln -s v1 "$mnt/tags/v3" || within ln -s ../tags/v1 "$mnt/tags/v3"
	publish b 1 3 second
	within ln -sfn ../current "$mnt/tags/v2"
	is "$(within ls -A "$mnt/tags" | tr '\n' ' ')" 'v1 v2 v3 '
	is "$(within readlink "$mnt/tags/v1")" "../snapshots/$first"
	is "$(within readlink "$mnt/tags/v2")" "../snapshots/$(current)"
	is "$(content tags/v1/keys/2)" 'first 2'
	within ln -sfn tags/v1 "$mnt/current"
	is "$(current)" "$first"
	fails_with EEXIST symlink "$mnt/tags/v1" ../current
	fails_with EPERM create "$mnt/tags/x"
	fails_with EPERM symlink "$mnt/tags/x" /etc
	within rm "$mnt/tags/v1"
	is "$(within ls -A "$mnt/tags" | tr '\n' ' ')" 'v2 v3 '
}

@test "cp -a, tar and touch -h make links, whose times are ignored" {
	mount_empty
	publish a 1 3 a
	within mkdir "$mnt/staging/b"
	mkdir "$dir/from"
	ln -s ../../current "$dir/from/base"
	within cp -a "$dir/from/base" "$mnt/staging/b/"
	is "$(within readlink "$mnt/staging/b/base")" \
		"../../snapshots/$(current)"
	within touch -h "$mnt/staging/b/base"
	ln -s ../current "$dir/from/v1"
	within tar -C "$dir/from" -cf "$dir/links.tar" v1
	within tar -C "$mnt/tags" -Pxf "$dir/links.tar"
	within touch -h -d 2001-01-01 "$mnt/tags/v1"
	is "$(content tags/v1/keys/2)" 'a 2'
	fails_with EROFS utime "$mnt/keys/1"
}

@test "the tag of a build is set by publishing, and must be free" {
	mount_empty
	stage a 1 2 a
	printf 'release\n' >"$mnt/staging/a/tag"
	within mv "$mnt/staging/a" "$mnt/publish/"
	is "$(within readlink "$mnt/tags/release")" "../snapshots/$(current)"
	stage b 1 2 b
	printf release >"$mnt/staging/b/tag"
	fails_with EEXIST rename "$mnt/staging/b" "$mnt/publish/b"
	is "$(content staging/b/keys/1)" 'b 1'
	within rm "$mnt/staging/b/tag"
	within mv "$mnt/staging/b" "$mnt/publish/"
}

@test "a mount of one snapshot refuses to publish and to roll back" {
	id=$(numbers 0 9 value | store "$dir/store")
	mount_store "$dir/store" -o "ref=$id"
	fails_with EROFS symlink "$mnt/temporary" "snapshots/$id"
	fails_with ENOENT stat "$mnt/staging"
}

# A store that takes its time with everything that is put.
mount_slow() {
	require_debug
	mkdir "$dir/store"
	SHARDYFS_DEBUG_FAULT="op=put,delay_ms=1500" mount_store "$dir/store" \
		-o "settle=0,num_dbs=1"
	stage a 1 3 a
	stage other 1 1 x
}

require_debug() {
	grep -q SHARDYFS_DEBUG_FAULT "$SHARDYFS" ||
		lack 'the daemon is built without debug hooks'
}

@test "the rest of the mount works while a build is published" {
	mount_slow
	within mv "$mnt/staging/a" "$mnt/publish/" 3>&- &
	eventually 10 content_has .shardyfs/builds '"a"'
	is "$(timeout 1 cat "$mnt/.shardyfs/health")" \
		'unhealthy: nothing is published'
	timeout 1 df "$mnt" >/dev/null
	timeout 1 ls "$mnt/snapshots" "$mnt/runs" >/dev/null
	wait $!
	is "$(content keys/1)" 'a 1'
}

# answers_during COMMAND...: as long as it runs other files can be read.
answers_during() {
	local i=0

	within "$@" 3>&- &
	while kill -0 $! 2>/dev/null; do
		is "$(timeout 1 cat "$mnt/staging/other/keys/1")" 'x 1'
		i=$((i + 1))
	done
	wait $!
	((i > 1))
}

# One thread, and a store that takes its time with such operations.
mount_one_thread() {
	SHARDYFS_DEBUG_FAULT="$1,delay_ms=1500" \
		mount_store "$dir/store" -o "settle=0,threads=1"
	within mkdir "$mnt/staging/other"
	printf 'x 1' >"$mnt/staging/other/keys/1"
}

@test "one thread serves on while tags, bases and builds are made and removed" {
	require_debug
	mkdir "$dir/store"
	mount_store "$dir/store" -o "settle=0,num_dbs=1"
	publish a 1 3 a
	unmount_store
	mount_one_thread op=put,op=delete
	answers_during ln -s ../current "$mnt/tags/v1"
	answers_during ln -sfn ../current "$mnt/tags/v1"
	answers_during rm "$mnt/tags/v1"
	within rm -r "$mnt/staging/other"
	unmount_store
	mount_one_thread op=open
	answers_during mkdir "$mnt/staging/next"
	answers_during ln -s ../../current "$mnt/staging/next/base"
}

@test "closing an ingest file waits neither for a plan nor for a settling" {
	local step

	require_debug
	grep -q SHARDYFS_DEBUG_FAIL "$SHARDYFS" ||
		lack 'the daemon is built without debug hooks'
	mkdir "$dir/store"
	for step in build.plan build.barrier; do
		SHARDYFS_DEBUG_FAIL=$step:wait SHARDYFS_DEBUG_GATE=$dir/gate \
			mount_store "$dir/store" -o "settle=0,num_dbs=1"
		stage a 1 3 a
		# sync locks the directory of the build itself
		within ls "$mnt/staging/a/ingest"
		if [[ $step == build.plan ]]; then
			within cat "$mnt/staging/a/plan.json" >/dev/null 3>&- &
		else
			within sync "$mnt/staging/a" 3>&- &
		fi
		eventually 10 test -e "$dir/gate.waits"
		printf '{"key": 7, "value": "x"}\n' >"$dir/good.jsonl"
		printf 'no JSON\n' >"$dir/bad.jsonl"
		timeout 5 cp "$dir/good.jsonl" "$mnt/staging/a/ingest/"
		fails timeout 5 cp "$dir/bad.jsonl" \
			"$mnt/staging/a/ingest/" 2>"$dir/said"
		has "$(<"$dir/said")" 'Bad message'
		kill -0 $!
		touch "$dir/gate"
		wait $!
		has "$(content staging/a/errors)" bad.jsonl:1
		within rm "$mnt/staging/a/ingest/bad.jsonl"
		within mv "$mnt/staging/a" "$mnt/publish/$step"
		is "$(content keys/7)" x
		unmount_store
		rm "$dir/gate" "$dir/gate.waits"
	done
}

@test "interrupting mkdir ends it, whoever holds the staging area" {
	local status=0

	require flock
	mount_empty
	stage a 1 1 a
	exec 7<"$dir/area/.lock"
	flock 7
	timeout -s INT 1 mkdir "$mnt/staging/b" 2>"$dir/said" || status=$?
	is "$status" 124
	is "$(content staging/a/keys/1)" 'a 1'
	exec 7<&-
	within mkdir "$mnt/staging/b"
	is "$(within ls "$mnt/staging" | tr '\n' ' ')" 'a b '
}

@test "interrupting mv cancels it, and the same mv goes on" {
	local status=0

	mount_slow
	timeout -s INT 1 mv "$mnt/staging/a" "$mnt/publish/" 2>"$dir/said" ||
		status=$?
	is "$status" 124
	is_intact a 'a 1'
	within mv "$mnt/staging/a" "$mnt/publish/"
	is "$(content keys/1)" 'a 1'
}

@test "a store on a read-only file system is named before anything is built" {
	require root unshare
	numbers 0 9 one | store "$dir/store" -n 2
	expect_log 'no line at all'
	within unshare --mount bash -e -c '
		mount --bind "$2/store" "$2/store"
		mount -o remount,bind,ro "$2/store"
		"$1" -o log="$2/readonly" "$2/store" "$2/mnt"
		trap "umount -l $2/mnt" EXIT
		mkdir "$2/mnt/staging/a"
		echo two >"$2/mnt/staging/a/keys/2"
		if mv "$2/mnt/staging/a" "$2/mnt/publish/" 2>"$2/said"; then
			exit 1
		fi
		cp "$2/mnt/staging/a/errors" "$2/errors"
	' bash "$SHARDYFS" "$dir"
	has "$(<"$dir/said")" 'Read-only file system'
	is "$(<"$dir/errors")" "file://$(realpath "$dir/store") cannot be \
written, and publishing has to; remount its file system rw: Read-only file \
system"
}
