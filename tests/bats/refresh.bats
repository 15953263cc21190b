#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=threads
#
# Following _CURRENT: what makes the mount look, what stays on the old
# snapshot, and what happens when the new one is no good.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154
load helpers

LONG=-orefresh=1h

publish() {
	numbers 0 9 "$1" | store "$dir/store"
}

# A way to publish for another program.
publisher() {
	cat >"$dir/publish" <<-END
		#!/bin/bash
		set -e -o pipefail
		seq 0 9 | sed 's/.*/&\tnew &/' |
			ASAN_OPTIONS=detect_leaks=0 '$MKSTORE' '$dir/store'
	END
	chmod +x "$dir/publish"
}

@test "a new snapshot is seen by the event, long before the next look" {
	publish old
	mount_store "$dir/store" "$LONG"
	content_is keys/3 'old 3'
	publish new
	eventually 15 content_is keys/3 'new 3'
	is "$(status_of generation)" 2
	content_is .shardyfs/health healthy
}

@test "without events a new snapshot is seen by polling" {
	require root unshare
	publish old
	publisher
	unshare --user --map-root-user true ||
		lack 'user namespaces are not allowed'
	expect_log 'no line at all'
	within unshare --user --map-root-user --mount bash -e -c '
		echo 0 >/proc/sys/user/max_inotify_instances
		"$1" -o log="$2/polling",refresh=1h "$2/store" "$2/mnt"
		trap "umount -l $2/mnt" EXIT
		[[ $(cat "$2/mnt/keys/3") == "old 3" ]]
		"$2/publish"
		until [[ $(cat "$2/mnt/keys/3") == "new 3" ]]; do
			sleep 0.1
		done
	' bash "$SHARDYFS" "$dir"
	logs+=("$dir/polling")
}

@test "with refresh=0 SIGHUP makes it look" {
	publish old
	mount_store "$dir/store" -o refresh=0
	publish new
	content_is keys/3 'old 3'
	is "$(status_of refresh_checks)" 1
	kill -HUP "$daemon"
	eventually 15 content_is keys/3 'new 3'
}

@test "with refresh=0 writing to .shardyfs/refresh makes it look" {
	publish old
	mount_store "$dir/store" -o refresh=0
	publish new
	content_is keys/3 'old 3'
	is "$(errno_of write_word "$mnt/.shardyfs/refresh" now)" ok
	eventually 15 content_is keys/3 'new 3'
}

@test "all that is open stays on its snapshot, all names switch" {
	publish old
	publisher
	mount_store "$dir/store" "$LONG"
	python pinned.py "$mnt" "$dir/publish"
}

@test "a read-only mount keeps open files on their snapshot as well" {
	publish old
	publisher
	mount_store "$dir/store" "$LONG" -o ro
	python pinned.py "$mnt" "$dir/publish"
}

@test "many switches in a row lose nothing and keep nothing open" {
	local i

	publish old
	mount_store "$dir/store" "$LONG"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		within ls -l "$mnt/keys/" >/dev/null
		publish "round $i"
		eventually 15 content_is keys/3 "round $i 3"
	done
	is "$(status_of generation)" 11
	is "$(within ls "$mnt/snapshots" | wc -l)" 11
	within ls -lR "$mnt/" >/dev/null
	if ((EUID == 0)); then
		sync
		echo 2 >/proc/sys/vm/drop_caches
		eventually 15 has_one_snapshot_open
	fi
}

has_one_snapshot_open() {
	[[ $(status_of open_snapshots) == [01] ]]
}

@test "the switch is quick while the kernel knows a million old names" {
	local before

	require root
	require_memory 400
	in_memory
	store "$memory_dir/store" -n 8 -g 1000000 -v 100 >/dev/null
	mount_store "$memory_dir/store" "$LONG"
	is "$(within ls -fl "$mnt/keys" | awk '/^-/ && $5 == 100 { n++ }
		END { print n }')" 1000000
	numbers 0 9 new | store "$memory_dir/store" >/dev/null
	before=$SECONDS
	eventually 15 content_is keys/3 'new 3'
	is "$(within ls "$mnt/keys" | wc -l)" 10
	((SECONDS - before < 15))
}

# Puts bytes where _CURRENT is, in one step.
point() {
	cat >"$dir/pointer" && mv "$dir/pointer" "$dir/store/_CURRENT"
}

