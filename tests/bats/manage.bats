#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The commands that manage the snapshots of a store: rollback, tag, diff, gc
# and verify, on stores and under mounts.

load helpers

# Set by helpers, and by status: what was printed.
: "${dir:=}" "${mnt:=}" "${out:=}" "${err:=}"

# A copy of the golden store of four publications; $id_0 is the newest.
copy_history() {
	tree=$dir/history
	cp -r "$GOLDEN/history/tree" "$tree"
	chmod -R u+w "$tree"
	status 0 history "$tree"
	mapfile -t ids < <(cut -c 3- <<<"$out")
	is "${#ids[@]}" 4
}

current_of() {
	ctl history "$1" | sed -n 's/^\* //p'
}

objects_of() {
	find "$1" -type f ! -path '*/log/*' ! -name .lock | sort
}

@test "rollback makes another snapshot current and back again" {
	copy_history
	status 0 rollback "$tree" "${ids[2]}"
	is "$out" "${ids[2]}"
	is "$(current_of "$tree")" "${ids[2]}"
	status 0 history "$tree"
	is "$(wc -l <<<"$out")" 4
	status 0 rollback --json "$tree" "${ids[0]#*-}"
	is "$(json 'd["current"]')" "${ids[0]}"
	is "$(json 'd["changed"]')" True
	status 0 rollback --json "$tree" "${ids[0]}"
	is "$(json 'd["changed"]')" False
	has "$err" 'is current already'
	is "$(find "$tree/log" -name '*_rollback.json' | wc -l)" 2
	status 4 rollback "$tree" nothing
	has "$err" 'no published snapshot is called nothing'
	status 2 rollback "$tree"
	has "$err" 'usage: shardyctl rollback'
}

@test "a mount follows a rollback" {
	copy_history
	mount_store "$tree"
	status_is snapshot "${ids[0]}"
	status 0 rollback "$mnt" "${ids[3]}"
	eventually 60 status_is snapshot "${ids[3]}"
	unmount_store
}

@test "a tag is made once, listed, usable everywhere and deleted" {
	copy_history
	status 0 tag "$tree"
	is "$out" ''
	status 0 tag "$tree" v1
	is "$out" "v1"$'\t'"${ids[0]}"
	status 0 tag "$tree" old "${ids[3]}"
	status 3 tag "$tree" old
	has "$err" "tag old exists: it names ${ids[3]}"
	status 0 tag "$tree"
	is "$out" "old"$'\t'"${ids[3]}"$'\n'"v1"$'\t'"${ids[0]}"
	status 0 tag --json "$tree"
	is "$(json 'd["tags"][0]["snapshot"]')" "${ids[3]}"

	status 0 info --json --snapshot=old "$tree"
	is "$(json 'd["snapshot"]')" "${ids[3]}"
	status 0 rollback "$tree" old
	is "$(current_of "$tree")" "${ids[3]}"

	status 0 tag --delete "$tree" old
	status 1 tag --delete "$tree" old
	has "$err" 'there is no tag old'
	status 2 tag "$tree" .hidden
	status 2 tag "$tree" a/b
	status 2 tag --delete "$tree"
	status 4 tag "$tree" v2 nothing
}

@test "diff prints what turns one snapshot into the other" {
	store "$dir/s" -n 4 < <(numbers 1 100 one) >"$dir/a"
	store "$dir/s" -n 4 < <(numbers 2 99 one; printf '50\tother\n200\tnew\n') \
		>"$dir/b"
	status 1 diff "$dir/s" "$(<"$dir/a")" current
	is "$(sort <<<"$out")" "$(printf '%s\n' '+ 200' '- 1' '- 100' '~ 50' |
		sort)"
	status 1 diff --json "$dir/s" "$(<"$dir/b")" "$(<"$dir/a")"
	is "$(wc -l <"$dir/out")" 4
	has "$out" '{"change": "removed", "key": "200"}'
	has "$out" '{"change": "changed", "key": "50"}'
	status 0 diff "$dir/s" current "$(<"$dir/b")"
	is "$out" ''
	# another number of shards
	store "$dir/s" -n 7 < <(numbers 1 100 one) >"$dir/c"
	status 0 diff "$dir/s" "$(<"$dir/a")" current
	status 1 diff "$dir/s" current "$(<"$dir/b")"
	is "$(sort <<<"$out")" "$(printf '%s\n' '+ 200' '- 1' '- 100' '~ 50' |
		sort)"
	status 2 diff "$dir/s" current
	status 4 diff "$dir/s" current nothing
}

