"""What untrusted code tries, as small programs that are run in each backend.

A program says `held` for what was refused and `BROKEN` for what succeeded. In it, `{name}` stands for something of the
host that `Host` made for it. `ended` is how the run may end; to be ended for it is as good as to be refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent, indent

from resprout.activities.sandbox.result import Ended
from resprout.activities.sandbox.spec import Language

KILLED: frozenset[Ended] = frozenset({"signal", "policy"})


@dataclass(frozen=True)
class Attack:
    name: str
    code: str
    ended: frozenset[Ended] = frozenset({"exit"})
    language: Language = "python"
    limits: tuple[tuple[str, str | int], ...] = ()
    collect: tuple[str, ...] = ()
    is_silent: bool = False  # says nothing: how it ends is the verdict
    is_harmless_in_gvisor: bool = False  # what it gets there is of a kernel that is the sandbox's own

    def source(self, facts: dict[str, str]) -> str:
        code = self.code
        for name, value in facts.items():
            code = code.replace(f"{{{name}}}", value)
        return code


def tries(name: str, code: str, **more: object) -> Attack:
    """Python that must fail; a failure of another kind is a mistake in the attack."""
    source = "import os, socket, ctypes, signal, subprocess, glob\ntry:\n" + indent(dedent(code).strip(), "    ")
    source += "\nexcept (OSError, ImportError) as error:\n    print('held', error)\nelse:\n    print('BROKEN')\n"
    return Attack(name, source, **more)  # type: ignore[arg-type]


def calls(name: str, number: int, *arguments: int, is_harmless_in_gvisor: bool = False) -> Attack:
    """A system call of x86-64 that must be refused, or that the program is ended for."""
    given = "".join(f", {argument}" for argument in arguments)
    code = f"""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall({number}{given}) == -1:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    """
    return tries(name, code, ended=frozenset({"exit"}) | KILLED, is_harmless_in_gvisor=is_harmless_in_gvisor)


def shell(name: str, command: str, **more: object) -> Attack:
    """A command that must fail."""
    return Attack(name, f"if {command}; then echo BROKEN; else echo held; fi", language="shell", **more)  # type: ignore[arg-type]


def attacks() -> Iterator[Attack]:
    yield from _files()
    yield from _processes()
    yield from _network()
    yield from _kernel()
    yield from _privileges()
    yield from _limits()


def _files() -> Iterator[Attack]:
    yield tries("reads the shadow file", "open('/etc/shadow').read(1)")
    yield tries("reads a file of the host", "open('{secret_file}').read()")
    yield tries("lists the home of root", "os.listdir('/root/.ssh')")
    yield tries("writes outside its directory", "open('/usr/bin/evil', 'w')")
    yield tries("writes into /etc", "open('/etc/passwd', 'a')")
    yield tries("makes a directory in the root", "os.mkdir('/evil')")
    yield tries("replaces a system library", "os.rename('/usr/bin/env', '/usr/bin/env2')")
    yield tries("reads the disk as a device", "open([*glob.glob('/dev/[vs]d?'), '/dev/sda'][0], 'rb').read(1)")
    yield tries(
        "makes a device node", "os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0)); open('/tmp/disk', 'rb').read(1)"
    )
    yield tries("reads the kernel's memory", "open('/proc/kcore', 'rb').read(4) or 1 / 0; open('/dev/mem', 'rb')")
    yield tries("changes where cores go", "open('/proc/sys/kernel/core_pattern', 'w').write('|/work/evil')")
    yield tries("changes a setting of the kernel", "open('/proc/sys/kernel/hostname', 'w').write('evil')")
    yield tries("triggers a reboot by sysrq", "open('/proc/sysrq-trigger', 'w').write('h')")
    yield tries("writes to a control group", "os.mkdir('/sys/fs/cgroup/memory/evil')")
    yield tries("leaves by a magic link", "open('/proc/1/root{secret_file}').read()")
    yield tries("hard links a file of the system", "os.link('/etc/passwd', '/work/passwd')")
    yield Attack("changes the mode of a file of the host that is open or runs", CHANGE_MODES)
    yield shell("rm -rf /", "rm -rf --no-preserve-root /usr /etc 2>/dev/null && [ ! -e /usr/bin/env ]")


CHANGE_MODES = """
import glob, os, stat
changed = []
for path in glob.glob('/proc/*/fd/*') + glob.glob('/proc/*/exe'):
    try:
        name = os.readlink(path)
        is_own = os.path.exists(name) and os.path.samefile(name, path)
        if stat.S_ISREG(os.stat(path).st_mode) and not is_own:
            os.chmod(path, 0o6777)
            changed.append(name)
    except OSError:
        pass
