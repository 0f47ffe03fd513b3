# What one controller executes in a workspace: it starts one command, or comes back to one, as the user of all commands.
#   $1: its id   $2: the word that divides output from results   $3: blocks of 512 bytes that are kept of a stream
#   $4: bytes after which a stream is a flood   $5: `init` where our parent adopts what the command leaves alone
# Mode `sweep` in $2: end the command and all that it started; mode `forget`: it is on record, its traces go.
# All of it is of the command's own user, who can forge it and end it: it lies about itself only. What it cannot do is
# stay: whoever it starts descends from us, from our parent, or, when it ended those, from the first process. The other
# commands do not, each is a child of nobody.
id=$1 word=$2 blocks=$3 flood=$4
[ "$5" = init ] && root=$PPID || root=$$
exec 7>&2 2>/dev/null
trap '' PIPE
umask 077
cd /run/commands || exit 1

# $theirs: the processes that $roots and the first process have started. $ours are spared, with all beneath them.
# $unsure when somebody ended meanwhile, whose children may have been missed.
find_theirs() {
    all='' known=' 0 ' theirs=' ' grew=yes unsure=''
    for folder in /proc/[0-9]*; do
        text=''
        while read -r line; do text="$text $line"; done <"$folder/stat" || { unsure=yes; continue; }
        set -- ${text##*) } # behind the name of the program, which may be anything
        case $1 in '' | Z | X) ;; *) all="$all ${folder#/proc/}:$2:$1" known="$known${folder#/proc/} " ;; esac
    done
    while [ $grew ]; do
        grew=''
        for one in $all; do
            pid=${one%%:*} parent=${one#*:} parent=${parent%:*}
            case $known in *" $parent "*) ;; *) unsure=yes ;; esac
            case "$ours$roots$theirs" in *" $pid "*) continue ;; esac
            case $ours in *" $parent "*) ours="$ours$pid " grew=yes && continue ;; esac
            case " 1 $roots$theirs" in *" $parent "*) kill -s 0 "$pid" && theirs="$theirs$pid " grew=yes ;; esac
        done
    done
}

# Stopped first: what is stopped starts nothing while the rest is looked for.
end_theirs() {
    passes=0
    while find_theirs; [ "$theirs$unsure" != ' ' ]; do
        passes=$((passes + 1))
        if [ "$theirs" = ' ' ]; then
            [ $passes -lt 20 ] && continue || return # others come and go
        fi
        [ $passes -lt 60 ] || { kill -s KILL -- -1; return; } # it wins: then all that run here lose
        how=KILL
        for one in $all; do
            case "$theirs:${one##*:}" in *" ${one%%:*} "*:[!T]*) how=STOP ;; esac
        done
        [ $passes -lt 4 ] || how=KILL
        kill -s $how $theirs
    done
}

# Time, and what the control group says: without a process of its own, there may be room for none.
measure() {
    read -r uptime _ </proc/uptime
    cpu=- peak=- killed=-
    if [ -r /sys/fs/cgroup/cpuacct/cpuacct.usage ]; then
        read -r cpu </sys/fs/cgroup/cpuacct/cpuacct.usage
        read -r peak </sys/fs/cgroup/memory/memory.max_usage_in_bytes
        while read -r name count; do
            [ "$name" = oom_kill ] && killed=$count
        done </sys/fs/cgroup/memory/memory.oom_control
    elif [ -r /sys/fs/cgroup/cpu.stat ]; then
        while read -r name count; do [ "$name" = usage_usec ] && cpu=${count}000; done </sys/fs/cgroup/cpu.stat
        [ -r /sys/fs/cgroup/memory.peak ] && read -r peak </sys/fs/cgroup/memory.peak
        while read -r name count; do
            [ "$name" = oom_kill ] && killed=$count
        done </sys/fs/cgroup/memory.events
    fi
    echo "$1 $uptime $cpu $peak $killed"
}

# A file that is full ends `tee` only for that file: the rest still goes through and is counted.
capture() {
    size=$( (trap '' XFSZ; ulimit -f "$blocks"; exec tee "$1" <"$1.pipe") | head -c "$flood" | wc -c)
    echo "$size" >"$1.size"
    [ "$size" -lt "$flood" ] || echo >flood
}

follow() {
    tail -c +1 -f stdout 7>&- &
    tails=$!
    tail -c +1 -f stderr >&7 7>&- &
    tails="$tails $!"
}

others_alive() {
    count=0
    for other in ../*/root; do
        [ -e "${other%root}done" ] || ! read -r pid <"$other" || ! kill -s 0 "$pid" || count=$((count + 1))
    done
    echo $count
}

start() {
    echo $root >root
    [ "$(others_alive)" -le 4 ] || { echo 'busy - - - -' >job/end; : >job/unkeyed; return; }
    mkfifo flood stdout.pipe stderr.pipe
    exec 6<>flood # or who says it waits for one who hears it, who hears one word
    : >stdout
    : >stderr
    capture stdout 7>&- &
    captures=$!
    capture stderr 7>&- &
    captures="$captures $!"
    follow
    exec 8>stdout.pipe 9>stderr.pipe
    measure began >job/end
    (
        echo 1000 >/proc/self/oom_score_adj # before anything of ours
        umask 022
        . ./job/launch
    ) <job/stdin >&8 2>&9 6>&- 7>&- 8>&- 9>&- &
    program=$!
    { read -r _ <flood && kill -s KILL -- "$program" "-$program"; } 8>&- 9>&- &
    watch=$!
    exec 8>&- 9>&-
    wait "$program"
    code=$?
    roots=" $root $$ " ours=" "
    for helper in $captures $tails $watch; do ours="$ours$helper "; done
    end_theirs
    wait $captures
    measure $code >>job/end
    kill -s KILL $watch
    . ./job/after
}

case $word in
forget)
    rm -rf "./$id"
    exit
    ;;
sweep)
    roots=' ' ours=" $root $$ "
    [ ! -e "$id/done" ] && read -r pid <"$id/root" && roots=" $pid " # else that number may be somebody else's by now
    end_theirs
    [ "$roots" = ' ' ] || kill -s KILL $roots
    [ ! -e "$id/root" ] || [ -e "$id/done" ] || { measure 137 >>"$id/job/end"; : >"$id/done"; }
    find_theirs
    [ "$theirs" = ' ' ]
    exit
    ;;
esac

# It is elected who starts it, when its input is whole. Who knows that it has begun brings none, and starts nothing.
read -r _
mkdir "in.$$" && tar -xf - -C "in.$$" && [ -e "in.$$/job/whole" ] && whole=yes && mv -T "in.$$" "$id" && elected=yes
rm -rf "in.$$"
cd "$id" || { printf %s "$word"; [ "$whole" ] || printf gone; exit 1; }
if [ "$elected" ]; then
    start
    : >done
else
    until [ -e stderr ] || [ -e done ]; do sleep 0.02; done
    follow
    until [ -e done ]; do
        read -r pid <root && kill -s 0 "$pid" || break
        sleep 0.05
    done
fi
kill $tails
wait
printf %s "$word"
exec 7>&-
tar -cf - --ignore-failed-read stdout stdout.size stderr stderr.size job/end
[ ! -e job/unkeyed ] || rm -rf "/run/commands/$id"
