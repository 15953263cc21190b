# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What tests/bench/run measures with: mounts, clocks, samples, tables. Samples
# are files, one number a line, $work/samples/NAME; progress goes to standard
# error, the report to standard output.

COMMAND_SECONDS=900
DAEMON_SECONDS=3600
work=''   # directories of this run, on disk and in /dev/shm
memory=''

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "run: $*"
	exit 1
}

# What was not measured, and why: now, and again at the end.
skip() {
	say "SKIPPED: $*"
	printf '\n**Skipped: %s**\n' "$*"
	skipped+=("$*")
}

within() {
	timeout -k 5 "$COMMAND_SECONDS" "$@"
}

is_mounted() {
	grep -qF " $1 " /proc/self/mountinfo
}

detach() {
	umount "$1" 2>/dev/null || fusermount3 -u "$1" 2>/dev/null
}

# Ends a daemon that hangs, which frees whoever waits for it.
guard() {
	(
		timeout "$DAEMON_SECONDS" tail --pid="$1" -f /dev/null ||
			kill -9 "$1"
	) >/dev/null 2>&1 &
}

# start COMMAND... MOUNTPOINT: a daemon that stays in the foreground; its pid
# in $daemon. Returns when it is mounted.
start() {
	local place=${*: -1} tries

	mkdir -p "$place"
	"$@" >"$work/daemon.log" 2>&1 &
	daemon=$!
	guard "$daemon"
	for ((tries = 0; tries < 2000; tries++)); do
		is_mounted "$place" && return
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.01
	done
	cat "$work/daemon.log" >&2
	die "not mounted: $*"
}

# stop MOUNTPOINT: unmounts, and waits for $daemon to end.
stop() {
	detach "$1" || umount -l "$1" || die "cannot unmount $1"
	timeout 60 tail -s 0.05 --pid="$daemon" -f /dev/null || {
		say "the daemon of $1 did not end: killed"
		kill -9 "$daemon"
	}
	wait "$daemon" || true
}

# Nothing stays mounted, running or on disk, whatever happened.
clean_up() {
	local place pid

	while read -r place; do
		umount -l "$place" 2>/dev/null || fusermount3 -uz "$place"
	done < <(awk -v a="$work/" -v b="$memory/" \
		'index($5, a) == 1 || index($5, b) == 1 { print $5 }' \
		/proc/self/mountinfo)
	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null
	done
	rm -rf "$work" "$memory"
}

# Empties the kernel's caches of names, inodes and file pages.
drop_caches() {
	((EUID == 0)) || return 0
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# Then the files that a contender reads are read once: no disk plays a part.
warm_pages() {
	[[ -e $1 ]] || return 0
	find "$1" -type f -exec cat {} + >/dev/null
}

# User and system time of a process so far, in clock ticks.
cpu_ticks() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

# cpu_us FROM TO OPERATIONS: ticks as microseconds of one operation.
cpu_us() {
	awk -v ticks=$(($2 - $1)) -v hz="$(getconf CLK_TCK)" -v ops="$3" \
		'BEGIN { printf "%.3f\n", ticks * 1e6 / hz / ops }'
}

# memory_of PID FIELD: a line of /proc/PID/status, in MiB.
memory_of() {
	awk -v field="$2:" '$1 == field { printf "%.1f\n", $2 / 1024 }' \
		"/proc/$1/status"
}

# record NAME VALUE
record() {
	printf '%s\n' "$2" >>"$work/samples/$1"
}

# calc EXPRESSION: by awk, with three decimals.
calc() {
	awk "BEGIN { printf \"%.3f\\n\", $1 }"
}

# median [FILE]
median() {
	sort -g "$@" | awk '{ v[NR] = $1 } END {
		printf "%.4f\n", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2
	}'
}

# spread NAME [DIGITS]: "median (least-most)".
spread() {
	sort -g "$work/samples/$1" | awk -v d="${2:-1}" '{ v[NR] = $1 } END {
		m = (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2
		printf "%.*f (%.*f-%.*f)", d, m, d, v[1], d, v[NR]
	}'
}

# The ratio of the medians of two samples.
ratio() {
	calc "$(median "$work/samples/$1") / $(median "$work/samples/$2")"
}

# The median of the ratios within each round.
pair_ratio() {
	paste "$work/samples/$1" "$work/samples/$2" |
		awk '{ print $1 / $2 }' | median
}

# ratios A B: both, "1.05, pairs 1.04".
ratios() {
	printf '%.2f, pairs %.2f' "$(ratio "$1" "$2")" "$(pair_ratio "$1" "$2")"
}

# verdict VALUE at-most|at-least GOAL
verdict() {
	awk -v value="$1" -v how="$2" -v goal="$3" 'BEGIN {
		ok = how == "at-most" ? value <= goal : value >= goal
		print ok ? "met" : "**missed**"
	}'
}

# row CELL...: one line of a Markdown table.
row() {
	printf '|'
	printf ' %s |' "$@"
	printf '\n'
}

# header CELL...: the head of a Markdown table.
header() {
	printf '\n'
	row "$@"
	printf '|'
	printf '%.0s---|' "$@"
	printf '\n'
}

# in_turn ROUND NAME...: the names, another one first in each round.
in_turn() {
	local first=$(($1 % ($# - 1)))

	shift
	printf '%s\n' "${@:first+1}" "${@:1:first}"
}
