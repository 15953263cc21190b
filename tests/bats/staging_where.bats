#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Files with columns on a real mount: where/COLUMN=VALUE/keys/ in staging,
# written by ordinary programs, published and read below where/ of the root.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154
load helpers

# mount_routed [SETTINGS]: a build "b" by region and tier.
mount_routed() {
	mkdir "$dir/store"
	mount_store "$dir/store" -o "settle=0,key_encoding=utf8"
	build=$mnt/staging/b
	within mkdir "$build"
	cat >"$dir/config.yaml" <<-'END'
	cel: 'region + ":" + string(tier)'
	cel_columns: {tier: int, region: string}
	routing_values: inferred
	END
	within cp "$dir/config.yaml" "$build/"
}

put() {
	printf '%s' "$2" | within tee "$build/$1" >/dev/null
}

publish() {
	within mv "$build" "$mnt/publish/" || {
		content staging/b/errors
		return 1
	}
}

# A tree of files as where/ shows them: eu and us, 1 and 2, a few keys each.
make_plain() {
	local region tier

	for region in eu us; do
		for tier in 1 2; do
			mkdir -p "$dir/plain/region=$region/tier=$tier/keys"
			(
				cd "$dir/plain/region=$region/tier=$tier/keys" || exit
				printf '%s' "$region $tier a" >a
				printf '%s' "$region $tier b" >b
				: >empty
				head -c 300000 /dev/zero | tr '\0' "$tier" >big
			)
		done
	done
}

# Every file of the tree is below where/ of the root, columns in both orders.
check_published() {
	local region tier

	for region in eu us; do
		for tier in 1 2; do
			within diff "$dir/plain/region=$region/tier=$tier/keys/$1" \
				"$mnt/where/region=$region/tier=$tier/keys/$1"
			within diff "$dir/plain/region=$region/tier=$tier/keys/$1" \
				"$mnt/where/tier=$tier/region=$region/keys/$1"
		done
	done
}

check_all_published() {
	local name

	for name in a b empty big; do
		check_published "$name"
	done
}

@test "cat writes keys below their columns, and they are read there" {
	mount_routed
	put where/region=eu/tier=1/keys/42 forty-two
	put where/tier=2/region=eu/keys/42 another
	within mkdir -p "$build/where/region=us/tier=01/keys"
	put where/region=us/tier=01/keys/42 us
	put where/region=a%2Fb/tier=-1/keys/x%2Fy slash
	printf more >>"$build/where/tier=1/region=eu/keys/42"
	is "$(within ls "$build/where")" $'region=a%2Fb\nregion=eu\nregion=us'
	is "$(within ls "$build/where/region=eu")" $'tier=1\ntier=2'
	is "$(within ls "$build/where/tier=1")" $'region=eu\nregion=us'
	is "$(cd "$build" && within find where -type f | sort)" \
'where/region=a%2Fb/tier=-1/keys/x%2Fy
where/region=eu/tier=1/keys/42
where/region=eu/tier=2/keys/42
where/region=us/tier=1/keys/42'
	has "$(content staging/b/plan.json)" '"num_dbs": 4'
	publish
	is "$(content where/region=eu/tier=1/keys/42)" forty-twomore
	is "$(content where/region=eu/tier=2/keys/42)" another
	is "$(content where/tier=1/region=us/keys/42)" us
	is "$(content where/region=a%2Fb/tier=-1/keys/x%2Fy)" slash
	ctl verify "$dir/store"
}

@test "cp -a takes a tree of columns" {
	mount_routed
	make_plain
	within cp -a "$dir/plain/." "$build/where/"
	within diff -r "$dir/plain" "$build/where"
	is "$(within stat -c %y "$build/where/region=eu/tier=1/keys/a")" \
		"$(stat -c %y "$dir/plain/region=eu/tier=1/keys/a")"
	publish
	check_all_published
}

@test "rsync takes one, in place and over temporary files" {
	require rsync
	mount_routed
	make_plain
	within rsync -r "$dir/plain/" "$build/where/"
	printf changed >"$dir/plain/region=eu/tier=1/keys/a"
	within rsync -rc --inplace "$dir/plain/" "$build/where/"
	within diff -r "$dir/plain" "$build/where"
	publish
	check_all_published
}

@test "tar x -P takes one" {
	mount_routed
	make_plain
	tar -C "$dir/plain" -cf "$dir/plain.tar" --transform 's,^\./,,' .
	within tar -C "$build/where" -xPf "$dir/plain.tar"
	within diff -r "$dir/plain" "$build/where"
	publish
	check_all_published
}

@test "files below columns behave as on any filesystem" {
	mount_routed
	within mkdir -p "$build/where/region=eu/tier=1/keys"
	python staged_calls.py "$build/where/region=eu/tier=1/keys"
	python fsx.py "$build/where/region=eu/tier=1/keys/fsx" \
		"$build/where/tier=2/region=us/keys/fsx" 2000 "$RANDOM"
	within rm -r "$build/where/region=eu" "$build/where/region=us"
	put where/region=eu/tier=1/keys/a one
	within mv "$build/where/region=eu/tier=1/keys/a" \
		"$build/where/tier=2/region=us/keys/b"
	is "$(content staging/b/where/region=us/tier=2/keys/b)" one
	fails test -e "$build/where/region=eu/tier=1/keys/a"
	put keys/c plain
	within mv "$build/keys/c" "$build/where/region=eu/tier=1/keys/"
	is "$(content staging/b/where/tier=1/region=eu/keys/c)" plain
	within sync "$build/where/region=eu/tier=1/keys" \
		"$build/where/region=eu/tier=1/keys/c"
	exec {fd}<"$build/where/region=eu/tier=1/keys/c"
	within rm "$build/where/tier=1/region=eu/keys/c"
	is "$(cat <&"$fd")" plain
	exec {fd}<&-
	is "$(within ls -A "$build/where/region=eu/tier=1/keys")" ''
}

