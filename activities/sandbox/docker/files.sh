# What one controller executes in a workspace to move files: $1 says what, in /work.
#   put ID PATH: a tar on standard input with `item` and last a mark; afterwards it is all there, or nothing of it
#   get PATH: a tar of it        list PATH DEPTH: what is in it
#   pack: a tar of all           unpack ID: the tar of all from standard input takes the place of what is there
# 44: there is no such path   45: the tar was cut   46: a directory is where a file should be, or the other way round
cd /work || exit 44
umask 022

# Whoever dies, the new is whole or not there at all: it is made aside.
stage=.resprout-$2
unstage() {
    code=$?
    chmod -R u+rwX "$stage" 2>/dev/null
    rm -rf "$stage"
    exit "${1:-$code}"
}

staged() {
    mkdir "$stage" || exit
    trap 'unstage 45' HUP INT TERM
    tar -xpif - --no-same-owner -C "$stage" || { code=$?; [ -e "$stage/.resprout-whole" ] || code=45; unstage $code; }
    [ -e "$stage/.resprout-whole" ] || unstage 45
    rm -f "$stage/.resprout-whole"
}

put() {
    staged
    target=$3
    case $target in */ | .) target=${target%/}/$4 ;; *) [ ! -d "$target" ] || target=$target/$4 ;; esac
    mkdir -p -- "$(dirname -- "$target")" || unstage
    if [ -d "$stage/item" ]; then
        [ ! -e "$target" ] || [ -d "$target" ] || unstage 46
        mkdir -p -- "$target" && cp -rlT --remove-destination -- "$stage/item" "$target" || unstage
    else
        [ ! -d "$target" ] || unstage 46
        mv -fT -- "$stage/item" "$target" || unstage
    fi
    unstage 0
}

# A directory that may not be written to cannot be moved.
move() {
    if [ -d "$1" ] && [ ! -L "$1" ] && [ ! -w "$1" ]; then
        mode=$(find "./$1" -maxdepth 0 -printf %m)
        chmod u+w -- "$1" && mv -- "$1" "$2" && chmod "$mode" -- "$2${1##*/}"
    else
        mv -- "$1" "$2"
    fi
}

unpack() {
    staged
    mkdir "$stage.old" || unstage
    for one in * .[!.]* ..?*; do
        case $one in "$stage" | "$stage.old") continue ;; esac
        [ ! -e "$one" ] && [ ! -L "$one" ] || move "$one" "$stage.old/" || unstage
    done
    for one in "$stage"/* "$stage"/.[!.]* "$stage"/..?*; do
        [ ! -e "$one" ] && [ ! -L "$one" ] || move "$one" ./ || unstage
    done
    chmod -R u+rwX "$stage.old"
    rm -rf "$stage.old"
    unstage 0
}

case $1 in
put) put "$@" ;;
get)
    [ -e "$2" ] || [ -L "$2" ] || exit 44
    [ -d "$2" ] && [ ! -L "$2" ] && exec tar -cf - --exclude='./.resprout-*' -C "$2" .
    exec tar -cf - -C "$(dirname -- "$2")" -- "$(basename -- "$2")"
    ;;
list)
    [ -e "$2" ] || [ -L "$2" ] || exit 44
    least=1
    [ -d "$2" ] && [ ! -L "$2" ] || least=0
    exec find "./$2" -mindepth $least -maxdepth "$3" ! -path './.resprout-*' -printf '%y %s %T@ %m %P\0'
    ;;
pack) exec tar -Scf - --exclude='./.resprout-*' . ;;
unpack) unpack "$@" ;;
esac
