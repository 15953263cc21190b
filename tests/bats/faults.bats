#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=threads
#
# Damage and hostility below the mount: a fault is an error where it lies and
# never an absent key, and nothing outside the store is read.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2030,SC2031,SC2154
load helpers

# A store of the keys 0 to 99 in four shards; $shard is the object of shard 1,
# $keys its keys.
make_store() {
	numbers 0 99 value | store "$dir/store" >/dev/null
	shard=$(echo "$dir"/store/shards/*/db=00001/attempt=00/shard.db)
	mapfile -t keys < <(sqlite3 "$shard" 'SELECT hex(k) FROM kv' |
		while read -r hex; do echo "$((16#$hex))"; done)
	((${#keys[@]} > 10))
}

# Mounts, and requires that shard 1 alone is broken, with that errno.
broken_is() {
	expect_log " rc=$2 "
	mount_store "$dir/store"
	python faulty.py "$mnt" "$1" 00001 "${keys[@]}"
	has "$(content .shardyfs/last_error)" db=00001
	log_has db=00001
	unmount_store
}

@test "a truncated shard is EIO for its keys alone, never an absent key" {
	require sqlite3
	make_store
	truncate -s 3000 "$shard"
	broken_is EIO corrupt
	truncate -s 0 "$shard"
	broken_is EIO corrupt
}

@test "a shard of random bytes is EIO for its keys alone" {
	require sqlite3
	make_store
	head -c 8192 /dev/urandom >"$shard"
	broken_is EIO corrupt
}

@test "a view where the table should be is EIO for its keys alone" {
	require sqlite3
	make_store
	sqlite3 "$shard" 'ALTER TABLE kv RENAME TO hidden;
		CREATE VIEW kv AS SELECT k, v FROM hidden;'
	broken_is EIO corrupt
}

@test "a table of integer keys is EIO for its keys alone" {
	require sqlite3
	make_store
	rm "$shard"
	sqlite3 "$shard" 'CREATE TABLE kv(k INTEGER PRIMARY KEY, v BLOB);
		INSERT INTO kv VALUES (1, "x");'
	broken_is EIO corrupt
}

@test "text where keys should be bytes is EIO for its keys alone" {
	require sqlite3
	make_store
	sqlite3 "$shard" 'UPDATE kv SET k = CAST(hex(k) AS TEXT);'
	broken_is EIO corrupt
}

@test "a damaged page is EIO for some keys, and no key is absent or wrong" {
	require sqlite3
	store "$dir/store" -n 1 -g 2000 -v 100 >/dev/null
	shard=$(echo "$dir"/store/shards/*/db=00000/attempt=00/shard.db)
	head -c 4096 /dev/urandom |
		dd of="$shard" bs=4096 seek=9 conv=notrunc status=none
	expect_log ' rc=corrupt '
	mount_store "$dir/store"
	within "$PYTHON" - "$mnt/keys" <<-'END'
		import os, sys
		broken = 0
		for key in range(2000):
		    try:
		        with open(f"{sys.argv[1]}/{key}", "rb") as value:
		            data = value.read()
		    except OSError as failed:
		        assert failed.errno == 5, (key, failed)
		        broken += 1
		        continue
		    assert data == str(key).encode().ljust(len(str(key)) + 1).ljust(
		        100, b"."), (key, data)
		assert 0 < broken < 100, broken
		try:
		    os.listdir(sys.argv[1])
		except OSError as failed:
		    assert failed.errno == 5, failed
		else:
		    assert False, "a listing with holes"
	END
}

@test "a deleted shard is ESTALE, not absent keys, and heals when it is back" {
	require sqlite3
	make_store
	mv "$shard" "$dir/kept"
	broken_is ESTALE stale
	expect_log ' rc=stale '
	mount_store "$dir/store"
	fails_with ESTALE stat "$mnt/keys/${keys[0]}"
	fails_with ESTALE stat "$mnt/shards/00001/shard.db"
	mv "$dir/kept" "$shard"
	content_is "keys/${keys[0]}" "value ${keys[0]}"
	within cmp "$shard" "$mnt/shards/00001/shard.db"
}