@test "columns that cannot be are refused, and the reason is told" {
	mount_routed
	fails_with ENOENT stat "$build/where/regoin=eu"
	has "$(content .shardyfs/last_error)" 'did you mean region?'
	fails_with EINVAL mkdir "$build/where/regoin=eu"
	fails_with EINVAL mkdir "$build/where/tier=x"
	has "$(content .shardyfs/last_error)" '"x" is no int'
	fails_with EEXIST mkdir "$build/where/tier=1"
	fails_with ENOENT stat "$build/where/tier=1/tier=2"
	fails_with ENOENT stat "$build/where/tier=1/keys"
	has "$(content .shardyfs/last_error)" 'column region is missing'
	fails_with EPERM create "$build/where/tier=1/file"
	fails_with EPERM mkdir "$build/where/tier=1/region=eu/keys/x"
	fails_with EINVAL create "$build/where/tier=1/region=eu/keys/%41"
	has "$(content .shardyfs/last_error)" \
		'where/region=eu/tier=1/keys/%41: write it as A'
}

@test "a file without columns is refused by name, and moves to its columns" {
	mount_routed
	put keys/a plain
	fails within mv "$build" "$mnt/publish/" 2>/dev/null
	has "$(content staging/b/errors)" 'keys/a: keys are routed by columns'
	has "$(content staging/b/errors)" '=VALUE/keys/'
	within mv "$build/keys/a" "$build/where/region=eu/tier=1/keys/"
	publish
	is "$(content where/region=eu/tier=1/keys/a)" plain
}

@test "on a base, keys are shown, changed, moved and removed by columns" {
	mount_routed
	make_plain
	within cp -r "$dir/plain/." "$build/where/"
	publish
	within mkdir "$build"
	within ln -s ../../current "$build/base"
	is "$(content staging/b/where/region=eu/tier=1/keys/a)" 'eu 1 a'
	is "$(within ls "$build/where")" ''
	put where/region=eu/tier=1/keys/new new
	printf +more >>"$build/where/region=eu/tier=1/keys/a"
	within truncate -s 2 "$build/where/tier=2/region=us/keys/b"
	within rm "$build/where/region=us/tier=1/keys/a"
	fails test -e "$build/where/tier=1/region=us/keys/a"
	within mv "$build/where/region=eu/tier=2/keys/a" \
		"$build/where/region=us/tier=2/keys/moved"
	is "$(cd "$build" && within find where -type f | sort)" \
'where/region=eu/tier=1/keys/a
where/region=eu/tier=1/keys/new
where/region=us/tier=2/keys/b
where/region=us/tier=2/keys/moved'
	publish
	is "$(content where/region=eu/tier=1/keys/a)" 'eu 1 a+more'
	is "$(content where/region=eu/tier=1/keys/new)" new
	is "$(content where/region=us/tier=2/keys/b)" us
	is "$(content where/region=us/tier=2/keys/moved)" 'eu 2 a'
	is "$(content where/region=us/tier=2/keys/a)" 'us 2 a'
	fails_with ENOENT stat "$mnt/where/region=us/tier=1/keys/a"
	fails_with ENOENT stat "$mnt/where/region=eu/tier=2/keys/a"
	check_published big
	ctl verify "$dir/store"
}

@test "what was synced survives kill -9, and rm -r ends it all" {
	local name

	name=$(printf '%0240d' 7)
	mount_routed
	put where/region=eu/tier=1/keys/a kept
	put "where/region=eu/tier=1/keys/$name" 'long name'
	within sync "$build/where/region=eu/tier=1/keys/a" \
		"$build/where/region=eu/tier=1/keys/$name" \
		"$build/where/region=eu/tier=1/keys"
	kill -9 "$daemon"
	disown_daemon "$daemon"
	wait "$daemon" || true
	mount_store "$dir/store" -o "settle=0,key_encoding=utf8"
	is "$(content staging/b/where/tier=1/region=eu/keys/a)" kept
	is "$(within ls "$build/where/region=eu/tier=1/keys")" "$name"$'\na'
	fails_with ENOTEMPTY rmdir "$build/where/region=eu"
	fails_with ENOTEMPTY rmdir "$build/where"
	fails_with ENOTEMPTY rmdir "$build"
	put where/region=us/tier=1/keys/b x
	put where/region=us/tier=1/keys/.scratch x
	put where/region=us/tier=2/keys/b x
	within rm -r "$build"
	is "$(within ls -A "$mnt/staging")" ''
	is "$(find "$dir/area" -name where)" ''
}

@test "columns that are not of config.yaml any more lead to their files" {
	mount_routed
	put where/region=eu/tier=1/keys/a one
	put where/region=eu/tier=1/keys/b two
	printf 'num_dbs: 2\n' | within tee "$build/config.yaml" >/dev/null
	fails within mv "$build" "$mnt/publish/" 2>/dev/null
	has "$(content staging/b/errors)" \
		'where/region=eu/tier=1/keys/a: keys of this build are routed by hash'
	within mv "$build/where/region=eu/tier=1/keys/a" "$build/keys/"
	within rm -r "$build/where"
	fails test -e "$build/where"
	publish
	is "$(within ls "$mnt/keys")" a
}
