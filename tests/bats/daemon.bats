#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The daemon's life: beginning, refusals, signals, crashes, ends.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154
load helpers

make_store() {
	numbers 0 9 value | store "$dir/store" >/dev/null
}

@test "in the background it returns 0 when the mount works" {
	make_store
	start_background "$dir/store" "$mnt"
	content_is keys/3 'value 3'
	is "$(ps -o ppid= -o sid= -p "$daemon" | tr -s ' ')" \
		"$(printf ' 1 %s' "$daemon")"
}

@test "paths relative to the working directory are fine in the background" {
	make_store
	cd "$dir"
	start_background store mnt
	content_is keys/3 'value 3'
}

@test "the background works where the standard descriptors are closed" {
	make_store
	log=$dir/log-closed
	within "$SHARDYFS" -o log="$log" "$dir/store" "$mnt" <&- >&- 2>&- 3>&-
	adopt "$mnt" "$log"
	content_is keys/3 'value 3'
}

@test "a store that is missing, or a file, or elsewhere is refused" {
	refused 32 E_STORE "$dir/none" "$mnt"
	has "$answer" "$dir/none"
	refused 32 E_STORE -f "$dir/none" "$mnt"
	touch "$dir/file"
	refused 32 E_STORE "$dir/file" "$mnt"
	refused 32 E_UNSUPPORTED ftp://host/store "$mnt"
}

@test "a store without _CURRENT is refused" {
	make_store
	rm "$dir/store/_CURRENT"
	refused 32 E_NOCURRENT "$dir/store" "$mnt"
	refused 32 E_NOCURRENT -f "$dir/store" "$mnt"
}

@test "a store whose only manifest is damaged is refused" {
	make_store
	truncate -s 4000 "$dir"/store/manifests/*/manifest
	refused 32 E_BADMANIFEST "$dir/store" "$mnt"
	has "$answer" manifest
}

@test "ref= to a snapshot that does not exist is refused" {
	make_store
	refused 32 E_NOCURRENT -o ref=nonsense "$dir/store" "$mnt"
	has "$answer" nonsense
}

@test "mount points that cannot be one are refused" {
	make_store
	refused 32 E_MOUNTPOINT "$dir/store" "$dir/none"
	has "$answer" "$dir/none"
	touch "$dir/file"
	refused 32 E_MOUNTPOINT "$dir/store" "$dir/file"
	touch "$mnt/something"
	refused 32 E_MOUNTPOINT "$dir/store" "$mnt"
	has "$answer" nonempty
	refused 32 E_MOUNTPOINT "$dir/store" "$dir"
	refused 32 E_MOUNTPOINT "$dir/store" "$dir/store"
	mkdir "$dir/store/below"
	refused 32 E_MOUNTPOINT "$dir/store" "$dir/store/below"
	ln -s store "$dir/link"
	refused 32 E_MOUNTPOINT "$dir/store" "$dir/link/below"
}

@test "nonempty mounts over a directory that is not empty" {
	make_store
	touch "$mnt/something"
	mount_store "$dir/store" -o nonempty
	content_is keys/3 'value 3'
	unmount_store
	test -e "$mnt/something"
}

@test "wrong usage ends with 1 and names all faults and the nearest option" {
	make_store
	refused 1 E_USAGE
	refused 1 E_USAGE "$dir/store"
	refused 1 E_USAGE "$dir/store" "$mnt" more
	refused 1 E_USAGE -o lissting=no,treads=2 "$dir/store" "$mnt"
	has "$answer" listing
	has "$answer" threads
	refused 1 E_USAGE -o threads=0 "$dir/store" "$mnt"
	refused 1 E_USAGE -x "$dir/store" "$mnt"
}

@test "a mount that does not come up in time ends with a message" {
	make_store
	export SHARDYFS_DEBUG_FAULT=op=all,delay_ms=20000
	refused 32 E_TIMEOUT -o mount_wait=500ms "$dir/store" "$mnt"
}

@test "notify_fd gets s when the mount works, and f with the cause if not" {
	make_store
	within "$SHARDYFS" -o notify_fd=7,log="$dir/log" "$dir/store" "$mnt" \
		7>"$dir/said" 3>&-
	adopt "$mnt" "$dir/log"
	is "$(cat "$dir/said")" s
	unmount_store
	fails within "$SHARDYFS" -o notify_fd=7 "$dir/none" "$mnt" \
		7>"$dir/said" 2>/dev/null 3>&-
	has "$(cat "$dir/said")" 'f E_STORE '
	has "$(cat "$dir/said")" "$dir/none"
	fails within "$SHARDYFS" -f -o notify_fd=7 "$dir/store" "$dir/none" \
		7>"$dir/said" 2>/dev/null 3>&-
	has "$(cat "$dir/said")" 'f E_MOUNTPOINT '
}

@test "/proc/mounts shows fuse.shardyfs, the source, or fsname=" {
	make_store
	mount_store "$dir/store"
	is "$(awk -v mnt="$mnt" '$2 == mnt { print $1, $3 }' /proc/mounts)" \
		"$dir/store fuse.shardyfs"
	unmount_store
	mount_store "$dir/store" -o 'fsname=prices\,daily,ro'
	is "$(awk -v mnt="$mnt" '$2 == mnt { print $1, $3, $4 }' \
		/proc/mounts | cut -d , -f 1-2)" \
		'prices,daily fuse.shardyfs ro'
}

@test "stores and mount points may have any name" {
	local odd

	odd=$dir/$'a b,c\\d"ü\'%s'
	mkdir "$odd"
	numbers 0 9 value | store "$odd/store" >/dev/null
	mkdir "$odd/mnt" "$odd/other"
	mnt=$odd/mnt
	mount_store "$odd/store"
	content_is keys/3 'value 3'
	is "$(status_of mountpoint | cut -c -4)" "$(cut -c -4 <<<"$odd")"
	within "$PYTHON" -c 'import json, sys; json.load(open(sys.argv[1]))' \
		"$mnt/.shardyfs/status.json"
	is "$(grep -vc '^[a-z_]*: ' "$mnt/.shardyfs/status")" 0
	detach "$odd/mnt"
	wait_exit "$daemon" 60
}

@test "two mounts of one store serve side by side" {
	make_store
	mkdir "$dir/second"
	mount_store "$dir/store"
	start "$dir/store" "$dir/second" -o ro
	content_is keys/3 'value 3'
	is "$(within cat "$dir/second/keys/4")" 'value 4'
}

@test "fusermount3 -u ends the daemon with 0" {
	make_store
	mount_store "$dir/store"
	fusermount3 -u "$mnt"
	wait_exit "$daemon" 60
	log_has 'unmounted'
}

@test "SIGTERM and SIGINT unmount, the daemon ends with 0" {
	make_store
	mount_store "$dir/store"
	kill -TERM "$daemon"
	wait_exit "$daemon" 60
	fails is_mounted "$mnt"
	mount_store "$dir/store"
	kill -INT "$daemon"
	wait_exit "$daemon" 60
	fails is_mounted "$mnt"
}

# Mounts, and holds a file open in it, of which only a part was read.
hold_file() {
	make_store
	mount_store "$dir/store" -o "stop_timeout=$1"
	exec {held}<"$mnt/shards/00001/shard.db"
	is "$(within head -c 15 <&"$held")" 'SQLite format 3'
}

is_detached() {
	fails is_mounted "$mnt"
}

@test "SIGTERM while files are open detaches, and readers go on to the end" {
	hold_file 1h
	kill -TERM "$daemon"
	eventually 20 is_detached
	log_has 'in use'
	kill -0 "$daemon"
	within "$PYTHON" -c 'import os, sys
path = sys.argv[1]
size = os.fstat(0).st_size
assert os.pread(0, size, 0) == open(path, "rb").read()' \
		"$dir"/store/shards/*/db=00001/attempt=00/shard.db <&"$held"
	exec {held}<&-
	wait_exit "$daemon" 60
}

