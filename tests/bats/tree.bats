#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The tree that a user sees: names, attributes, control files, and what each
# refusal says.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154
load helpers

# A store of ten keys in four shards, mounted; $id is its snapshot.
mount_ten() {
	id=$(numbers 0 9 value | store "$dir/store")
	mount_store "$dir/store" "$@"
}

@test "the root lists what is published, and hides .shardyfs" {
	mount_ten
	is "$(within ls -A "$mnt" | tr '\n' ' ')" \
		'_CURRENT current keys publish runs shards snapshots staging tags '
	within test -d "$mnt/.shardyfs"
	is "$(within ls -A "$mnt/snapshots/$id" | tr '\n' ' ')" \
		'info.json keys manifest manifest.json shards '
	is "$(within readlink "$mnt/current")" "snapshots/$id"
	is "$(within cat "$mnt/current/keys/3")" 'value 3'
}

@test "stored objects are shown byte for byte" {
	mount_ten
	within cmp "$mnt/_CURRENT" "$dir/store/_CURRENT"
	within cmp "$mnt/current/manifest" "$dir"/store/manifests/*/manifest
	within cmp "$mnt/shards/00002/shard.db" \
		"$dir"/store/shards/*/db=00002/attempt=00/shard.db
}

@test "the size of every control file is what can be read of it" {
	local file

	mount_ten
	within ls -A "$mnt/.shardyfs" >"$dir/names"
	is "$(tr '\n' ' ' <"$dir/names")" 'builds config health last_error log_level '\
'metrics refresh status status.json version '
	while read -r file; do
		within cat "$mnt/.shardyfs/$file" >"$dir/content"
		[[ $(within stat -c %s "$mnt/.shardyfs/$file") -gt 0 ||
			$file == last_error ]]
		is "$(within "$PYTHON" -c 'import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(fd).st_size
print(size - len(os.read(fd, 1 << 20)))' "$mnt/.shardyfs/$file")" 0
	done <"$dir/names"
	is "$(within cat "$mnt/.shardyfs/health")" healthy
	is "$(within cat "$mnt/.shardyfs/version")" \
		"$("$SHARDYFS" --version | cut -d ' ' -f 2)"
}

@test "status and status.json tell the same" {
	mount_ten
	is "$(within "$PYTHON" - "$mnt/.shardyfs" <<-'END'
		import json, sys
		facts = json.load(open(sys.argv[1] + "/status.json"))
		assert facts.pop("schema") == 1
		lines = open(sys.argv[1] + "/status").read().splitlines()
		told = dict(line.split(": ", 1) for line in lines)
		print({k: v for k, v in told.items() if str(facts[k]) != v},
		      set(facts) - set(told), facts["rows"], facts["num_dbs"])
	END
	)" '{} set() 10 4'
}

@test "writing to refresh makes it look for a snapshot at once" {
	local before

	mount_ten -o refresh=0
	before=$(status_of refresh_checks)
	is "$(errno_of write_word "$mnt/.shardyfs/refresh" 'now')" ok
	eventually 10 status_is refresh_checks "$((before + 1))"
	within sh -c 'echo now >"$1"' sh "$mnt/.shardyfs/refresh"
	eventually 10 status_is refresh_checks "$((before + 2))"
}

@test "log_level takes levels, and refuses nonsense with EINVAL" {
	mount_ten
	expect_log 'fuse: write failed rc=invalid'
	is "$(errno_of write_word "$mnt/.shardyfs/log_level" fs=debug)" ok
	has "$(within cat "$mnt/.shardyfs/log_level")" fs=debug
	fails_with EINVAL write_word "$mnt/.shardyfs/log_level" chatty
	has "$(within cat "$mnt/.shardyfs/last_error")" chatty
	has "$(within cat "$mnt/.shardyfs/log_level")" fs=debug
	fails_with EINVAL write_word "$mnt/.shardyfs/log_level" \
		"$(printf '%5000s' x)"
}

