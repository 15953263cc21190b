#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# shardyctl on stores and on mounts: what it prints, and its exit statuses.

load helpers

# Set by helpers, and by status: what was printed.
: "${dir:=}" "${mnt:=}" "${daemon:=}" "${out:=}" "${err:=}"

# check_golden NAME [OPTIONS...]
check_golden() {
	require python3
	python shardyctl_check.py "$SFS_BUILD/shardyctl" "$GOLDEN/$1" "${@:2}"
}

hash_u64be() {
	tree=$GOLDEN/hash-u64be/tree
}

# Freezes the daemon: every request to the mount hangs from now on.
freeze() {
	kill -STOP "$daemon"
}

@test "--help lists the commands, and each has a --help of its own" {
	local name

	status 0 --help
	has "$out" 'multiget'
	cp "$dir/out" "$dir/help"
	sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' "$dir/help" \
		>"$dir/commands"
	is "$(wc -l <"$dir/commands")" 24
	while read -r name; do
		status 0 "$name" --help
		has "$out" "Usage: shardyctl $name "
		has "$out" '  --json '
		status 0 "$name" -h
	done <"$dir/commands"
	status 0 --version
	has "$out" 'shardyctl '
}

@test "what is mistyped is answered with what was probably meant" {
	hash_u64be
	status 2 gett "$tree" 42
	has "$err" 'did you mean get?'
	status 2 get --snapshoot=x "$tree" 42
	has "$err" 'did you mean --snapshot?'
	status 2 get --jso "$tree" 42
	has "$err" 'did you mean --json?'
	status 2 xyzzy
	status 2 get "$tree"
	has "$err" 'usage: shardyctl get'
	status 2 get "$tree" 42 43
	status 2 get --json=yes "$tree" 42
	status 2 get "$tree" 42 --snapshot
	status 2 multiget --threads=0 "$tree"
	status 2 multiget --format=xml "$tree"
	status 2 multiget --format=kv --json "$tree"
	status 2 info --run-prefix=../x "$tree"
	status 2
}

@test "every command prints JSON" {
	local command

	hash_u64be
	for command in 'get --json TREE 42' 'info --json TREE' \
		'shards --json TREE' 'route --json TREE 42' \
		'path --json TREE 42' 'key --json TREE 42' \
		'history --json TREE' 'doctor --json TREE'; do
		# shellcheck disable=SC2086
		status 0 ${command//TREE/$tree}
		json 'type(d).__name__'
	done
}

@test "get prints the bytes alone, and nothing for an absent key" {
	hash_u64be
	status 0 get "$tree" 42
	is "$out" x
	status 0 get "$tree" 0
	is "$out" ''
	status 1 get "$tree" 43
	is "$out$err" ''
	status 0 get --json "$tree" 42
	is "$(json 'd["key"], d["found"], d["shard"], d["value_base64"]')" \
		"('42', True, 0, 'eA==')"
	status 1 get --json "$tree" 43
	is "$(json 'd["found"], d["value_base64"]')" '(False, None)'
}

@test "get refuses a name that no key can have, saying why" {
	hash_u64be
	status 2 get "$tree" abc
	is "$out" ''
	has "$err" '"abc" is no u64be key'
	status 2 get "$tree" 042
	status 2 get "$tree" 9223372036854775808
	status 2 get "$GOLDEN/hash-utf8/tree" 'a%zz'
	status 2 get "$tree" -- -1
}

@test "get tells a fault from an absent key" {
	status 4 get "$dir/nowhere" 42
	has "$err" "$dir/nowhere"
	status 4 get "$mnt" 42
	has "$err" 'nothing is published'
	status 4 get s3://bucket/prefix 42
	hash_u64be
	status 4 get --snapshot=nosuch "$tree" 42
	has "$err" 'no published snapshot is called nosuch'
	cp -r "$tree" "$dir/store"
	find "$dir/store" -name shard.db -delete
	status 4 get "$dir/store" 42
	is "$out" ''
	has "$err" 'the shard is gone'
}

@test "an answer that cannot be written is a fault" {
	hash_u64be
	run -4 bash -c "exec '$SFS_BUILD/shardyctl' get '$tree' 42 >/dev/full"
	has "$output" 'No space left'
	run -4 bash -c "echo 42 |
		'$SFS_BUILD/shardyctl' multiget '$tree' >/dev/full"
	has "$output" 'No space left'
}

@test "get passes a value of any size on" {
	head -c 20000000 /dev/urandom | base64 -w 0 >"$dir/value"
	{
		printf '7\t'
		cat "$dir/value"
		printf '\n8\tsmall\n'
	} | store "$dir/store" -n 2
	ctl get "$dir/store" 7 | cmp - "$dir/value"
	status 0 get --json "$dir/store" 7
	is "$(json '__import__("base64").b64decode(d["value_base64"]).decode()' |
		md5sum)" "$(echo "$(<"$dir/value")" | md5sum)"
	printf '7\n8\n9\n7\n' | ctl multiget --format=kv "$dir/store" \
		>"$dir/out"
	is "$(stat -c %s "$dir/out")" \
		"$((2 * $(stat -c %s "$dir/value") + 4 * 16 + 5))"
	tail -c "$(stat -c %s "$dir/value")" "$dir/out" | cmp - "$dir/value"
}