@test "a shard that is a link, a pipe or a directory is not read" {
	require sqlite3
	make_store
	mv "$shard" "$dir/kept"
	expect_log ' failed rc='
	ln -s "$dir/kept" "$shard"
	mount_store "$dir/store"
	fails_with EIO stat "$mnt/keys/${keys[0]}"
	unmount_store
	rm "$shard"
	mkfifo "$shard"
	mount_store "$dir/store"
	fails_with EIO stat "$mnt/keys/${keys[0]}"
	unmount_store
	rm "$shard"
	mkdir "$shard"
	mount_store "$dir/store"
	fails_with EIO stat "$mnt/keys/${keys[0]}"
}

@test "a pointer that is a pipe or leads out of the store is refused" {
	make_store
	mv "$dir/store/_CURRENT" "$dir/kept"
	mkfifo "$dir/store/_CURRENT"
	refused 32 E_ "$dir/store" "$mnt" || has "$answer" _CURRENT
	has "$answer" _CURRENT
	rm "$dir/store/_CURRENT"
	ln -s ../kept "$dir/store/_CURRENT"
	fails start "$dir/store" "$mnt"
	has "$why" _CURRENT
	disown_daemon "$daemon"
}

@test "a directory link that leaves the store is refused" {
	make_store
	mv "$dir/store/manifests" "$dir/elsewhere"
	ln -s ../elsewhere "$dir/store/manifests"
	fails start "$dir/store" "$mnt"
	has "$why" manifests
	disown_daemon "$daemon"
	rm "$dir/store/manifests"
	mv "$dir/elsewhere" "$dir/store/manifests"
	mv "$dir/store/shards" "$dir/elsewhere"
	ln -s ../elsewhere "$dir/store/shards"
	expect_log ' failed rc='
	mount_store "$dir/store"
	fails_with EIO stat "$mnt/keys/3"
}

# damage_url SQL-EXPRESSION: the db_url of shard 1 becomes that.
damage_url() {
	sqlite3 "$(echo "$dir"/store/manifests/*/manifest)" \
		"UPDATE shards SET db_url = $1 WHERE db_id = 1"
	refused 32 E_BADMANIFEST "$dir/store" "$mnt"
}

@test "shard URLs with .. or of another store refuse the snapshot" {
	require sqlite3
	make_store
	cp -a "$dir/store" "$dir/other"
	damage_url "replace(db_url, '/shards/', '/../other/shards/')"
	damage_url "replace(db_url, '/../other/', '/./')"
	damage_url "'file://$dir/other/shards/x'"
	damage_url "'s3://elsewhere/shards/x'"
	damage_url "'/etc'"
	damage_url "''"
}

@test "a manifest_ref that leads elsewhere is refused" {
	local current

	make_store
	cp -a "$dir/store" "$dir/other"
	current=$dir/store/_CURRENT
	sed -i "s|$dir/store/|$dir/other/|" "$current"
	refused 32 E_BADMANIFEST "$dir/store" "$mnt"
	sed -i "s|$dir/other/manifests|$dir/store/manifests/../manifests|" \
		"$current"
	refused 32 E_BADMANIFEST "$dir/store" "$mnt"
}

has_debug_hooks() {
	grep -q SHARDYFS_DEBUG_FAULT "$SHARDYFS" ||
		lack 'shardyfs was built without --enable-debug'
}

# Reads all keys; how many were EIO. Other errors show.
count_errors() {
	(cd "$mnt/keys" && within cat {0..99}) 2>"$dir/errors" >/dev/null ||
		true
	is "$(grep -cv 'Input/output error' "$dir/errors")" 0 >&2
	wc -l <"$dir/errors"
}

@test "a failing read is EIO once, and the same file can be read after it" {
	local n fired=0 bad

	has_debug_hooks
	make_store
	expect_log ' rc=io '
	for n in 1 2 3 4 5 6 7 8 10 12 14; do
		export SHARDYFS_DEBUG_FAULT=op=read,fail_at=$n
		if ! start "$dir/store" "$mnt"; then
			disown_daemon "$daemon"
			continue
		fi
		bad=$(count_errors)
		is "$(cd "$mnt/keys" && within cat {0..99} | wc -c)" 790
		fired=$((fired + bad))
		unmount_store
	done
	((fired > 0))
}

@test "slow look-ups in one directory run side by side" {
	has_debug_hooks
	store "$dir/store" -n 1 -g 200 -v 1000 >/dev/null
	export SHARDYFS_DEBUG_FAULT=op=read,delay_ms=300
	mount_store "$dir/store"
	within stat "$mnt/keys/199" >/dev/null
	ms=$(python sidebyside.py "$mnt"/keys/{0..110..10})
	echo "$ms ms"
	((ms >= 300 && ms < 2000))
}