@test "control files that take no commands cannot be opened for writing" {
	mount_ten
	fails_with EROFS write "$mnt/.shardyfs/status"
	fails_with EROFS open_trunc "$mnt/.shardyfs/health"
	is "$(errno_of open_trunc "$mnt/.shardyfs/refresh")" ok
}

@test "an open status file does not change under its reader" {
	mount_ten
	exec {fd}<"$mnt/.shardyfs/status"
	within cat "$mnt/keys/1" >/dev/null
	within cat "$mnt/.shardyfs/status" >"$dir/later"
	within cat <&"$fd" >"$dir/earlier"
	exec {fd}<&-
	has "$(cat "$dir/earlier")" 'open_shards: 0'
	has "$(cat "$dir/later")" 'open_shards: 1'
}

@test "attributes of a key tell its shard, snapshot, bytes and digest" {
	local shard file

	require getfattr
	mount_ten
	file=$mnt/keys/7
	shard=$(within getfattr --only-values -n user.shardyfs.shard "$file")
	is "$(within cat "$mnt/shards/0000$shard/keys/7")" 'value 7'
	is "$(within getfattr --only-values -n user.shardyfs.snapshot \
		"$file")" "$id"
	is "$(within getfattr --only-values -n user.shardyfs.key_hex "$file")" \
		0000000000000007
	is "$(within getfattr --only-values -n user.shardyfs.key_encoding \
		"$file")" u64be
	python xattrs.py sha256 "$file"
}

@test "attributes are listed on the root alone" {
	mount_ten
	has "$(python xattrs.py list "$mnt")" user.shardyfs.snapshot
	is "$(python xattrs.py list "$mnt" | grep -cv '^user\.shardyfs\.')" 0
	python xattrs.py list "$mnt" | while read -r name; do
		is "$(errno_of getxattr "$mnt" "$name")" ok
	done
	is "$(python xattrs.py list "$mnt/keys/1")" ''
	is "$(python xattrs.py list "$mnt/keys")" ''
	is "$(python xattrs.py list "$mnt/snapshots/$id")" ''
}

@test "attribute calls that cannot be answered say why" {
	mount_ten
	fails_with ENODATA getxattr "$mnt/keys/1" user.shardyfs.nonsense
	fails_with ENODATA getxattr "$mnt/keys/1" user.other
	fails_with ENODATA getxattr "$mnt/keys" user.shardyfs.key_hex
	fails_with ERANGE getxattr_small "$mnt/keys/1" user.shardyfs.snapshot
	fails_with EOPNOTSUPP getxattr "$mnt/keys/1" trusted.x
	fails_with EOPNOTSUPP getxattr "$mnt/keys/1" security.selinux
	fails_with ENODATA getxattr "$mnt/keys/1" security.capability
	fails_with EOPNOTSUPP getxattr "$mnt/keys/1" \
		system.posix_acl_access
	fails_with EOPNOTSUPP setxattr "$mnt/keys/1" user.shardyfs.x
	fails_with EOPNOTSUPP removexattr "$mnt/keys/1" user.shardyfs.shard
}

@test "df shows the bytes and the keys of the current snapshot" {
	mount_ten
	is "$(within df --output=fstype,iused "$mnt" | tail -n 1 | tr -s ' ')" \
		'fuse.shardyfs 10'
	is "$(within df --output=used -B1 "$mnt" | tail -n 1 | tr -d ' ')" \
		"$(status_of bytes)"
	is "$(within stat -f -c %l "$mnt")" "$(name_max)"
}

# What this kernel can pass on.
name_max() {
	local major minor

	IFS=.- read -r major minor _ < <(uname -r)
	if ((major > 6 || (major == 6 && minor >= 14))); then
		echo 4095
	else
		echo 1024
	fi
}

