# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154
#
# The measures of building and publishing, for tests/bench/run.

bulk_records=10000000
bulk_shards=8
small_files=100000
base_records=10000000
base_shards=1024
base_changes=20

# Where builds and stores of these measures lie: on the disk.
need_records() {
	local format

	[[ ! -e $work/records.kv ]] || return 0
	say "making $bulk_records records"
	for format in kv jsonl; do
		"$build/tests/bench/mkrecords" -f "$format" "$bulk_records" \
			>"$work/records.$format" || die 'mkrecords'
	done
	"$build/tests/bench/mkrecords" -s "$bulk_records" >"$work/sorted.kv"
}

now() {
	date +%s.%N
}

# million COUNT FROM TO: millions a second.
million() {
	calc "$1 / ($3 - $2) / 1e6"
}

# Writeback of what was before must not be paid by what comes.
settle_disk() {
	sync
	if [[ ${1:-} == cold ]]; then
		drop_caches
	fi
}

fresh_store() {
	rm -rf "$work/bulk" "$work/staging"
	mkdir "$work/bulk"
}

# mount_writable STORE MOUNTPOINT
mount_writable() {
	shardyfs -o "staging_dir=$work/staging" "$1" "$2"
}

# The floor of a bulk build: cp into an empty FUSE, the output written with
# O_DIRECT, and fsync. One after the other: they share disk and processors.
floor_round() {
	local format=$1 began ended

	start "$build/tests/bench/sink" "$work/sink"
	began=$(now)
	within cp "$work/records.$format" "$work/sink/"
	within dd if=/dev/zero of="$work/output" bs=1M oflag=direct \
		count="$((output_bytes >> 20))" conv=fsync status=none
	ended=$(now)
	stop "$work/sink"
	rm -f "$work/output"
	record "floor-$format" "$(million "$bulk_records" "$began" "$ended")"
}

mount_round() {
	local format=$1 place=$work/mnt began ended

	fresh_store
	mount_writable "$work/bulk" "$place"
	mkdir "$place/staging/b"
	printf 'num_dbs: %d\n' "$bulk_shards" >"$place/staging/b/config.yaml"
	began=$(now)
	within cp "$work/records.$format" "$place/staging/b/ingest/"
	within mv "$place/staging/b" "$place/publish/"
	ended=$(now)
	record "mount-$format" "$(million "$bulk_records" "$began" "$ended")"
	record "mount-memory-$format" "$(memory_of "$daemon" VmHWM)"
	stop "$place"
}

build_round() {
	local format=$1 began ended

	fresh_store
	began=$(now)
	within "$build/shardyctl" build --from "$work/records.$format" \
		--key-encoding u64be --num-dbs "$bulk_shards" \
		--staging-dir "$work/staging" "$work/bulk" >/dev/null 2>&1 ||
		die 'shardyctl build'
	ended=$(now)
	record "build-$format" "$(million "$bulk_records" "$began" "$ended")"
	output_bytes=$(du -sb "$work/bulk/shards" | cut -f 1)
}

library_round() {
	local began ended

	rm -f "$work/library.db"
	began=$(now)
	within "$build/tests/bench/sqliteload" "$work/sorted.kv" \
		"$work/library.db" || die 'sqliteload'
	ended=$(now)
	rm -f "$work/library.db"
	record library "$(million "$bulk_records" "$began" "$ended")"
}

bulk_rounds() {
	local round contender

	for ((round = 0; round < rounds; round++)); do
		for contender in $(in_turn "$round" build mount floor); do
			settle_disk "$1"
			"${contender}_round" kv
		done
		for contender in $(in_turn "$round" build mount); do
			settle_disk "$1"
			"${contender}_round" jsonl
		done
		settle_disk "$1"
		library_round
	done
}

bulk_row() {
	row "$1" "$(spread "$2" 2)" "$(ratio "$2" library)" \
		"$(ratio "$2" "${3:-floor-kv}")" \
		"$(verdict "$(median "$work/samples/$2")" at-least "$4")"
}

measure_bulk() {
	printf '\n### bulk: %d records, 8-byte keys, 100-byte values\n' \
		"$bulk_records"
	need_records
	build_round kv # tells the size of the output; a warm-up
	rm -f "$work/samples/build-kv"
	bulk_rounds warm
	header 'end to end, caches as they are' 'M records/s' \
		'x the sqlite3 library, sorted' 'x the floor' 'goal'
	bulk_row 'shardyctl build, .kv' build-kv floor-kv 3
	bulk_row 'cp and mv on a mount, .kv' mount-kv floor-kv 3
	bulk_row 'shardyctl build, .jsonl' build-jsonl floor-kv 1
	bulk_row 'cp and mv on a mount, .jsonl' mount-jsonl floor-kv 1
	row 'sqlite3 library, one thread' "$(spread library 2)" 1 - -
	row 'floor' "$(spread floor-kv 2)" - 1 -
	printf '\nMemory of the daemon (256 MiB build_memory): %s MiB.\n' \
		"$(spread mount-memory-kv)"
	rm -f "$work"/records.* "$work"/sorted.kv
}

