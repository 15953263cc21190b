#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=threads
#
# Snapshots that are routed by CEL: where/, routes/, keys/ by fan-out, and the
# commands that take columns.

# helpers sets the variables; each test is a subshell of its own.
# shellcheck disable=SC2030,SC2031,SC2154
load helpers

REGIONS='{"cel_columns": {"region": "string"}, "cel_expr": "region",
	"hash_algorithm": "xxh3_64", "routing_values": ["eu", "us", "a/b"],
	"strategy": "cel"}'
TIERS='{"cel_columns": {"region": "string", "tier": "int"},
	"cel_expr": "(region == \"eu\" ? 0 : 1) + tier * 2",
	"hash_algorithm": "xxh3_64", "routing_values": null,
	"strategy": "cel"}'

# Keys 42 and 9 of eu, 7 and 9 of us, 1 of a/b.
publish_regions() {
	printf '%s\t%s\n' region=eu/42 forty-two region=eu/9 nine-eu \
		region=us/7 seven region=us/9 nine-us region=a%2Fb/1 one |
		store "$dir/store" -n 3 -s "$REGIONS"
}

publish_hash() {
	numbers 0 9 hash | store "$dir/store"
}

# routing_golden NAMES...: read-write and read-only.
routing_golden() {
	local name

	require python3
	for name; do
		mount_store "$GOLDEN/$name/tree"
		python routing_check.py "$GOLDEN/$name" "$mnt" \
			"$SFS_BUILD/shardyctl"
		python golden_check.py "$GOLDEN/$name" "$mnt" "$dir/$name.inodes"
		unmount_store
		mount_store "$GOLDEN/$name/tree" -o ro
		python routing_check.py "$GOLDEN/$name" "$mnt"
		python golden_check.py "$GOLDEN/$name" "$mnt" "$dir/$name.inodes"
		unmount_store
	done
}

@test "stores routed by the key alone read as they were written" {
	routing_golden cel-direct cel-range cel-categorical-int cel-inferred-key
}

@test "stores routed by columns read as they were written" {
	routing_golden cel-direct-columns cel-inferred-columns \
		cel-categorical-str
}

@test "every example of shardyfs-routing(7) does what the page says" {
	require python3 getfattr
	publish_regions
	mount_store "$dir/store"
	cd "$dir"
	python examples.py "$SFS_TOP/man/shardyfs-routing.7"
}

@test "what several shards hold is no answer, and is listed once" {
	publish_regions
	mount_store "$dir/store"
	is "$(errno_of read "$mnt/keys/9")" ENOTUNIQ
	has "$(<"$mnt/.shardyfs/last_error")" '00000 ("eu"), 00001 ("us")'
	content_is where/region=eu/keys/9 nine-eu
	content_is where/region=us/keys/9 nine-us
	content_is routes/us/keys/9 nine-us
	content_is shards/00000/keys/9 nine-eu
	is "$(within ls -f "$mnt/keys" | tail -n +3 | tr '\n' ' ')" '1 7 9 42 '
	within ls -l "$mnt/keys" >"$dir/out" 2>&1 || true
	is "$(errno_of read "$mnt/keys/9")" ENOTUNIQ
	is "$(within ls -f "$mnt/routes" | tail -n +3 | tr '\n' ' ')" \
		'eu us a%2Fb '
	is "$(within find "$mnt/routes" -type l | wc -l)" 3
}

@test "with more shards than fanout_max the columns must be named" {
	publish_regions
	mount_store "$dir/store" -o fanout_max=2
	is "$(errno_of read "$mnt/keys/42")" EINVAL
	has "$(<"$mnt/.shardyfs/last_error")" 'where/COLUMN=VALUE/'
	is "$(errno_of list "$mnt/keys")" EINVAL
	content_is where/region=eu/keys/42 forty-two
	is "$(within ls "$mnt/shards/00001/keys" | tr '\n' ' ')" '7 9 '
}

@test "columns come in any order, each once, and all that are needed" {
	printf '%s\t%s\n' region=eu/tier=1/5 five region=us/tier=0/6 six |
		store "$dir/store" -n 4 -s "$TIERS"
	mount_store "$dir/store"
	content_is where/region=eu/tier=1/keys/5 five
	content_is where/tier=1/region=eu/keys/5 five
	content_is where/tier=01/region=%65u/keys/5 five
	is "$(within ls "$mnt/where/region=eu/tier=1")" keys
	is "$(within ls "$mnt/where/region=eu")" ''
	is "$(within ls "$mnt/where")" ''
	is "$(errno_of list "$mnt/where/region=eu/keys")" ENOENT
	has "$(<"$mnt/.shardyfs/last_error")" 'column tier is missing'
	is "$(errno_of list "$mnt/where/region=eu/region=eu")" ENOENT
	has "$(<"$mnt/.shardyfs/last_error")" 'there twice'
	is "$(errno_of list "$mnt/where/tier=x")" ENOENT
	has "$(<"$mnt/.shardyfs/last_error")" '"x" is no int'
	is "$(errno_of list "$mnt/where/tear=1")" ENOENT
	has "$(<"$mnt/.shardyfs/last_error")" 'did you mean tier?'
	is "$(errno_of list "$mnt/where/region=eu/tier=1/keys")" EOPNOTSUPP
	has "$(<"$mnt/.shardyfs/last_error")" 'are not listed'
	fails test -e "$mnt/where/region=eu/tier=1/keys/6"
	is "$(errno_of read "$mnt/where/region=eu/tier=7/keys/5")" EINVAL
	has "$(<"$mnt/.shardyfs/last_error")" 'shard 14 of 0 to 3'
	[[ "$mnt/where/region=eu/tier=1/keys/5" -ef "$mnt/keys/5" ]]
	[[ "$mnt/where/region=eu/tier=1/keys/5" -ef \
		"$mnt/current/where/tier=1/region=eu/keys/5" ]]
	is "$(errno_of create "$mnt/where/region=eu/x")" EROFS
	is "$(errno_of mkdir "$mnt/where/x")" EROFS
}