refuses_changes() {
	local call

	for call in create mkdir mkfifo; do
		fails_with EROFS "$call" "$mnt/new"
		fails_with EROFS "$call" "$mnt/keys/77"
		fails_with EROFS "$call" "$mnt/snapshots/$id/new"
		fails_with EROFS "$call" "$mnt/shards/00001/keys/77"
	done
	fails_with EROFS symlink "$mnt/link" keys
	fails_with EROFS link "$mnt/keys/1" "$mnt/keys/77"
	fails_with EROFS unlink "$mnt/keys/1"
	fails_with EROFS rmdir "$mnt/keys"
	fails_with EROFS rename "$mnt/keys/1" "$mnt/keys/77"
	fails_with EROFS rename "$mnt/keys" "$mnt/other"
	fails_with EROFS rename "$mnt/keys/1" "$mnt/keys/2"
	for call in chmod chown utime truncate write open_trunc; do
		fails_with EROFS "$call" "$mnt/keys/1"
	done
	is "$(within cat "$mnt/keys/1")" 'value 1'
	is "$(within ls "$mnt/keys" | wc -l)" 10
}

@test "published data cannot be changed through a read-write mount" {
	require root
	mount_ten
	refuses_changes
	has "$(within cat "$mnt/.shardyfs/last_error")" immutable
}

@test "published data cannot be changed through a read-only mount" {
	mount_ten -o ro
	refuses_changes
	fails_with EROFS write "$mnt/.shardyfs/refresh"
}

@test "absent keys and names that no key can have are ENOENT" {
	local name

	mount_ten
	for name in 10 18446744073709551615 99999999999999999999 007 -1 +1 1.0 \
		' 1' '1 ' x .hidden '%' '%31' '1%' .Trash-0 "$(printf '\t')"; do
		fails_with ENOENT stat "$mnt/keys/$name"
		fails_with ENOENT stat "$mnt/shards/00001/keys/$name"
	done
	for name in 00004 0 1 000001 99999999999 x; do
		fails_with ENOENT stat "$mnt/shards/$name"
	done
	fails_with ENOENT stat "$mnt/snapshots/x"
	fails_with ENOENT stat "$mnt/snapshots/${id/Z-/Z-x}"
	fails_with ENOENT stat "$mnt/runs/x"
	fails_with ENOENT stat "$mnt/.shardyfs/x"
	fails_with ENOENT stat "$mnt/shards/00001/x"
	fails_with ENOTDIR stat "$mnt/keys/1/x"
	fails_with ENOTDIR stat "$mnt/_CURRENT/x"
	fails_with ENOTDIR list "$mnt/keys/1"
	fails_with EISDIR read "$mnt/keys"
	fails_with EINVAL readlink "$mnt/keys/1"
}

@test "a name is limited by the kernel alone" {
	local max

	max=$(name_max)
	printf '%s\t%s\n' "$(printf '%0*d' "$max" 1)" long short value |
		store "$dir/store" -e utf8
	mount_store "$dir/store"
	is "$(within cat "$mnt/keys/short")" value
	is "$(cd "$mnt/keys" && within cat "$(printf '%0*d' "$max" 1)")" long
	is "$(cd "$mnt/keys" && within ls | wc -l)" 2
	(cd "$mnt/keys" && fails_with ENAMETOOLONG stat \
		"$(printf '%0*d' "$((max + 1))" 1)")
}

@test "text keys are percent-encoded, and found by any valid encoding" {
	printf '%s\t%s\n' 'a%2Fb' slash '%2E' dot '%2E.' dots '%25' percent \
		'%' empty 'x%0Ay' newline 'grün' umlaut ' ' space |
		store "$dir/store" -e utf8
	mount_store "$dir/store"
	is "$(within ls -A "$mnt/keys" | LC_ALL=C sort | tr '\n' '|')" \
		' |%|%25|%2E|%2E.|a%2Fb|grün|x%0Ay|'
	is "$(within cat "$mnt/keys/a%2Fb")" slash
	is "$(within cat "$mnt/keys/%61%2fb")" slash
	is "$(within cat "$mnt/keys/%2E%2E")" dots
	is "$(within cat "$mnt/keys/%")" empty
	is "$(within cat "$mnt/keys/gr%C3%BCn")" umlaut
	fails_with ENOENT stat "$mnt/keys/gr%FCn"
	fails_with ENOENT stat "$mnt/keys/a%2"
	fails_with ENOENT stat "$mnt/keys/a%GG"
}

