# What one controller executes in a container, as the user of the job. It may wait long for a line, and for the input
# that comes behind it as a tar. The first that has it and makes the directory `lock` starts the job; whoever comes later
# follows. Each writes what the job writes while it writes it, then the word $1, then a tar of the results.
# The job is of the same user: it can forge all that is written here, so nobody believes it.
word=$1
exec 7>&2 2>/dev/null # what the shell has to say is not the job's
cd /run/resprout || exit 1
until [ -p done ]; do sleep 0.01; done

follow() {
    tail -c +1 -f stdout 7>&- &
    tails=$!
    tail -c +1 -f stderr >&7 7>&- &
    tails="$tails $!"
}

# Time, and what the control group says: without a process of its own, there may be room for none.
measure() {
    read -r uptime _ </proc/uptime
    cpu=- peak=- killed=-
    cd /sys/fs/cgroup
    if [ -r cpuacct/cpuacct.usage ]; then
        read -r cpu <cpuacct/cpuacct.usage
        read -r peak <memory/memory.max_usage_in_bytes
        while read -r name count; do [ "$name" = oom_kill ] && killed=$count; done <memory/memory.oom_control
    elif [ -r cpu.stat ]; then
        while read -r name count; do [ "$name" = usage_usec ] && cpu=${count}000; done <cpu.stat
        [ -r memory.peak ] && read -r peak <memory.peak
        while read -r name count; do [ "$name" = oom_kill ] && killed=$count; done <memory.events
    fi
    cd /run/resprout
    echo "$1 $uptime $cpu $peak $killed"
}

start() {
    if ! tar -xf - -C /; then
        echo "refused - - - -" >job/end
        return
    fi
    follow
    exec 8>stdout.pipe 9>stderr.pipe
    measure began >job/end
    (
        echo 1000 >/proc/self/oom_score_adj # before anything of ours
        . /run/resprout/job/launch
    ) <job/stdin >&8 2>&9 7>&- 8>&- 9>&- &
    program=$!
    { read -r _ <flood && kill -s KILL -- "$program" "-$program"; } 8>&- 9>&- &
    wait "$program"
    measure "$?" >>job/end
    kill -s KILL -- -1 # all of this user but this shell, at once: nothing can fork itself out of it
    wait
    exec 8>&- 9>&-
    read -r _ <done
}

read -r _ || exit # whose it is has ended before he had anything to run
if mkdir job/lock 2>/dev/null; then
    start
else
    cat >/dev/null
    follow
    read -r _ <done
    kill $tails
    wait
fi

printf %s "$word"
exec 7>&-
: >job/list
: >job/large
[ ! -r job/collect ] || (cd /work && . /run/resprout/job/collect)
tar -cf - stdout stdout.size stderr stderr.size job/end job/large -C /work --no-recursion -T /run/resprout/job/list
