#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Builds as directories: staged files behave as files do, whichever program
# writes them, and what is generated beside them says how the build is.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154
load helpers

# Mounts an empty store, or one of ten keys, with a build; $build is its
# directory.
mount_build() {
	[[ -d $dir/store ]] || mkdir "$dir/store"
	mount_store "$dir/store" -o "settle=0,num_dbs=4" "$@"
	build=$mnt/staging/b
	within mkdir "$build"
}

mount_on_base() {
	id=$(numbers 0 9 value | store "$dir/store")
	mount_build
	within ln -s ../../current "$build/base"
}

@test "an empty directory mounts as a tree that can publish" {
	mkdir "$dir/store"
	mount_store "$dir/store"
	is "$(within ls -A "$mnt" | tr '\n' ' ')" \
		'publish runs snapshots staging tags '
	is "$(within stat -c %a "$mnt/staging" "$mnt/publish" "$mnt/tags" |
		tr '\n' ' ')" '755 755 755 '
}

@test "a read-only mount has no staging" {
	numbers 0 9 value | store "$dir/store" >/dev/null
	mount_store "$dir/store" -o ro
	fails_with ENOENT stat "$mnt/staging"
	fails_with ENOENT stat "$mnt/publish"
	within test -d "$mnt/tags"
}

@test "mkdir begins a build, with settings, keys/ and ingest/" {
	mount_build
	is "$(within ls -A "$build" | tr '\n' ' ')" 'config.yaml ingest keys '
	has "$(within cat "$build/config.yaml")" 'num_dbs: 4'
	fails_with EEXIST mkdir "$build"
	fails_with EINVAL mkdir "$mnt/staging/.hidden"
	fails_with EPERM create "$mnt/staging/file"
	fails_with EPERM mkdir "$build/other"
	fails_with EPERM mkdir "$build/keys/sub"
	has "$(within cat "$mnt/.shardyfs/last_error")" '%2F'
}

@test "system calls on staged files do what POSIX says" {
	mount_build
	python staged_calls.py "$build" "$build/keys" "$build/ingest"
}

@test "generated files can be opened, and are not listed" {
	local file

	mount_build
	for file in status errors plan.json; do
		within cat "$build/$file" >"$dir/$file"
		is "$(within stat -c %s "$build/$file")" \
			"$(stat -c %s "$dir/$file")"
		fails_with EPERM unlink "$build/$file"
		fails_with EROFS write "$build/$file"
	done
	has "$(cat "$dir/status")" 'state: '
	within "$PYTHON" -m json.tool "$dir/plan.json" >/dev/null
	within "$PYTHON" - "$mnt/.shardyfs/builds" <<-'END'
		import json, sys
		assert len(json.load(open(sys.argv[1]))) == 1
	END
	is "$(status_of builds)" 1
}

@test "vim, sed -i and dd edit staged files" {
	require vim
	mount_build
	printf 'one\ntwo\n' | within tee "$build/keys/1" >/dev/null
	within vim -u NONE -es -c '%s/two/2/' -c wq "$build/keys/1" </dev/null
	is "$(content staging/b/keys/1)" $'one\n2'
	within sed -i s/one/1/ "$build/keys/1"
	is "$(content staging/b/keys/1)" $'1\n2'
	printf XX | within dd of="$build/keys/1" bs=1 seek=1 conv=notrunc,fsync \
		status=none
	is "$(content staging/b/keys/1)" 1XX
	is "$(within ls -A "$build/keys")" 1
}