@test "integer keys are answered as they were written" {
	check_golden hash-one
	check_golden hash-u32be
	check_golden hash-u64be
	check_golden hash-pages
}

@test "text and raw keys are answered, however long their names are" {
	has "$(check_golden hash-utf8)" '1 with long names'
	check_golden hash-raw
}

@test "stores with empty shards, losers and other layouts are answered" {
	check_golden hash-sparse
	check_golden hash-parallel
	check_golden losers
	check_golden runs
	check_golden sqlite-sidecar
	check_golden hash-layout --run-prefix=builds
}

@test "every snapshot of a history is answered by its run id" {
	check_golden history
	check_golden history-rolled-back
}

@test "multiget answers in order, whatever the threads and the repeats" {
	local threads

	numbers 0 29999 value | store "$dir/store" -n 7
	seq 0 60000 | shuf --random-source="$MKSTORE" >"$dir/shuffled"
	cat "$dir/shuffled" "$dir/shuffled" >"$dir/names"
	for threads in 1 2 5; do
		ctl multiget --threads=$threads "$dir/store" <"$dir/names" \
			>"$dir/out"
		"$PYTHON" -I -S -c '
import base64, json, sys
names = open(sys.argv[1]).read().split()
answers = [json.loads(line) for line in open(sys.argv[2])]
assert len(names) == len(answers), len(answers)
for name, answer in zip(names, answers):
    value = b"value %s" % name.encode() if int(name) < 30000 else None
    got = answer["value_base64"]
    assert answer["key"] == name
    assert (got and base64.b64decode(got)) == value, (name, got)
' "$dir/names" "$dir/out"
	done
}

@test "multiget holds a bounded amount of memory" {
	require python3
	"$MKSTORE" -n 4 -g 500 -v 1000000 "$dir/store"
	seq 0 499 | shuf --random-source="$MKSTORE" >"$dir/names"
	ctl multiget --format=kv --threads=1 "$dir/store" <"$dir/names" |
		md5sum >"$dir/first"
	within "$PYTHON" -I -S -c '
import resource, subprocess, sys
names = open(sys.argv[3])
subprocess.run([sys.argv[1], "multiget", "--format=kv", "--threads=3",
                sys.argv[2]], stdin=names, check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak, "KiB at most", file=sys.stderr)
if b"__asan_init" not in open(sys.argv[1], "rb").read():
    assert peak < 350 * 1024, peak
' "$SFS_BUILD/shardyctl" "$dir/store" "$dir/names" | md5sum >"$dir/second"
	is "${PIPESTATUS[0]}" 0
	cmp "$dir/first" "$dir/second"
}

@test "multiget answers names that can be no key as absent, and says so" {
	hash_u64be
	printf '42\nabc\n\n43\n255' >"$dir/names"
	status 2 multiget "$tree" <"$dir/names"
	is "$(wc -l <"$dir/out")" 5
	has "$err" '2 names can be no u64be key'
	has "$err" 'line 2'
	is "$(sed -n 2p "$dir/out")" '{"key":"abc","value_base64":null}'
	is "$(sed -n 5p "$dir/out")" '{"key":"255","value_base64":"AAAAAA=="}'
	status 0 multiget "$tree" </dev/null
	is "$out" ''
}

@test "multiget answers a name before it asks for the next one" {
	hash_u64be
	coproc within "$SFS_BUILD/shardyctl" multiget "$tree"
	printf '42\n' >&"${COPROC[1]}"
	read -r -t 30 answer <&"${COPROC[0]}"
	is "$answer" '{"key":"42","value_base64":"eA=="}'
	printf '43\n' >&"${COPROC[1]}"
	read -r -t 30 answer <&"${COPROC[0]}"
	is "$answer" '{"key":"43","value_base64":null}'
}

@test "multiget stops at a fault" {
	hash_u64be
	cp -r "$tree" "$dir/store"
	find "$dir/store" -name shard.db | head -n 1 | xargs truncate -s 100
	seq 0 1000 >"$dir/names"
	status 4 multiget "$dir/store" <"$dir/names"
	has "$err" 'shardyctl: '
	has "$err" 'shard.db: '
}