@test "after stop_timeout it ends although files are open" {
	hold_file 200ms
	kill -TERM "$daemon"
	wait_exit "$daemon" 30
	fails is_mounted "$mnt"
	exec {held}<&-
}

@test "a second signal ends it at once although files are open" {
	hold_file 1h
	kill -TERM "$daemon"
	eventually 20 is_detached
	kill -TERM "$daemon"
	wait_exit "$daemon" 30
	exec {held}<&-
}

@test "a dead mount is taken away when the same place is mounted again" {
	make_store
	mount_store "$dir/store"
	kill -9 "$daemon"
	fails wait_exit "$daemon" 10
	disown_daemon "$daemon"
	fails_with ENOTCONN stat "$mnt"
	is_mounted "$mnt"
	mount_store "$dir/store"
	content_is keys/3 'value 3'
	is "$(grep -cF " $mnt " /proc/self/mountinfo)" 1
}

@test "recover=no leaves a dead mount alone and refuses" {
	make_store
	mount_store "$dir/store"
	kill -9 "$daemon"
	fails wait_exit "$daemon" 10
	disown_daemon "$daemon"
	fails start "$dir/store" "$mnt" -o recover=no
	has "$why" E_MOUNTPOINT
	has "$why" fusermount3
	disown_daemon "$daemon"
	detach "$mnt"
}

@test "a place that is in use by a living mount is refused" {
	make_store
	mount_store "$dir/store"
	fails within "$SHARDYFS" "$dir/store" "$mnt" 2>"$dir/answer" 3>&-
	has "$(cat "$dir/answer")" E_MOUNTPOINT
	content_is keys/3 'value 3'
}

@test "auto_unmount unmounts when the daemon is killed" {
	make_store
	mount_store "$dir/store" -o auto_unmount
	content_is keys/3 'value 3'
	kill -9 "$daemon"
	fails wait_exit "$daemon" 10
	disown_daemon "$daemon"
	eventually 20 is_detached
}