growth_row() {
	local count=$1 began ended memory_kb

	"$build/tests/bench/mkrecords" "$count" >"$work/grow.kv" ||
		die 'mkrecords'
	fresh_store
	settle_disk
	began=$(now)
	/usr/bin/env time -f %M -o "$work/grow.time" "$build/shardyctl" build \
		--from "$work/grow.kv" --key-encoding u64be --num-dbs 8 \
		--staging-dir "$work/staging" "$work/bulk" >/dev/null 2>&1 ||
		die 'shardyctl build'
	ended=$(now)
	memory_kb=$(tail -n 1 "$work/grow.time")
	row "$count" "$(calc "$ended - $began")" \
		"$(million "$count" "$began" "$ended")" \
		"$(calc "$memory_kb / 1024")"
	rm -rf "$work/grow.kv" "$work/bulk"
}

measure_growth() {
	local factor

	printf '\n### growth: one build of more and more records\n'
	if ! /usr/bin/env time -f %M true 2>/dev/null; then
		skip 'growth: GNU time is not installed'
		return
	fi
	header records seconds 'M records/s' 'peak memory, MiB'
	for factor in 1 3 10 30; do
		growth_row $((bulk_records * factor / 10))
	done
}

untar_round() {
	local name=$1 place=$2 began ended

	began=$(now)
	within tar xf "$memory/small.tar" -C "$place"
	ended=$(now)
	record "untar-$name" "$(calc "($ended - $began) * 1e6 / $small_files")"
}

untar_mount() {
	rm -rf "$memory/staging" "$memory/store"
	mkdir "$memory/store"
	shardyfs -o "staging_dir=$memory/staging" "$memory/store" "$work/mnt"
	mkdir "$work/mnt/staging/small"
	untar_round mount "$work/mnt/staging/small/keys"
	stop "$work/mnt"
}

untar_peer() {
	rm -rf "$memory/plain"
	mkdir "$memory/plain"
	start bindfs -f "$memory/plain" "$work/peer"
	untar_round peer "$work/peer"
	stop "$work/peer"
}

measure_files() {
	local round contender

	printf '\n### files: tar x of %d files of 100 bytes into keys/\n' \
		"$small_files"
	if ! command -v bindfs >/dev/null; then
		skip 'files: bindfs is not installed (apt-get install bindfs)'
		return
	fi
	mkdir "$memory/source"
	"$build/tests/bench/mkfiles" -v 100 "$memory/source" "$small_files"
	tar cf "$memory/small.tar" -C "$memory/source" .
	rm -rf "$memory/source"
	for ((round = 0; round < rounds; round++)); do
		for contender in $(in_turn "$round" untar_mount untar_peer); do
			"$contender"
		done
	done
	header 'staged in /dev/shm' 'us a file' 'x bindfs on /dev/shm' goal
	row 'staging/NAME/keys' "$(spread untar-mount)" \
		"$(ratios untar-mount untar-peer)" \
		"$(verdict "$(ratio untar-mount untar-peer)" at-most 1.5)"
	row bindfs "$(spread untar-peer)" 1 -
	rm -rf "$memory/small.tar" "$memory/staging" "$memory/plain"
}

# A store of many shards to publish on top of.
need_base() {
	[[ ! -e $work/base ]] || return 0
	say "making a base of $base_records records in $base_shards shards"
	mkdir "$work/base"
	"$build/tests/bench/mkrecords" "$base_records" >"$work/base.kv"
	"$build/shardyctl" build --from "$work/base.kv" --key-encoding u64be \
		--num-dbs "$base_shards" --staging-dir "$work/staging" \
		"$work/base" >/dev/null 2>&1 || die 'shardyctl build'
	rm -f "$work/base.kv"
}

# incremental_round NUMBER: settle and mv apart.
incremental_round() {
	local place=$work/mnt began settled ended name=change$1 i

	mkdir "$place/staging/$name"
	ln -s ../../current "$place/staging/$name/base"
	for ((i = 0; i < base_changes; i++)); do
		printf 'new' >"$place/staging/$name/keys/$((i * 7919 + $1))"
	done
	began=$(now)
	within sync "$place/staging/$name"
	settled=$(now)
	within mv "$place/staging/$name" "$place/publish/"
	ended=$(now)
	record settle "$(calc "($settled - $began) * 1000")"
	record settled-mv "$(calc "($ended - $settled) * 1000")"
}

measure_incremental() {
	local round

	printf '\n### incremental: %d changes on %d keys in %d shards\n' \
		"$base_changes" "$base_records" "$base_shards"
	need_base
	mount_writable "$work/base" "$work/mnt"
	for ((round = 0; round < rounds; round++)); do
		incremental_round "$round"
	done
	stop "$work/mnt"
	header step ms goal
	row "settling: at most $base_changes shards rebuilt, the others linked" \
		"$(spread settle)" -
	row 'mv of the settled build' "$(spread settled-mv)" \
		"$(verdict "$(median "$work/samples/settled-mv")" at-most 100)"
	rm -rf "$work/base"
}
