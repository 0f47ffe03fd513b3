# The first process of a container: it keeps what the job writes. It runs as another user than the job, which can
# therefore neither end it nor change what it kept, and it outlives whoever started the run. What it kept is the only
# word in a container that is not the job's.
#   $1: blocks of 512 bytes that are kept of a stream   $2: bytes after which a stream is a flood
trap '' PIPE
umask 022
cd /run/resprout || exit 1
for tool in env find head mkfifo tail tar tee timeout wc; do
    command -v "$tool" >/dev/null || exit 127
done

# A file that is full ends `tee` only for that file: the rest still goes through and is counted. To open the pipe takes
# somebody who writes: from then on `begun` is there, which the job can neither make nor remove.
capture() {
    size=$( (trap '' XFSZ; ulimit -f "$1"; exec <"$3.pipe"; echo >"$3.begun"; exec tee "$3") | head -c "$2" | wc -c)
    echo "$size" >"$3.size"
    [ "$size" -lt "$2" ] || echo >flood
}

: >stdout
: >stderr
mkfifo -m 644 flood
exec 3<>flood # or who says it waits for one who hears it, who may have ended
mkfifo -m 622 stdout.pipe stderr.pipe || exit 1
capture "$1" "$2" stdout 2>/dev/null &
capture "$1" "$2" stderr 2>/dev/null &
mkfifo -m 644 done # last: whoever sees it sees the rest
wait
while :; do echo >done; done # one line for each that waits for the end; blocks while nobody does
