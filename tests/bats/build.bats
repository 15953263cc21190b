#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Building with shardyctl: from files, and builds that a mount left staged.

load helpers

# Set by helpers, and by status: what was printed.
: "${dir:=}" "${mnt:=}" "${out:=}" "${err:=}"

# status STATUS ARGUMENTS...: runs shardyctl, wants that exit status; what it
# prints is in $out and $err.
status() {
	local got=0

	within "$SFS_BUILD/shardyctl" "${@:2}" >"$dir/out" 2>"$dir/err" ||
		got=$?
	out=$(<"$dir/out")
	err=$(<"$dir/err")
	is "$got" "$1" || {
		printf '%s\n' "$err"
		return 1
	}
}

# build STATUS ARGUMENTS...: into the store of this test.
build() {
	status "$1" build "$dir/store" --staging-dir="$dir/staged" \
		--key-encoding=utf8 "${@:2}"
}

setup_store() {
	mkdir "$dir/store"
	printf 'key,value\na,1\nb,2\n' >"$dir/good.csv"
	printf '{"key": "a"}\n' >"$dir/bad.jsonl"
}

@test "build publishes the records of files and of standard input" {
	setup_store
	build 0 --from="$dir/good.csv" --tag=v1
	status 0 get "$dir/store" a
	is "$out" 1
	printf 'key\tvalue\na\t3\n' >"$dir/more.tsv"
	build 0 --from=- --format=tsv --base=current <"$dir/more.tsv"
	status 0 get "$dir/store" a
	is "$out" 3
}

@test "build speaks of the files and options that were given" {
	setup_store
	build 4 --from="$dir/good.csv" --from="$dir/bad.jsonl"
	has "$err" "$dir/bad.jsonl:1:"
	build 4 --from=- --format=jsonl <"$dir/bad.jsonl"
	has "$err" 'standard input:1:'
	cp "$dir/good.csv" "$dir/good.unknown"
	build 4 --from="$dir/good.unknown"
	has "$err" "$dir/good.unknown: the name tells no format"
	build 4 --from="$dir/nosuch.csv"
	has "$err" "$dir/nosuch.csv"
	build 0 --from="$dir/good.csv" --tag=v1
	build 3 --from="$dir/good.csv" --tag=v1
	has "$err" 'tag v1 exists; give another --tag'
	is "$(grep -cE 'staging/|ingest/' "$dir/err")" 0
}

@test "publish and abort take over the build they name and no other" {
	local name

	setup_store
	mount_store "$dir/store" -o "key_encoding=utf8,staging_dir=$dir/staged"
	for name in one two three; do
		within mkdir "$mnt/staging/$name"
		printf '%s' "$name" >"$mnt/staging/$name/keys/k"
	done
	unmount_store
	cp "$dir/staged/three/lock" "$dir/lock"
	status 0 publish --staging-dir="$dir/staged" "$dir/store" one
	status 0 abort --staging-dir="$dir/staged" "$dir/store" two
	cmp "$dir/lock" "$dir/staged/three/lock"
	status 0 get "$dir/store" k
	is "$out" one
	status 4 publish --staging-dir="$dir/staged" "$dir/store" one
	has "$err" 'no build of that name'
}
