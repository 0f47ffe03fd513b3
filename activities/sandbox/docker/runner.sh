# What one controller executes in a container, as the user of the job. It may wait long for a line, and for the input
# that comes behind it as a tar. The first that has it and makes the directory `lock` starts the job; whoever comes later
# follows. Each writes what the job writes while it writes it, then the word $1, then a tar of the results.
# Whose controller dies before all of the input is there has started nothing, and gives the lock back: `whole` is the
# last of the tar, for a tar that is cut off between two files looks complete.
# The job is of the same user: it can forge all that is written here, so nobody believes it. What says that it has begun
# is the first process' (keeper.sh), hence it is waited for.
word=$1
followed=yes
exec 7>&2 2>/dev/null # what the shell has to say is not the job's
cd /run/resprout || exit 1
until [ -p done ]; do sleep 0.01; done

# A controller that was killed leaves its runner here until the job has ended. So many may stay as there is room for.
make_room() {
    echo $$ >>job/runners
    set -- $(tail -n 20 job/runners)
    while [ $# -gt 8 ]; do
        kill -s KILL -- "-$1"
        shift
    done
}

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

refuse() {
    mkdir -p job/refusal/job
    echo "refused - - - -" >job/refusal/job/end
    printf %s "$word"
    tar -cf - -C job/refusal job/end
    rmdir job/lock
    exit 1
}

start() {
    if ! tar -xf - -C / || [ ! -e job/whole ]; then
        rm -f job/whole
        refuse
    fi
    follow
    exec 8>stdout.pipe 9>stderr.pipe
    until [ -e stdout.begun ]; do sleep 0.01; done
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
until [ -e job/end ]; do
    if mkdir job/lock; then
        start
        followed=
        break
    fi
    sleep 0.01 # until who has the lock has started the job, or has given it back
done
if [ -n "$followed" ]; then
    cat >/dev/null
    make_room
    follow
    read -r _ <done
    kill $tails
    wait
fi

printf %s "$word"
exec 7>&-
small() { :; } # lists what is sent, `large` what is not
large() { :; }
[ ! -r job/collect ] || . ./job/collect
told=$PWD/job/told.$$ # nobody else's: all who came back collect at the same time
mkdir -p "$told/job"
(cd /work && large) >"$told/job/large"
(cd /work && small) |
    tar -cf - stdout stdout.size stderr stderr.size job/end -C "$told" job/large -C /work --no-recursion -T -
rm -rf "$told"
