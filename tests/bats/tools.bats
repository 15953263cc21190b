#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Ordinary programs on a mount. What they read is compared with a directory
# of the same files, made without shardyfs.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154
load helpers

# Mounts 300 keys of several sizes, among them none and some pages; the same
# files are in $dir/plain.
mount_many() {
	mkdir "$dir/plain"
	awk -v plain="$dir/plain" 'BEGIN {
		for (i = 0; i < 300; i++) {
			value = sprintf("%*s", i % 7 * i * 3, "")
			gsub(" ", i % 10, value)
			printf "%s", value >(plain "/" i)
			close(plain "/" i)
			printf "%d\t%s\n", i, value
		}
	}' | store "$dir/store" >/dev/null
	mount_store "$dir/store"
}

@test "diff -r and cat find the values, of no bytes and of many pages" {
	mount_many
	within diff -r "$dir/plain" "$mnt/keys"
	is "$(within stat -c %s "$mnt/keys/0")" 0
	is "$(within cat "$mnt/keys/0")" ''
	is "$(within cat "$mnt/keys/299" | sha256sum)" \
		"$(sha256sum <"$dir/plain/299")"
}

@test "cp -a copies contents and times" {
	mount_many
	within cp -a "$mnt/keys" "$dir/copy"
	diff -r "$dir/plain" "$dir/copy"
	is "$(stat -c '%y %a' "$dir/copy/7")" \
		"$(within stat -c '%y %a' "$mnt/keys/7")"
}

@test "cp -a of the whole mount copies every name below it" {
	mount_many
	within cp -a "$mnt" "$dir/copy"
	diff -r "$dir/plain" "$dir/copy/current/keys"
	diff -r "$dir/plain" "$dir/copy/keys"
	is "$(find "$dir/copy" | wc -l)" "$(within find "$mnt" | wc -l)"
}

@test "tar archives, and finds no difference afterwards" {
	mount_many
	within tar -C "$mnt" -cf "$dir/keys.tar" keys 2>"$dir/errors"
	is "$(cat "$dir/errors")" ''
	within tar -C "$mnt" -df "$dir/keys.tar"
	mkdir "$dir/copy"
	tar -C "$dir/copy" -xf "$dir/keys.tar"
	diff -r "$dir/plain" "$dir/copy/keys"
	within tar -C "$mnt" -cf - . | tar -tf - >/dev/null
}

@test "rsync -aHAX copies, and a second time transfers nothing" {
	require rsync
	mount_many
	within rsync -aHAX "$mnt/keys/" "$dir/copy/"
	diff -r "$dir/plain" "$dir/copy"
	is "$(within rsync -aHAX --itemize-changes "$mnt/keys/" \
		"$dir/copy/")" ''
	is "$(within rsync -aHAXn --itemize-changes --checksum "$mnt/keys/" \
		"$dir/copy/")" ''
}

@test "grep -r finds what is in the values" {
	mount_many
	is "$(within grep -rlE '^9{100}' "$mnt/keys" | wc -l)" \
		"$(grep -rlE '^9{100}' "$dir/plain" | wc -l)"
	fails within grep -rq nowhere "$mnt/keys"
}

@test "find tells sizes, times and empty files" {
	mount_many
	is "$(within find "$mnt/keys" -size +2000c | wc -l)" \
		"$(find "$dir/plain" -type f -size +2000c | wc -l)"
	is "$(within find "$mnt/keys" -type f -empty | wc -l)" \
		"$(find "$dir/plain" -type f -empty | wc -l)"
	is "$(within find "$mnt/keys" -type f -newermt yesterday | wc -l)" 300
	is "$(within find "$mnt/keys" -name '1?' -printf '%f %s\n' | sort)" \
		"$(find "$dir/plain" -name '1?' -printf '%f %s\n' | sort)"
}