@test "info and shards tell what the manifest says" {
	status 0 info "$GOLDEN/hash-sparse/tree"
	has "$out" 'key_encoding: u64be'
	has "$out" 'num_dbs: 64'
	has "$out" 'rows: 20'
	has "$out" 'empty_shards: 46'
	status 0 info --json "$GOLDEN/hash-sparse/tree"
	is "$(json 'd["num_dbs"], d["rows"], d["sharding"]["strategy"]')" \
		"(64, 20, 'hash')"
	status 0 shards "$GOLDEN/hash-sparse/tree"
	is "$(wc -l <"$dir/out")" 64
	is "$(awk -F '\t' '{ rows += $2 } END { print NF, rows }' \
		"$dir/out")" '6 20'
	status 0 shards --json "$GOLDEN/hash-utf8/tree"
	is "$(json 'len(d["shards"]), sum(s["rows"] for s in d["shards"])')" \
		"(5, $(wc -l <"$GOLDEN/hash-utf8/expected.jsonl"))"
	status 4 info "$dir/nowhere"
}

@test "route, path and key go from names to shards and keys, and back" {
	hash_u64be
	status 0 route "$tree" 42
	is "$out" '0 shards/00000/keys/42'
	status 0 route --json "$tree" 1
	is "$(json 'd["shard"], d["path"]')" "(6, 'shards/00006/keys/1')"
	status 2 route "$tree" x
	status 0 path "$GOLDEN/hash-utf8/tree" '.a/b%'
	is "$out" '%2Ea%2Fb%25'
	status 0 key "$GOLDEN/hash-utf8/tree" "$out"
	is "$out" $'hex: 2e612f6225\ntext: ".a/b%"'
	status 0 path "$GOLDEN/hash-raw/tree" --hex=ff0041
	is "$out" '%FF%00A'
	status 0 key --json "$GOLDEN/hash-raw/tree" '%ff%00A'
	is "$(json 'd["name"], d["key_hex"], d["text"]')" \
		"('%FF%00A', 'ff0041', None)"
	status 0 path "$tree" --hex 000000000000002A
	is "$out" 42
	status 0 key "$tree" 42
	is "$out" $'hex: 000000000000002a\ntext: "42"'
	status 2 path "$tree" --hex=00
	status 2 path "$tree" --hex=0g
	status 2 path "$tree" 042
	status 2 path "$tree"
	status 2 path "$tree" 42 --hex=00
}

@test "history marks what is current" {
	status 0 history "$GOLDEN/history-rolled-back/tree"
	is "$(wc -l <"$dir/out")" 4
	is "$(grep -c '^\* ' "$dir/out")" 1
	has "$(grep '^\* ' "$dir/out")" "$("$PYTHON" -I -S -c '
import json, sys
print(json.load(open(sys.argv[1]))["current_run_id"])' \
		"$GOLDEN/history-rolled-back/store.json")"
	is "$(sort -r -k 1.3 "$dir/out")" "$out"
	status 0 history --json "$GOLDEN/history-rolled-back/tree"
	is "$(json '[s["current"] for s in d["snapshots"]].count(True)')" 1
	status 0 history "$mnt"
	is "$out" ''
}

@test "doctor names what is broken" {
	hash_u64be
	status 0 doctor "$tree"
	has "$out" 'ok   shards: 8 open'
	cp -r "$tree" "$dir/store"
	find "$dir/store" -name shard.db | head -n 1 | xargs rm
	status 1 doctor "$dir/store"
	has "$out" 'FAIL shards: 1 of 8 cannot be opened'
	status 1 doctor --json "$dir/store"
	is "$(json 'd["ok"]')" False
	printf '{' >"$dir/store/_CURRENT"
	status 1 doctor "$dir/store"
	has "$out" 'FAIL _CURRENT'
	status 1 doctor "$dir/nowhere"
	has "$out" 'FAIL store'
}

@test "a mount point stands for its store and what the mount shows" {
	first=$(numbers 0 9 one | store "$dir/store" -n 2)
	mount_store "$dir/store" -o ref="$first"
	numbers 0 9 two | store "$dir/store" -n 2
	status 0 get "$mnt" 3
	is "$out" 'one 3'
	status 0 get "$dir/store" 3
	is "$out" 'two 3'
	status 0 history "$mnt"
	is "$(wc -l <"$dir/out")" 2
	(cd "$mnt" && is "$("$SFS_BUILD/shardyctl" get . 3)" 'one 3')
	ln -s "$mnt" "$dir/link"
	status 0 get "$dir/link/" 3
	is "$out" 'one 3'
	status 4 get "$mnt/keys" 3
	has "$err" 'lies inside the mount'
}