@test "cp -a, rsync, tar, install and git write into a build" {
	local i

	require rsync git
	mount_build
	mkdir "$dir/from"
	for i in 1 2 3; do
		printf 'value %s\n' "$i" >"$dir/from/$i"
		touch -d '2020-01-02 03:04:05' "$dir/from/$i"
	done
	within cp -a "$dir/from/." "$build/keys/"
	within diff -r "$dir/from" "$build/keys"
	is "$(within stat -c %Y "$build/keys/1")" "$(stat -c %Y "$dir/from/1")"

	printf 'longer value\n' >"$dir/from/2"
	within rsync -a "$dir/from/" "$build/keys/"
	within diff -r "$dir/from" "$build/keys"
	printf 'even longer value\n' >"$dir/from/3"
	within rsync -a --inplace "$dir/from/" "$build/keys/"
	within diff -r "$dir/from" "$build/keys"
	is "$(within rsync -aiO --dry-run "$dir/from/" "$build/keys/")" ''

	within rm "$build/keys/1" "$build/keys/2" "$build/keys/3"
	tar -C "$dir/from" -cf "$dir/from.tar" .
	within tar -C "$build/keys" -xf "$dir/from.tar"
	within diff -r "$dir/from" "$build/keys"

	within install -m 600 "$dir/from/1" "$build/keys/4"
	is "$(within stat -c %a "$build/keys/4")" 600
	within rm "$build/keys/4"

	git init -q "$dir/repo"
	cp "$dir/from"/* "$dir/repo/"
	git -C "$dir/repo" add .
	git -C "$dir/repo" -c user.name=x -c user.email=x@x commit -qm x
	within git --git-dir="$dir/repo/.git" --work-tree="$build/keys" \
		checkout -f HEAD -- .
	within diff -r "$dir/from" "$build/keys"
}

@test "many writers append to one ingest file" {
	local i writers=()

	mount_build
	for i in 1 2 3 4; do
		within sh -c 'i=$1; while [ $i -lt 400 ]; do
			echo "{\"key\":$i,\"value\":\"v$i\"}"; i=$((i + 4))
		done >>"$2"' sh "$i" "$build/ingest/all.jsonl" 3>&- &
		writers+=("$!")
	done
	wait "${writers[@]}"
	is "$(within wc -l <"$build/ingest/all.jsonl")" 399
	has "$(within cat "$build/status")" 'records: 399'
	is "$(content staging/b/errors)" ''
}

@test "closing an ingest file tells of bad records, and errors names them" {
	mount_build
	printf '{"key":1,"value":"x"}\n{"key":\n' >"$dir/bad.jsonl"
	fails within cp "$dir/bad.jsonl" "$build/ingest/"
	has "$(content staging/b/errors)" 'bad.jsonl'
	has "$(content staging/b/errors)" 2
	within rm "$build/ingest/bad.jsonl"
	eventually 10 content_is staging/b/errors ''
}

@test "a config.yaml that is wrong is refused when it is closed" {
	mount_build
	printf 'num_dbs: many\n' >"$dir/config"
	fails within cp "$dir/config" "$build/config.yaml"
	has "$(content .shardyfs/last_error)" 'config.yaml:1'
	printf 'num_dbs: 2\n' >"$dir/config"
	within cp "$dir/config" "$build/config.yaml"
}

@test "another spelling of a key is EINVAL with the right one" {
	mount_build -o key_encoding=utf8
	fails_with EINVAL create "$build/keys/a%2fb"
	has "$(content .shardyfs/last_error)" 'a%2Fb'
	is "$(errno_of create "$build/keys/a%2Fb")" ok
	fails_with EINVAL rename "$build/keys/a%2Fb" "$build/keys/%41"
	is "$(errno_of create "$build/keys/.a.swp")" ok
}

@test "keys of the base are read and changed as if they were staged" {
	mount_on_base
	is "$(within readlink "$build/base")" "../../snapshots/$id"
	is "$(content staging/b/keys/3)" 'value 3'
	is "$(within ls -A "$build/keys")" ''
	printf ' more' | within tee -a "$build/keys/3" >/dev/null
	is "$(content staging/b/keys/3)" 'value 3 more'
	within truncate -s 5 "$build/keys/4"
	is "$(content staging/b/keys/4)" value
	within mv "$build/keys/5" "$build/keys/50"
	fails_with ENOENT stat "$build/keys/5"
	is "$(content staging/b/keys/50)" 'value 5'
	within rm "$build/keys/6"
	fails_with ENOENT stat "$build/keys/6"
	printf new | within tee "$build/keys/7" >/dev/null
	is "$(content staging/b/keys/7)" new
	within touch -d @1000 "$build/keys/8"
	is "$(within stat -c %Y "$build/keys/8")" 1000
	is "$(content staging/b/keys/8)" 'value 8'
	is "$(within ls -A "$build/keys" | tr '\n' ' ')" '3 4 50 7 8 '
	has "$(content staging/b/plan.json)" '"adds": 1'
	has "$(content staging/b/plan.json)" '"deletes": 2'
	is "$(content keys/3)" 'value 3'
}

@test "a reader of a base key sees what is written over it" {
	mount_on_base
	exec {fd}<"$build/keys/3"
	printf 'VALUE' | within dd of="$build/keys/3" conv=notrunc status=none
	is "$(within cat <&"$fd")" 'VALUE 3'
	exec {fd}<&-
}

@test "a base can be a tag or an absolute path, and nothing else" {
	id=$(numbers 0 9 value | store "$dir/store")
	mount_build
	within ln -s "../snapshots/$id" "$mnt/tags/one"
	within ln -s ../../tags/one "$build/base"
	is "$(within readlink "$build/base")" "../../snapshots/$id"
	within rm "$build/base"
	fails_with ENOENT stat "$build/keys/1"
	within ln -s "$mnt/snapshots/$id" "$build/base"
	is "$(content staging/b/keys/1)" 'value 1'
	within ln -sfn ../../current "$build/base"
	is "$(within readlink "$build/base")" "../../snapshots/$id"
	within rm "$build/base"
	fails_with EPERM symlink "$build/base" /etc
	fails_with EPERM symlink "$build/base" ../../keys
	fails_with ENOENT symlink "$build/base" ../../snapshots/none
	fails_with ENOENT symlink "$build/base" ../../tags/none
	fails_with EPERM create "$build/base"
}

@test "rm -r ends a build, whatever is in it" {
	mount_on_base
	printf x | within tee "$build/keys/1" "$build/keys/.1.swp" \
		"$build/message" "$build/ingest/a.jsonl.part" >/dev/null
	printf '{"key":100,"value":"x"}\n' |
		within tee "$build/ingest/a.jsonl" >/dev/null
	fails_with ENOTEMPTY rmdir "$build"
	fails_with ENOTEMPTY rmdir "$build/keys"
	exec {fd}>>"$build/ingest/a.jsonl"
	within rm -r "$build"
	exec {fd}>&-
	is "$(within ls -A "$mnt/staging")" ''
	is "$(find "$dir/area" -name keys)" ''
	within mkdir "$build"
	is "$(within ls -A "$build/keys")" ''
}

@test "a remount shows the build as it was" {
	mount_build
	printf kept | within tee "$build/keys/1" >/dev/null
	printf '{"key":2,"value":"x"}\n' >"$dir/a.jsonl"
	within cp "$dir/a.jsonl" "$build/ingest/"
	within sync "$build/keys/1" "$build/ingest/a.jsonl"
	kill -9 "$daemon"
	disown_daemon "$daemon"
	wait "$daemon" || true
	mount_store "$dir/store"
	is "$(content staging/b/keys/1)" kept
	within cmp "$dir/a.jsonl" "$build/ingest/a.jsonl"
	eventually 10 content_has staging/b/status 'records: 1'
}

@test "builds of a living owner are not shown in another mount" {
	mount_build
	mkdir "$dir/other"
	start "$dir/store" "$dir/other"
	is "$(within ls -A "$dir/other/staging")" ''
	fails_with EBUSY mkdir "$dir/other/staging/b"
}

@test "without a directory for staging the mount reads, and says why" {
	numbers 0 9 value | store "$dir/store" >/dev/null
	touch "$dir/file"
	mount_store "$dir/store" -o "staging_dir=$dir/file/area"
	is "$(content keys/1)" 'value 1'
	fails_with EROFS mkdir "$mnt/staging/b"
	has "$(content .shardyfs/last_error)" "$dir/file"
	has "$(cat "$log")" ' WARN '
	has "$(content .shardyfs/status)" 'no_staging: '
}