@test "as mount.shardyfs it takes what mount(8) gives" {
	make_store
	ln -s "$SHARDYFS" "$dir/mount.shardyfs"
	log=$dir/log-helper
	within "$dir/mount.shardyfs" "$dir/store" "$mnt" -v -o rw,defaults \
		-o _netdev,nofail,noatime,x-systemd.automount,log="$log" 3>&-
	adopt "$mnt" "$log"
	content_is keys/3 'value 3'
	unmount_store
	within "$dir/mount.shardyfs" "$dir/store" "$mnt" -f -o ro 3>&-
	fails is_mounted "$mnt"
	fails within "$dir/mount.shardyfs" "$dir/store" "$mnt" -o nonsense \
		2>/dev/null 3>&-
	within "$dir/mount.shardyfs" "$dir/store" "$mnt" -s \
		-o "nonsense,log=$log-sloppy" 3>&-
	adopt "$mnt" "$log-sloppy"
	content_is keys/3 'value 3'
}

@test "mount(8) mounts by way of mount.fuse, umount(8) unmounts" {
	require root mount.fuse
	make_store
	within mount -t fuse -o "ro,log=$dir/log-mount" \
		"$SHARDYFS#$dir/store" "$mnt" 3>&-
	adopt "$mnt" "$dir/log-mount"
	content_is keys/3 'value 3'
	umount "$mnt"
	wait_exit "$daemon" 60
}

@test "other users are let in with allow_other, and with nothing else" {
	local -a as_nobody=(setpriv --reuid=65534 --regid=65534
		--clear-groups)

	require root setpriv
	make_store
	in_memory
	chmod 711 "$memory_dir"
	mkdir "$memory_dir/mnt"
	start "$dir/store" "$memory_dir/mnt"
	fails within "${as_nobody[@]}" cat "$memory_dir/mnt/keys/3" 2>"$dir/answer"
	has "$(cat "$dir/answer")" 'Permission denied'
	umount "$memory_dir/mnt"
	wait_exit "$daemon" 60
	start "$dir/store" "$memory_dir/mnt" -o allow_other
	is "$(within "${as_nobody[@]}" cat "$memory_dir/mnt/keys/3")" 'value 3'
	fails within "${as_nobody[@]}" sh -c 'echo now >"$1"' sh \
		"$memory_dir/mnt/.shardyfs/refresh" 2>/dev/null
	umount "$memory_dir/mnt"
	wait_exit "$daemon" 60
	start "$dir/store" "$memory_dir/mnt" -o allow_other,umask=077
	fails within "${as_nobody[@]}" cat "$memory_dir/mnt/keys/3" 2>/dev/null
	umount "$memory_dir/mnt"
	wait_exit "$daemon" 60
}

@test "root is not let into the mount of an ordinary user" {
	require root setpriv unshare
	make_store
	in_memory
	chmod 711 "$memory_dir"
	cp -R "$dir/store" "$memory_dir/store"
	cp "$SHARDYFS" "$memory_dir/shardyfs"
	chmod -R a+rX "$memory_dir/store"
	mkdir "$memory_dir/mnt"
	chown 65534 "$memory_dir/mnt"
	within unshare --mount bash -e -c '
		cd "$1"
		nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
		mknod -m 666 fuse c 10 229
		mount --bind fuse /dev/fuse
		"${nobody[@]}" ./shardyfs store mnt
		"${nobody[@]}" cat mnt/keys/3 >said
		! cat mnt/keys/3 2>refused
		"${nobody[@]}" fusermount3 -u mnt
	' bash "$memory_dir" 3>&-
	is "$(cat "$memory_dir/said")" 'value 3'
	has "$(cat "$memory_dir/refused")" 'Permission denied'
}

@test "SIGHUP opens the log file again" {
	make_store
	start_background "$dir/store" "$mnt"
	mv "$log" "$log.1"
	logs+=("$log.1")
	kill -HUP "$daemon"
	eventually 15 test -e "$log"
	unmount_store
	log_has unmounted
}

@test "options come from the environment and a file, the strongest wins" {
	make_store
	printf 'max_open_shards: 3\nthreads: 4\nlisting: off\n' >"$dir/conf"
	export SHARDYFS_THREADS=5 SHARDYFS_CONFIG=$dir/conf
	mount_store "$dir/store" -o max_open_shards=6
	has "$(content .shardyfs/config)" $'\nmax_open_shards: 6\n'
	has "$(content .shardyfs/config)" $'\nthreads: 5\n'
	has "$(content .shardyfs/config)" $'\nlisting: false\n'
}

@test "one thread serves as well" {
	make_store
	mount_store "$dir/store" -o threads=1
	is "$(within cat "$mnt"/keys/* | wc -c)" 70
	unmount_store
	mount_store "$dir/store" -o threads=1
	kill -TERM "$daemon"
	wait_exit "$daemon" 60
}

@test "a mount that was taken away lazily ends its daemon" {
	require root
	make_store
	mount_store "$dir/store"
	exec {held}<"$mnt/keys/3"
	umount -l "$mnt"
	is "$(within cat <&"$held")" 'value 3'
	exec {held}<&-
	wait_exit "$daemon" 60
}

@test "--help and --version answer on standard output" {
	has "$("$SHARDYFS" --help)" Usage:
	has "$("$SHARDYFS" --version)" 'shardyfs '
	fails "$SHARDYFS" --version >/dev/full
}