@test "status and health show the mount's own words" {
	numbers 0 9 one | store "$dir/store" -n 2
	mount_store "$dir/store"
	status 0 status "$mnt"
	has "$out" "pid: $daemon"
	status 0 status --json "$mnt"
	is "$(json 'd["pid"], d["health"]')" "($daemon, 'healthy')"
	status 0 health "$mnt"
	is "$out" healthy
	status 4 health "$dir/store"
	has "$err" 'no mount of shardyfs is there'
	printf '{' >"$dir/store/_CURRENT"
	eventually 10 status 1 health "$mnt"
	has "$out" 'degraded: _CURRENT'
	expect_log 'refresh failed'
	status 1 health --json "$mnt"
	is "$(json 'd["health"]')" degraded
}

@test "wait ends when the mount shows the snapshot, or at the timeout" {
	first=$(numbers 0 9 one | store "$dir/store" -n 2)
	mount_store "$dir/store" -o refresh=0
	status 0 wait "$mnt"
	is "$out" "$first"
	status 0 wait "$mnt" --snapshot="${first#*-}"
	second=$(numbers 0 9 two | store "$dir/store" -n 2)
	status 1 wait "$mnt" --timeout=100ms
	has "$err" "the mount shows $first"
	status 1 wait "$mnt" --newer-than="$first" --timeout=100ms --json
	is "$(json 'd["reached"], d["snapshot"]')" "(False, '$first')"
	ctl wait "$mnt" --newer-than="$first" --timeout=30s >"$dir/shown" &
	status 0 refresh "$mnt"
	wait $!
	is "$(<"$dir/shown")" "$second"
	status 0 wait "$mnt" --timeout=30s
	status 2 wait "$mnt" --newer-than=yesterday
	status 2 wait "$mnt" --timeout=soon
	status 2 wait "$mnt" --snapshot="$first" --newer-than="$first"
	status 4 wait "$dir/store"
}

@test "refresh --wait returns when the new snapshot is shown" {
	numbers 0 9 one | store "$dir/store" -n 2
	mount_store "$dir/store" -o refresh=0
	second=$(numbers 0 9 two | store "$dir/store" -n 2)
	status 0 refresh "$mnt" --wait --timeout=30s
	is "$out" "$second"
	is "$(within cat "$mnt/keys/3")" 'two 3'
	status 0 refresh --json "$mnt"
	is "$(json 'd["refreshed"]')" True
}

@test "refresh reaches a read-only mount through its daemon" {
	numbers 0 9 one | store "$dir/store" -n 2
	mount_store "$dir/store" -o ro,refresh=0
	second=$(numbers 0 9 two | store "$dir/store" -n 2)
	status 0 refresh "$mnt" --wait --timeout=30s
	is "$out" "$second"
}

@test "a mount that hangs costs no more than the time limit" {
	local began=$SECONDS

	numbers 0 9 one | store "$dir/store" -n 2
	mount_store "$dir/store"
	freeze
	status 4 get "$mnt" 3
	has "$err" "'shardyctl unhang $mnt' frees it"
	status 4 status "$mnt"
	status 1 doctor "$dir/store"
	has "$out" "FAIL mount: $mnt/.shardyfs/health: the mount did not answer"
	((SECONDS - began < 30))
	kill -CONT "$daemon"
	status 0 health "$mnt"
}

@test "a mount whose daemon died is told from one that hangs" {
	numbers 0 9 one | store "$dir/store" -n 2
	mount_store "$dir/store"
	disown_daemon "$daemon"
	kill -9 "$daemon"
	wait_exit "$daemon" 10 || true
	status 4 get "$mnt" 3
	has "$err" 'daemon is gone'
	status 1 doctor "$dir/store"
	has "$out" 'FAIL mount: '
	detach "$mnt"
}

@test "unhang frees a mount that hangs" {
	require root unshare
	numbers 0 9 one | store "$dir/store" -n 2
	mount_store "$dir/store"
	disown_daemon "$daemon"
	freeze
	timeout -s KILL 20 cat "$mnt/keys/3" >"$dir/cat" 2>&1 &
	cat_pid=$!
	status 1 unhang "$dir"
	within unshare -m sh -c "
		mount -t fusectl none /sys/fs/fuse/connections &&
		exec '$SFS_BUILD/shardyctl' unhang '$mnt'"
	wait_exit "$cat_pid" 10 || [[ $? == 1 ]]
	has "$(<"$dir/cat")" 'cat: '
	kill -CONT "$daemon"
	wait_exit "$daemon" 10 || true
	detach "$mnt"
}

@test "unhang says how to reach the kernel's control files" {
	require root unshare
	numbers 0 9 one | store "$dir/store" -n 2
	mount_store "$dir/store"
	run -4 within unshare -m sh -c "
		while umount /sys/fs/fuse/connections 2>/dev/null; do :; done
		exec '$SFS_BUILD/shardyctl' unhang '$mnt'"
	has "$output" 'mount -t fusectl fusectl'
	status 0 health "$mnt"
}