print('BROKEN' if changed else 'held', *changed)
"""


def _processes() -> Iterator[Attack]:
    yield Attack("sees the host's environment", _NO_SECRET.replace("WHERE", "/proc/*/environ"))
    yield Attack("sees the host's processes", _NO_SECRET.replace("WHERE", "/proc/*/cmdline"))
    yield Attack("sees what mounts the host has", _NO_SECRET.replace("WHERE", "/proc/*/mountinfo"))
    yield tries("signals a process of the host", "os.kill({pid}, signal.SIGKILL)")
    yield calls("traces the first process", 101, 16, 1, 0, 0)
    yield calls("reads the memory of the first process", 310, 1, 0, 0, 0, 0, 0)
    yield calls("takes a file from the first process", 438, 3, 0, 0)
    everyone = (
        "import os, signal\ntry: os.kill(-1, signal.SIGKILL)\nexcept ProcessLookupError: pass\nprint('held')"  # nobody
    )
    or_exit: frozenset[Ended] = frozenset({"exit"})
    yield Attack("kills all that it can see", everyone, or_exit | KILLED)


_NO_SECRET = """
import glob
found = False
for path in glob.glob('WHERE'):
    try:
        found = found or b'{secret}' in open(path, 'rb').read()
    except OSError:
        pass
