#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# As an ordinary user, through fusermount3. Root's tests/run runs this file as
# the user nobody.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2030,SC2031,SC2154
load ../helpers

setup() {
	((EUID != 0)) || lack 'this is for ordinary users'
	require fusermount3
	sfs_setup
}

make_store() {
	numbers 0 9 value | store "$dir/store" >/dev/null
}

@test "a user mounts, reads and unmounts" {
	make_store
	mount_store "$dir/store"
	content_is keys/3 'value 3'
	is "$(within stat -c %u "$mnt/keys/3")" "$EUID"
	is "$(awk -v mnt="$mnt" '$2 == mnt { print $3 }' /proc/mounts)" \
		fuse.shardyfs
	fusermount3 -u "$mnt"
	wait_exit "$daemon" 60
}

@test "a user's read-only mount reads as well" {
	make_store
	mount_store "$dir/store" -o ro
	content_is keys/3 'value 3'
	fails_with EROFS create "$mnt/new"
}

@test "in the background the mount is there on return" {
	make_store
	start_background "$dir/store" "$mnt"
	content_is keys/3 'value 3'
}

@test "SIGTERM unmounts through fusermount3" {
	make_store
	mount_store "$dir/store"
	kill -TERM "$daemon"
	wait_exit "$daemon" 60
	fails is_mounted "$mnt"
}

@test "SIGTERM while a file is open detaches, and the reader goes on" {
	make_store
	mount_store "$dir/store" -o stop_timeout=1h
	exec {held}<"$mnt/keys/3"
	kill -TERM "$daemon"
	eventually 20 is_detached
	is "$(within cat <&"$held")" 'value 3'
	exec {held}<&-
	wait_exit "$daemon" 60
}

is_detached() {
	fails is_mounted "$mnt"
}

@test "a dead mount is taken away when the same place is mounted again" {
	make_store
	mount_store "$dir/store"
	kill -9 "$daemon"
	fails wait_exit "$daemon" 10
	disown_daemon "$daemon"
	mount_store "$dir/store"
	content_is keys/3 'value 3'
}

@test "writing is refused as EROFS or EACCES, in both kinds of mount" {
	make_store
	mount_store "$dir/store"
	fails_with EROFS create "$mnt/new"
	fails_with EACCES create "$mnt/keys/77"
	fails_with EACCES unlink "$mnt/keys/3"
	fails_with EACCES write "$mnt/keys/3"
	is "$(errno_of write_word "$mnt/.shardyfs/refresh" now)" ok
}

@test "allow_other without user_allow_other says what is needed" {
	if grep -qs '^[[:space:]]*user_allow_other' /etc/fuse.conf; then
		lack 'user_allow_other is set here'
	fi
	make_store
	refused 32 E_FUSE -o allow_other "$dir/store" "$mnt"
	has "$answer" user_allow_other
	has "$answer" /etc/fuse.conf
}

@test "a store that the user cannot read is E_DENIED" {
	make_store
	chmod 0 "$dir/store"
	refused 32 E_DENIED "$dir/store" "$mnt"
	chmod 700 "$dir/store"
	chmod 0 "$dir/store/_CURRENT"
	refused 32 E_DENIED "$dir/store" "$mnt"
}

@test "a shard that the user cannot read is EACCES, never an absent key" {
	local shard

	make_store
	shard=$(echo "$dir"/store/shards/*/db=00001/attempt=00/shard.db)
	mount_store "$dir/store"
	key=$(within ls "$mnt/shards/00001/keys" | head -n 1)
	unmount_store
	chmod 0 "$shard"
	expect_log ' rc=auth '
	mount_store "$dir/store"
	fails_with EACCES stat "$mnt/keys/$key"
	has "$(content .shardyfs/last_error)" db=00001
}

# refuses_to_publish DIRECTORY: mv and errors name it, once.
refuses_to_publish() {
	local why

	expect_log ' cause=".*cannot be written|rc=auth'
	fails_with EACCES rename "$mnt/staging/a" "$mnt/publish/a"
	why=$(content staging/a/errors)
	is "${why%%;*}" "file://$(realpath "$1") cannot be written, and \
publishing has to"
	is "$why" "${why%%;*}; let user $EUID write there, or mount as its \
owner: Permission denied"
	has "$(content .shardyfs/last_error)" "$why"
}

@test "a store that the user cannot write is named before anything is built" {
	make_store
	chmod a-w "$dir/store"
	mount_store "$dir/store"
	within mkdir "$mnt/staging/a"
	numbers 10 99 x | tr '\t' , | sed '1i key,value' |
		within tee "$mnt/staging/a/ingest/x.csv" >/dev/null
	refuses_to_publish "$dir/store"
	chmod u+w "$dir/store"
	chmod a-w "$dir/store/shards"
	refuses_to_publish "$dir/store/shards"
	chmod u+w "$dir/store/shards"
	chmod a-w "$dir/store/manifests"
	refuses_to_publish "$dir/store/manifests"
	is "$(find "$dir/store/shards" -mindepth 1 -maxdepth 1 | wc -l)" 1
	chmod u+w "$dir/store/manifests"
	within mv "$mnt/staging/a" "$mnt/publish/"
	content_is keys/77 'x 77'
}

@test "a mount point of somebody else is refused clearly" {
	make_store
	refused 32 E_FUSE -o nonempty "$dir/store" /usr/lib
	has "$answer" /usr/lib
	has "$answer" theirs
}
