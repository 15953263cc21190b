#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Building snapshots that are routed by expressions and ranges: on a mount, and
# by shardyctl build, read back through shards/ and keys/.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154
load helpers

mount_empty() {
	mkdir "$dir/store"
	mount_store "$dir/store" -o "settle=0,key_encoding=utf8"
}

# settings NAME: standard input is config.yaml.
settings() {
	within tee "$mnt/staging/$1/config.yaml" >"$dir/tee"
}

# shard N: the names of its keys.
shard() {
	within ls "$mnt/shards/0000$1/keys" | paste -sd ' ' -
}

# What ctl says, whatever its status.
ctl_says() {
	ctl "$@" 2>&1 || true
}

by_region() {
	printf 'cel: region\ncel_columns: {region: string, tier: int}\n'
	printf 'routing_values: %s\n' "$1"
}

@test "records with columns go to the shard of their routing value" {
	mount_empty
	within mkdir "$mnt/staging/x"
	by_region '[us, eu]' | settings x
	cat >"$mnt/staging/x/ingest/a.jsonl" <<-'END'
	{"key": "a", "columns": {"region": "eu", "tier": 1}, "value": "1"}
	{"key": "b", "columns": {"tier": 2, "region": "us"}, "value": "2"}
	END
	printf 'key,tier,value,region\nc,3,3,eu\n' \
		>"$mnt/staging/x/ingest/b.csv"
	within mv "$mnt/staging/x" "$mnt/publish/"
	is "$(shard 0)" b
	is "$(shard 1)" 'a c'
	is "$(content keys/a)" 1
	is "$(content keys/b)" 2
	is "$(content keys/c)" 3
	ctl verify "$dir/store"
}

@test "a wrong setting is EINVAL when it is written, and says why" {
	mount_empty
	within mkdir "$mnt/staging/x"
	printf 'num_dbs: 4\ncel: region\n' >"$dir/bad.yaml"
	fails within cp "$dir/bad.yaml" "$mnt/staging/x/config.yaml"
	has "$(content .shardyfs/last_error)" 'config.yaml:2: cel: '
	has "$(content staging/x/errors)" 'to be named in cel_columns'
	fails within mv "$mnt/staging/x" "$mnt/publish/"
	by_region inferred | settings x
	is "$(content staging/x/errors)" ''
}

@test "inferred values and what cannot be routed are seen in status, errors" {
	mount_empty
	within mkdir "$mnt/staging/x"
	by_region inferred | settings x
	printf 'key,region,tier,value\na,us,1,1\nb,eu,x,2\n' >"$dir/a.csv"
	fails within cp "$dir/a.csv" "$mnt/staging/x/ingest/"
	has "$(content staging/x/errors)" \
		'ingest/a.csv:3: column tier: expected int, got "x"'
	printf 'key,region,tier,value\na,us,1,1\nb,eu,2,2\n' \
		>"$mnt/staging/x/ingest/a.csv"
	printf x >"$mnt/staging/x/keys/c"
	fails within mv "$mnt/staging/x" "$mnt/publish/"
	has "$(content staging/x/errors)" \
		'keys/c: keys are routed by columns (region)'
	within rm "$mnt/staging/x/keys/c"
	within sync "$mnt/staging/x"
	has "$(content staging/x/status)" 'routing: cel, routing values'
	has "$(content staging/x/status)" 'routing_values: 2'
	has "$(content staging/x/plan.json)" '"num_dbs": 2'
	within mv "$mnt/staging/x" "$mnt/publish/"
	is "$(shard 0) $(shard 1)" 'b a'
}

@test "a build on a routed base changes, adds and removes" {
	mount_empty
	within mkdir "$mnt/staging/x"
	by_region '[us, eu]' | settings x
	printf 'key,region,tier,value\na,us,1,1\nb,eu,2,2\nc,eu,2,3\n' \
		>"$mnt/staging/x/ingest/a.csv"
	within mv "$mnt/staging/x" "$mnt/publish/"
	within mkdir "$mnt/staging/y"
	within ln -s ../../current "$mnt/staging/y/base"
	echo 'sharding: hash' >"$dir/hash.yaml"
	fails within cp "$dir/hash.yaml" "$mnt/staging/y/config.yaml"
	has "$(content .shardyfs/last_error)" 'remove the link base'
	printf '' >"$mnt/staging/y/config.yaml"
	within rm "$mnt/staging/y/where/region=eu/keys/b"
	printf 'key,region,tier,value,delete\nd,us,1,4,\nc,eu,1,,true\n' \
		>"$mnt/staging/y/ingest/a.csv"
	within mv "$mnt/staging/y" "$mnt/publish/"
	is "$(shard 0)" 'a d'
	is "$(within ls "$mnt/keys" | paste -sd ' ' -)" 'a d'
	ctl verify "$dir/store"
}

@test "ranges: shards follow each other in key order" {
	local i

	mount_empty
	within mkdir "$mnt/staging/x"
	printf 'key_encoding: u64be\nranges: auto\nnum_dbs: 4\n' | settings x
	for i in 7 3 5 1; do
		printf %s "$i" >"$mnt/staging/x/keys/$i"
	done
	printf 'key,value\n2,2\n4,4\n6,6\n8,8\n' \
		>"$mnt/staging/x/ingest/a.csv"
	within mv "$mnt/staging/x" "$mnt/publish/"
	is "$(shard 0)-$(shard 1)-$(shard 2)-$(shard 3)" '1 2-3 4-5 6-7 8'
	is "$(content keys/6)" 6
}

@test "shardyctl build routes by the same settings" {
	local says

	mkdir "$dir/store" "$dir/ranges"
	printf 'key,region,value\na,us,1\nb,eu,2\n' >"$dir/a.csv"
	ctl build "$dir/store" --from="$dir/a.csv" --key-encoding=utf8 \
		--cel=region --cel-columns=region:string \
		--routing-values=us,eu --staging-dir="$dir/st"
	has "$(ctl info "$dir/store")" '"routing_values": ["us", "eu"]'
	ctl verify "$dir/store"
	says=$(ctl_says build "$dir/store" --from="$dir/a.csv" \
		--cel=area --staging-dir="$dir/st")
	has "$says" 'config.yaml:1: cel: '
	printf 'key,value\n5,a\n1000,b\n70000,c\n' >"$dir/b.csv"
	ctl build "$dir/ranges" --from="$dir/b.csv" --bounds=1000,65536 \
		--staging-dir="$dir/st"
	has "$(ctl info "$dir/ranges")" 'num_dbs: 3'
	says=$(ctl_says build "$dir/ranges" --from="$dir/b.csv" --ranges=auto \
		--bounds=5 --staging-dir="$dir/st")
	has "$says" 'contradicts ranges'
	ctl build "$dir/ranges" --from="$dir/b.csv" --cel='key % 2 == 0 ? 0 : 1' \
		--cel-columns=key:int --staging-dir="$dir/st"
	has "$(ctl info "$dir/ranges")" 'num_dbs: 2'
}