print('BROKEN' if found else 'held')
"""


def _network() -> Iterator[Attack]:
    connect = "s = socket.socket(); s.settimeout(2); s.connect(({host!r}, {port}))"
    yield tries("reaches a service on the host's loopback", connect.replace("{host!r}", "'127.0.0.1'"))
    yield tries("reaches a service on the host's address", connect.replace("{host!r}", "'{address}'"))
    for name, host in (("metadata", "169.254.169.254"), ("engine's gateway", "172.17.0.1"), ("outside", "1.1.1.1")):
        target = connect.replace("{host!r}", repr(host)).replace("{port}", "80")
        yield tries(f"reaches the address of {name}", target)
    yield tries("reaches IPv6", "s = socket.socket(socket.AF_INET6); s.settimeout(2); s.connect(('2606:4700::1', 443))")
    yield tries("resolves a name", "socket.getaddrinfo('secret.example.com', 443)")
    dns = "s = socket.socket(type=socket.SOCK_DGRAM); s.connect(('8.8.8.8', 53)); s.send(b'secret')"
    yield tries("tunnels by DNS", dns)
    yield tries("connects to an abstract socket", "socket.socket(socket.AF_UNIX).connect('\\0{abstract}')")
    for path in ("/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket"):
        yield tries(f"connects to {path}", f"socket.socket(socket.AF_UNIX).connect('{path}')")
    yield tries("opens a raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)")
    yield tries("opens a packet socket", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)")
    yield tries("speaks to the hypervisor", "socket.socket(40, socket.SOCK_STREAM).connect((2, 1024))")
    yield tries("uses multipath TCP", "s = socket.socket(2, 1, 262); s.settimeout(2); s.connect(('{address}', {port}))")
    fast = "s = socket.socket(); s.settimeout(2); s.sendto(b'x', 0x20000000, ('{address}', {port}))"
    yield tries("uses TCP fast open", fast)


def _kernel() -> Iterator[Attack]:
    yield calls("mounts", 165, 0, 0, 0, 0, 0)
    yield calls("unmounts", 166, 0, 0)
    yield calls("makes a user namespace", 272, 0x10000000, is_harmless_in_gvisor=True)
    yield calls("makes a mount namespace", 272, 0x00020000, is_harmless_in_gvisor=True)
    yield calls("joins a namespace", 308, 0, 0)
    yield calls("loads a program into the kernel", 321, 5, 0, 0)
    yield calls("loads a module", 175, 0, 0, 0)
    yield calls("loads another kernel", 246, 0, 0, 0, 0)
    yield calls("sets up io_uring", 425, 8, 0)
    yield calls("adds a key to the keyring", 248, 0, 0, 0, 0, -2)
    yield calls("reads the keyring", 250, 0, -3, 1)
    yield calls("handles page faults itself", 323, 0)
    yield calls("opens a file by its handle", 304, -100, 0, 0)
    yield calls("reads the kernel's log", 103, 3, 0, 0, is_harmless_in_gvisor=True)
    yield calls("sets the clock", 227, 0, 0)
    yield calls("measures by hardware counters", 298, 0, 0, -1, -1, 0)
    yield calls("reboots", 169, -18751827, 672274793, 0x89ABCDEF, 0)
    yield calls("turns swap on", 167, 0, 0)
    yield calls("pivots the root", 155, 0, 0)


def _privileges() -> Iterator[Attack]:
    yield tries("becomes root", "os.setuid(0)")
    yield tries("gives itself groups", "os.setgroups([0])")
    yield tries("gives a file to root", "open('/work/x', 'w').close(); os.chown('/work/x', 0, 0)")
    setuid = "os.chmod('/work/x', 0o4755); os.getuid() and subprocess.run(['/work/x'], check=True)"
    yield tries("raises its priority", "os.nice(-10)", is_harmless_in_gvisor=True)
    yield tries("runs a setuid file of its own", f"open('/work/x', 'w').close(); {setuid}", ended=frozenset({"exit"}))
    capabilities = "sum(int(l.split()[1], 16) for l in open('/proc/self/status') if l.startswith(('CapEff', 'CapBnd')))"
    yield Attack("has capabilities", f"print('BROKEN' if {capabilities} else 'held')")
    gains = "any(l.split() == ['NoNewPrivs:', '1'] for l in open('/proc/self/status'))"
    yield Attack("may gain privileges", f"print('held' if {gains} else 'BROKEN')", is_harmless_in_gvisor=True)


def _limits() -> Iterator[Attack]:
    short = (("time", "2s"),)
    timeout: frozenset[Ended] = frozenset({"timeout"})
    yield Attack("spins", "while True: pass", timeout, limits=short, is_silent=True)
    yield Attack("sleeps", "import time\ntime.sleep(60)", timeout, limits=short, is_silent=True)
    ignores = "import signal, time\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)"
    yield Attack("ignores signals", ignores, timeout, limits=short, is_silent=True)
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    memory: frozenset[Ended] = frozenset({"memory", "exit"})
    yield Attack("forks without end", bomb, timeout | KILLED | memory, limits=short, is_silent=True)
    yield Attack("starts 300 threads", _THREADS, is_harmless_in_gvisor=True)
    yield Attack("takes a gigabyte", _HOG, memory, is_silent=True)
    yield Attack("takes a gigabyte by memfd", _MEMFD, memory | KILLED, is_silent=True)
    fill = "open('{0}/x', 'wb').write(b'x' * (100 << 20))"
    yield tries("fills its directory", fill.replace("{0}", "/work"), ended=memory)
    yield tries("fills /tmp", fill.replace("{0}", "/tmp"), ended=memory)
    yield tries("fills /dev/shm", fill.replace("{0}", "/dev/shm"), ended=memory)
    many = "for n in range(1_000_000): open(f'/work/{n}', 'w').close()"
    yield tries("makes a million files", many, ended=memory | timeout, limits=(("time", "10s"),))
    flood = "import os\nb = b'x' * (1 << 20)\nfor n in range(1024):\n    try: os.write(1, b)\n    except OSError: pass"
    output: frozenset[Ended] = frozenset({"output"})
    floods = {
        "writes a gigabyte": flood,
        "writes a gigabyte of errors": flood.replace("write(1", "write(2"),
        "writes a gigabyte to both streams": flood.replace("write(1", "write(1 + n % 2"),
        "writes a little too much and ends": flood.replace("1024", "33"),
    }
    for name, code in floods.items():
        yield Attack(name, code, output, limits=(("time", "100s"),), is_silent=True)
    tree = "import os\np = '/work'\nfor _ in range(500): p += '/d'; os.mkdir(p)\nprint('held')"
    yield Attack("nests directories", tree, collect=("**/*",))


_THREADS = """
import os, threading, time
try:
    for _ in range(300):
        threading.Thread(target=time.sleep, args=(1,)).start()
    print('BROKEN', flush=True)
except RuntimeError:
    print('held', flush=True)
os._exit(0)
"""

_HOG = """
try:
    taken = [b'x' * (1 << 20) for _ in range(1024)]
    print('BROKEN')
except MemoryError:
    print('held')
"""

_MEMFD = """
import os
file = os.memfd_create('x')
try:
    for _ in range(1024):
        os.write(file, b'x' * (1 << 20))
    print('BROKEN')
except OSError:
    print('held')
"""