@test "a refresh brings where/ and routes/, and takes them away" {
	local old

	publish_hash
	mount_store "$dir/store" -o refresh=1h
	fails test -e "$mnt/where"
	fails test -e "$mnt/routes"
	old=$(within readlink "$mnt/current")
	publish_regions
	eventually 15 content_is where/region=eu/keys/42 forty-two
	content_is routes/eu/keys/42 forty-two
	is "$(errno_of list "$mnt/$old/where")" ENOENT
	exec 7<"$mnt/where/region=eu/keys/42"
	publish_hash
	eventually 15 content_is keys/3 'hash 3'
	fails test -e "$mnt/where"
	fails test -e "$mnt/where/region=eu/keys/42"
	fails test -e "$mnt/routes/eu"
	is "$(cat <&7)" forty-two
	exec 7<&-
}

@test "more directories of where/ than the table holds are no fault" {
	require python3
	publish_regions
	mount_store "$dir/store"
	python many_where.py "$mnt" 40000
	(($(status_of where_directories) < 35000))
	content_is where/region=eu/keys/42 forty-two
}

@test "shardyctl takes columns, and says which are missing" {
	local ctl=$SFS_BUILD/shardyctl got

	printf '%s\t%s\n' region=eu/tier=1/5 five |
		store "$dir/store" -n 4 -s "$TIERS"
	is "$("$ctl" get --column=tier=1 --column region=eu "$dir/store" 5)" five
	is "$("$ctl" get "$dir/store" 5)" five
	is "$("$ctl" route --column=tier=1 --column=region=us "$dir/store" 5)" \
		'3 shards/00003/keys/5'
	is "$("$ctl" path --column=tier=1 --column=region=a/b "$dir/store" 5)" \
		'where/region=a%2Fb/tier=1/keys/5'
	is "$(printf '5\n6\n' | "$ctl" multiget --column=tier=1 \
		--column=region=eu "$dir/store")" \
		"$(printf '%s\n' '{"key":"5","value_base64":"Zml2ZQ=="}' \
			'{"key":"6","value_base64":null}')"
	got=0
	"$ctl" route "$dir/store" 5 2>"$dir/err" || got=$?
	is "$got" 2
	has "$(<"$dir/err")" '--column=region=VALUE --column=tier=VALUE'
	got=0
	"$ctl" get --column=tier=x "$dir/store" 5 2>"$dir/err" || got=$?
	is "$got" 2
	has "$(<"$dir/err")" '"x" is no int'
	got=0
	"$ctl" get --column=tier=0 --column=region=eu "$dir/store" 5 || got=$?
	is "$got" 1
}

@test "shardyctl says UnknownRoutingToken, and what several shards hold" {
	local ctl=$SFS_BUILD/shardyctl got=0

	publish_regions
	"$ctl" route --json --column=region=mars "$dir/store" 42 \
		>"$dir/out" 2>"$dir/err" || got=$?
	is "$got" 1
	has "$(<"$dir/err")" 'UnknownRoutingToken: "mars"'
	has "$(<"$dir/out")" '"shard": null'
	got=0
	"$ctl" get "$dir/store" 9 2>"$dir/err" || got=$?
	is "$got" 4
	has "$(<"$dir/err")" '9: 2 shards hold the key'
	got=0
	"$ctl" get --column=region=mars "$dir/store" 42 || got=$?
	is "$got" 1
}

@test "shardyctl cel checks and evaluates expressions" {
	local ctl=$SFS_BUILD/shardyctl got=0

	is "$("$ctl" cel check --json --columns=a:string,b:int 'a')" \
		'{"type": "string", "categorical": true, "direct": false, "columns": ["a"]}'
	"$ctl" cel check --columns=a:int 'a > 1' >"$dir/out" || got=$?
	is "$got" 1
	has "$(<"$dir/out")" 'routes: no'
	got=0
	"$ctl" cel check 'a' 2>"$dir/err" || got=$?
	is "$got" 1
	has "$(<"$dir/err")" '--columns=NAME:TYPE'
	is "$("$ctl" cel eval --json --columns=a:int --column=a=-4 'a * 2')" \
		'{"type": "int", "value": -8, "cel": "-8"}'
	got=0
	"$ctl" cel eval --columns=a:int --column=a=0 $'1 +\n "é"' \
		2>"$dir/err" || got=$?
	is "$got" 2
	got=0
	"$ctl" cel eval --columns=a:int --column=a=0 $'\n\t("é" == "") ||\n\t1/a == 1' \
		2>"$dir/err" || got=$?
	is "$got" 1
	is "$(tail -n 2 "$dir/err")" "$(printf '  \t1/a == 1\n  \t ^')"
	got=0
	"$ctl" cel eval --columns=a:int --column=a=x 'a' 2>/dev/null || got=$?
	is "$got" 2
}