@test "a damaged pointer leaves the snapshot, and says why, until mended" {
	publish old
	mount_store "$dir/store" "$LONG"
	printf 'garbage' | point
	eventually 15 content_has .shardyfs/health degraded
	has "$(content .shardyfs/health)" _CURRENT
	has "$(status_of reason)" _CURRENT
	has "$(content .shardyfs/last_error)" _CURRENT
	log_has 'refresh failed'
	content_is keys/3 'old 3'
	publish new
	eventually 15 content_is keys/3 'new 3'
	content_is .shardyfs/health healthy
}

@test "a missing pointer leaves the snapshot, and says why, until mended" {
	publish old
	mount_store "$dir/store" "$LONG"
	mv "$dir/store/_CURRENT" "$dir/kept"
	eventually 15 content_has .shardyfs/health degraded
	has "$(content .shardyfs/health)" _CURRENT
	content_is keys/3 'old 3'
	mv "$dir/kept" "$dir/store/_CURRENT"
	eventually 15 content_is .shardyfs/health healthy
	content_is keys/3 'old 3'
}

@test "a pointer to a truncated manifest leaves the snapshot" {
	local new

	publish old
	cp -a "$dir/store" "$dir/copy"
	new=$(numbers 0 9 new | store "$dir/copy")
	mount_store "$dir/store" -o refresh=1
	cp -a "$dir/copy/shards" "$dir/copy/manifests" "$dir/store/"
	new=$(echo "$dir"/store/manifests/*"${new#*Z-}"/manifest)
	cp "$new" "$dir/whole"
	truncate -s 5000 "$new"
	point <"$dir/copy/_CURRENT"
	eventually 15 content_has .shardyfs/health degraded
	content_is keys/3 'old 3'
	cp "$dir/whole" "$new"
	eventually 15 content_is keys/3 'new 3'
	content_is .shardyfs/health healthy
}

@test "a mount falls back to an older manifest, and recovers by itself" {
	local old

	old=$(publish old)
	new=$(publish new)
	new=$(echo "$dir"/store/manifests/*"${new#*Z-}"/manifest)
	mv "$new" "$dir/kept"
	head -c 5000 "$dir/kept" >"$new"
	expect_log 'showing an older one'
	mount_store "$dir/store" -o refresh=1
	content_is keys/3 'old 3'
	is "$(within readlink "$mnt/current")" "snapshots/$old"
	has "$(content .shardyfs/health)" degraded
	log_has 'showing an older one'
	cp "$dir/kept" "$new"
	eventually 15 content_is keys/3 'new 3'
	eventually 15 content_is .shardyfs/health healthy
}

@test "a mount falls back where the newest manifest is missing" {
	publish old
	new=$(publish new)
	rm -r "$dir"/store/manifests/*"${new#*Z-}"
	expect_log 'showing an older one'
	mount_store "$dir/store"
	content_is keys/3 'old 3'
	has "$(content .shardyfs/health)" degraded
}

@test "a damaged pointer refuses the mount, there is no fallback" {
	publish old
	publish new
	printf '{"manifest_ref"' | point
	fails start "$dir/store" "$mnt"
	has "$why" E_BADMANIFEST
	has "$why" _CURRENT
	disown_daemon "$daemon"
}

@test "an empty directory mounts empty, and shows what is published later" {
	mkdir "$dir/store"
	mount_store "$dir/store" "$LONG"
	is "$(within ls -A "$mnt" | tr '\n' ' ')" \
		'publish runs snapshots staging tags '
	has "$(content .shardyfs/health)" 'nothing is published'
	fails_with ENOENT stat "$mnt/keys"
	publish new
	eventually 15 content_is keys/3 'new 3'
	content_is .shardyfs/health healthy
	content_has _CURRENT manifest_ref
}

@test "tags/, log/ and .lock alone are an empty store" {
	mkdir -p "$dir/store/tags" "$dir/store/log"
	touch "$dir/store/.lock" "$dir/store/log/20260101T000000Z_gc.json"
	mount_store "$dir/store"
	has "$(content .shardyfs/health)" 'nothing is published'
}

@test "nothing published is E_NOCURRENT where it is read-only or foreign" {
	mkdir "$dir/store"
	fails start "$dir/store" "$mnt" -o ro
	has "$why" E_NOCURRENT
	disown_daemon "$daemon"
	touch "$dir/store/notes.txt"
	fails start "$dir/store" "$mnt"
	has "$why" E_NOCURRENT
	disown_daemon "$daemon"
}