# The number of look-ups that the daemon was asked for.
lookups() {
	within sed -n 's/.*op="lookup",result="ok"} //p' \
		"$mnt/.shardyfs/metrics"
}

@test "the kernel remembers keys and absent keys, and does not ask again" {
	local before after name

	mount_ten
	for name in 1 2 10 x; do
		within test -e "$mnt/keys/$name" || true
	done
	lookups >/dev/null
	before=$(lookups)
	for name in 1 2 10 x 1 2 10 x; do
		within test -e "$mnt/keys/$name" || true
	done
	after=$(lookups)
	# the metrics file itself is looked up each time, and the name keys
	# after a second
	((after - before <= 4))
}

@test "an empty shard has no shard.db and an empty directory of keys" {
	local empty

	printf '5\tonly\n' | store "$dir/store" -n 3
	mount_store "$dir/store"
	is "$(within ls "$mnt/shards" | tr '\n' ' ')" '00000 00001 00002 '
	empty=$(within grep -L '"row_count": 1' "$mnt"/shards/*/info.json)
	is "$(wc -l <<<"$empty")" 2
	empty=$(dirname "$(head -n 1 <<<"$empty")")
	is "$(within ls "$empty" | tr '\n' ' ')" 'info.json keys '
	is "$(within ls -A "$empty/keys")" ''
	fails_with ENOENT stat "$empty/shard.db"
	fails_with ENOENT stat "$empty/keys/5"
	is "$(within "$PYTHON" -c 'import json, sys
print(json.load(open(sys.argv[1]))["row_count"])' "$empty/info.json")" 0
	is "$(within ls "$mnt/keys")" 5
	fails_with ENOENT stat "$mnt/keys/6"
}

@test "listing=off refuses to list keys with a hint, and still reads them" {
	mount_ten -o listing=off
	fails_with EOPNOTSUPP list "$mnt/keys"
	fails_with EOPNOTSUPP list "$mnt/shards/00001/keys"
	fails_with EOPNOTSUPP list "$mnt/current/keys"
	has "$(within cat "$mnt/.shardyfs/last_error")" listing=off
	is "$(within cat "$mnt/keys/3")" 'value 3'
	is "$(within ls "$mnt/shards" | wc -l)" 4
}

@test "uid, gid and the masks say who owns what, and its mode" {
	require root
	mount_ten -o uid=1234,gid=4321,fmask=0337,dmask=0227
	is "$(within stat -c '%u %g %a' "$mnt/keys/1")" '1234 4321 440'
	is "$(within stat -c '%u %g %a' "$mnt/keys")" '1234 4321 550'
	is "$(within stat -c '%u %g %a' "$mnt")" '1234 4321 550'
	unmount_store
	mount_store "$dir/store" -o umask=077
	is "$(within stat -c '%u %a' "$mnt/keys/1")" '0 400'
	is "$(within stat -c '%a' "$mnt/keys")" 500
}

@test "a directory can be rewound and read from any place" {
	numbers 0 4999 v | store "$dir/store" -n 7 >/dev/null
	mount_store "$dir/store"
	is "$(python seekdir.py "$mnt/keys")" '5000 names, all places agree'
	is "$(python seekdir.py "$mnt/shards/00003/keys" | cut -d , -f 2)" \
		' all places agree'
}

@test "what follows the store's path and slashes in it do not matter" {
	mount_ten
	unmount_store
	mount_store "$dir/store/_CURRENT"
	is "$(within cat "$mnt/keys/3")" 'value 3'
	unmount_store
	mount_store "file://$dir//store///"
	is "$(within cat "$mnt/keys/3")" 'value 3'
	is "$(status_of store)" "file://$dir/store"
}