@test "gc says what it would delete, and deletes just that" {
	copy_history
	objects_of "$tree" >"$dir/before"
	status 0 gc --keep=2 --grace=0 "$tree"
	has "$out" "would delete snapshot ${ids[2]}: old"
	has "$out" "kept ${ids[0]}: it is current"
	has "$out" "kept ${ids[1]}: among the last 2"
	objects_of "$tree" | cmp "$dir/before" -
	status 0 gc --json --keep=2 --grace=0 "$tree"
	is "$(json 'd["dry_run"]')" True
	is "$(json 'd["snapshots"]')" 2
	is "$(json '[k["name"] for k in d["kept"] if k["current"]]')" \
		"['${ids[0]}']"
	count=$(json 'd["objects"]')

	status 0 gc --json --keep=2 --grace=0 --delete "$tree"
	is "$(json 'd["dry_run"]')" False
	is "$(json 'd["objects"]')" "$count"
	is "$(objects_of "$tree" | wc -l)" "$(($(wc -l <"$dir/before") - count))"
	status 0 history "$tree"
	is "$(wc -l <<<"$out")" 2
	status 0 verify "$tree"
	status 0 verify --snapshot="${ids[1]}" "$tree"
	[[ -n $(find "$tree/log" -name '*_gc.json') ]]
}

@test "gc keeps what is young, tagged, pinned or mounted" {
	copy_history
	status 0 gc --grace=3650d --keep=1 "$tree"
	has "$out" 'would delete snapshots: 0, objects: 0,'
	status 0 tag "$tree" keep-me "${ids[3]}"
	start "$tree" "$mnt" -o "ref=${ids[1]}"
	status 0 gc --delete --grace=0 --keep=1 "--pin=${ids[2]}" "$tree"
	has "$out" "kept ${ids[3]}: tag keep-me"
	has "$out" "kept ${ids[2]}: pinned"
	has "$out" "kept ${ids[1]}: a reader holds it open"
	has "$out" 'deleted snapshots: 0,'
	unmount_store
	status 0 gc --delete --grace=0 --keep=1 "--pin=${ids[2]}" "$tree"
	has "$out" "deleted snapshot ${ids[1]}: old"
	status 4 gc --pin=nothing "$tree"
	status 2 gc --keep=0 "$tree"
}

@test "gc deletes what failed and dead runs left behind" {
	cp -r "$GOLDEN/runs/tree" "$dir/runs"
	chmod -R u+w "$dir/runs"
	status 0 gc --delete --grace=1m "$dir/runs"
	has "$out" 'deleted run nightly-2026.01_bad'
	has "$out" 'kept killed-in-the-middle: its writer is gone: claimed'
	grep -q '^error_type: GarbageCollected$' \
		"$dir"/runs/runs/*killed-in-the-middle*/run.yaml
	[[ ! -e $dir/runs/shards/run_id=nightly-2026.01_bad ]]
	status 0 gc --delete --grace=0 "$dir/runs"
	[[ ! -e $dir/runs/shards/run_id=killed-in-the-middle ]]
	status 0 verify "$dir/runs"
}

@test "verify finds nothing wrong with the golden snapshots" {
	local name

	for name in hash-one hash-raw hash-sparse hash-u64be losers; do
		status 0 verify --threads=2 "$GOLDEN/$name/tree"
		has "$out" 'no digest in the manifest'
		has "$out" 'faults: 0'
	done
	for name in cel-direct cel-inferred-key cel-range; do
		status 0 verify "$GOLDEN/$name/tree"
		[[ $out != *'routing is not checked'* ]]
	done
	status 0 verify "$GOLDEN/cel-direct-columns/tree"
	has "$out" 'routing is not checked: it needs columns'
	status 0 verify --json "$GOLDEN/cel-direct-columns/tree"
	has "$out" '"routing_checked": false'
	status 0 verify --json "$GOLDEN/hash-u64be/tree"
	has "$out" '"routing_checked": true'
	is "$(json 'd["rows"]')" 1000
}

@test "verify names the damage and its shard" {
	local shard

	cp -r "$GOLDEN/hash-u64be/tree" "$dir/s"
	chmod -R u+w "$dir/s"
	shard=$(find "$dir/s/shards" -path '*db=00003/*' -name shard.db)
	printf 'rubbish' >"$shard"
	rm "$(find "$dir/s/shards" -path '*db=00005/*' -name shard.db)"
	status 1 verify "$dir/s"
	has "$out" 'shard 3: ShardCorruptError: shards/run_id='
	has "$out" 'shard 5: ShardMissingError: shards/run_id='
	has "$out" 'faults: 2'
	status 1 verify --json "$dir/s"
	has "$out" '{"shard": 3, "error": "ShardCorruptError", '
}