@test "du sums the sizes, ls -l and wc tell them" {
	local total

	mount_many
	total=$(cat "$dir"/plain/* | wc -c)
	is "$(within du -sb "$mnt/keys" | cut -f 1)" "$total"
	is "$(within ls -fl "$mnt/keys" | awk 'NF > 8 && /^-/ { n += $5 }
		END { print n }')" "$total"
	is "$(cd "$mnt/keys" && within wc -c ./* | tail -n 1 | tr -d ' a-z')" \
		"$total"
}

@test "parts of values: head, tail, dd, at every boundary" {
	local n

	mount_many
	for n in 1 100 4095 4096 4097; do
		within cmp -n "$n" "$dir/plain/296" "$mnt/keys/296"
		is "$(within tail -c "$n" "$mnt/keys/296" | md5sum)" \
			"$(tail -c "$n" "$dir/plain/296" | md5sum)"
		is "$(within dd if="$mnt/keys/296" bs=1 skip="$n" count=50 \
			status=none)" "$(tail -c "+$((n + 1))" \
			"$dir/plain/296" | head -c 50)"
	done
	within dd if="$mnt/keys/296" iflag=direct bs=4096 status=none |
		cmp - "$dir/plain/296"
}

@test "mmap, sendfile and random reads agree" {
	mount_many
	python reads.py "$mnt/keys/299" "$dir/plain/299"
	python reads.py "$mnt/keys/2" "$dir/plain/2"
	python reads.py "$mnt/shards/00001/shard.db" \
		"$(echo "$dir"/store/shards/*/db=00001/attempt=00/shard.db)"
	unmount_store
	mount_store "$dir/store" -o ro
	python reads.py "$mnt/keys/299" "$dir/plain/299"
}

@test "digests in attributes are those of the values" {
	local key

	mount_many
	for key in 0 1 6 150 296 299; do
		python xattrs.py sha256 "$mnt/keys/$key"
	done
}

@test "diff -r of two snapshots shows the keys that changed" {
	local old new

	old=$({ numbers 0 49 same; printf '50\told\n51\tgone\n'; } |
		store "$dir/store")
	new=$({ numbers 0 49 same; printf '50\tnew\n52\tadded\n'; } |
		store "$dir/store")
	mount_store "$dir/store"
	cd "$mnt/snapshots"
	within diff -rq "$old/keys" "$new/keys" >"$dir/diff" || [[ $? == 1 ]]
	is "$(sed "s/$old/OLD/g; s/$new/NEW/g" "$dir/diff")" \
'Files OLD/keys/50 and NEW/keys/50 differ
Only in OLD/keys: 51
Only in NEW/keys: 52'
	cd "$dir"
}

@test "sqlite3 reads a shard where it lies" {
	local database

	require sqlite3
	mount_many
	database="file:$mnt/shards/00002/shard.db?immutable=1"
	is "$(within sqlite3 "$database" 'PRAGMA integrity_check')" ok
	is "$(within sqlite3 "$database" 'SELECT count(*) FROM kv')" \
		"$(within ls "$mnt/shards/00002/keys" | wc -l)"
}

@test "an overlay on top of it takes changes, the mount has none" {
	require root
	mount_many
	mkdir "$dir/upper" "$dir/work" "$dir/merged"
	mount -t overlay overlay "$dir/merged" -o \
		"lowerdir=$mnt/keys,upperdir=$dir/upper,workdir=$dir/work" ||
		lack 'overlayfs does not work here'
	within diff -r "$dir/plain" "$dir/merged"
	within sh -c 'echo more >>"$1/3" && rm "$1/4" && echo new >"$1/x"' \
		sh "$dir/merged"
	is "$(within cat "$dir/merged/3" | tail -c 5)" more
	within test ! -e "$dir/merged/4"
	is "$(within ls "$dir/merged" | wc -l)" 300
	within diff -r "$dir/plain" "$mnt/keys"
	umount "$dir/merged"
}

# What the daemon used of memory at most, in MiB.
peak_memory() {
	awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$daemon/status"
}

# Sanitizers use memory of their own.
is_sanitized() {
	grep -qE '__(asan|tsan)_init' "$SHARDYFS"
}

@test "a value of 100 MB is read byte for byte, in little memory" {
	require_memory 400
	in_memory
	head -c 75000000 /dev/urandom | base64 -w 0 >"$memory_dir/value"
	{
		printf '1\t'
		cat "$memory_dir/value"
		printf '\n2\tsmall\n'
	} | store "$memory_dir/store" -n 1 >/dev/null
	mount_store "$memory_dir/store"
	is "$(within stat -c %s "$mnt/keys/1")" 100000000
	within cmp "$memory_dir/value" "$mnt/keys/1"
	is "$(within tail -c 20 "$mnt/keys/1")" \
		"$(tail -c 20 "$memory_dir/value")"
	is "$(within dd if="$mnt/keys/1" bs=1M skip=50 count=1 status=none |
		md5sum)" "$(dd if="$memory_dir/value" bs=1M skip=50 count=1 \
		status=none | md5sum)"
	python xattrs.py sha256 "$mnt/keys/1"
	is_sanitized || (($(peak_memory) < 60))
}
