"""The system calls that nothing in a process sandbox may make, as a program for the kernel's filter.

Namespaces take away what could be seen; this takes away the parts of the kernel that are attacked most. A denied call
fails with EPERM (`clone3` with ENOSYS, so that libc falls back to `clone`, whose flags can be looked at). A call of
another architecture, or of the x32 table, ends the process.
"""

import errno
import platform
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

ALLOW, KILL = 0x7FFF0000, 0x80000000
ERRNO = 0x00050000
X32 = 0x40000000
CLONE_NEW = 0x7E020000 | 0x80  # every namespace
TIOCSTI, TIOCLINUX = 0x5412, 0x541C  # put words into somebody's terminal
FAMILIES = (1, 2, 10, 16)  # unix, IPv4, IPv6, netlink: what a program without network still asks for


class Machine(NamedTuple):
    audit: int
    clone: int
    clone3: int
    socket: int
    ioctl: int
    denied: Mapping[str, int]


# Numbers of the kernel's tables. Newer calls have the same number everywhere.
NEW = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "process_mrelease": 448,
    "memfd_secret": 447,
}
X86 = {
    "ptrace": 101,
    "syslog": 103,
    "personality": 135,
    "uselib": 134,
    "ustat": 136,
    "sysfs": 139,
    "modify_ldt": 154,
    "pivot_root": 155,
    "sysctl": 156,
    "adjtimex": 159,
    "chroot": 161,
    "acct": 163,
    "settimeofday": 164,
    "mount": 165,
    "umount2": 166,
    "swapon": 167,
    "swapoff": 168,
    "reboot": 169,
    "iopl": 172,
    "ioperm": 173,
    "create_module": 174,
    "init_module": 175,
    "delete_module": 176,
    "quotactl": 179,
    "nfsservctl": 180,
    "lookup_dcookie": 212,
    "clock_settime": 227,
    "mbind": 237,
    "set_mempolicy": 238,
    "get_mempolicy": 239,
    "kexec_load": 246,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "migrate_pages": 256,
    "unshare": 272,
    "move_pages": 279,
    "perf_event_open": 298,
    "fanotify_init": 300,
    "name_to_handle_at": 303,
    "open_by_handle_at": 304,
    "clock_adjtime": 305,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "kcmp": 312,
    "finit_module": 313,
    "kexec_file_load": 320,
    "bpf": 321,
    "userfaultfd": 323,
}
ARM = {
    "lookup_dcookie": 18,
    "umount2": 39,
    "mount": 40,
    "pivot_root": 41,
    "nfsservctl": 42,
    "chroot": 51,
    "quotactl": 60,
    "acct": 89,
    "personality": 92,
    "unshare": 97,
    "kexec_load": 104,
    "init_module": 105,
    "delete_module": 106,
    "clock_settime": 112,
    "syslog": 116,
    "ptrace": 117,
    "reboot": 142,
    "settimeofday": 170,
    "adjtimex": 171,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "swapon": 224,
    "swapoff": 225,
    "mbind": 235,
    "get_mempolicy": 236,
    "set_mempolicy": 237,
    "migrate_pages": 238,
    "move_pages": 239,
    "perf_event_open": 241,
    "fanotify_init": 262,
    "name_to_handle_at": 264,
    "open_by_handle_at": 265,
    "clock_adjtime": 266,
    "setns": 268,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "kcmp": 272,
    "finit_module": 273,
    "bpf": 280,
    "userfaultfd": 282,
    "kexec_file_load": 294,
}
MACHINES = {
    "x86_64": Machine(0xC000003E, clone=56, clone3=435, socket=41, ioctl=16, denied=X86 | NEW),
    "aarch64": Machine(0xC00000B7, clone=220, clone3=435, socket=198, ioctl=29, denied=ARM | NEW),
}

# Where the parts of a call stand in what the filter is shown.
NUMBER, ARCHITECTURE, FIRST, SECOND = 0, 4, 16, 24

Instruction = tuple[int, int, int, int]  # what it does, how far it jumps when true and when false, its constant


def program(machine: str = platform.machine()) -> bytes | None:
    """None for a machine whose tables are not known here: no filter, no sandbox."""
    known = MACHINES.get(machine)
    return b"".join(struct.pack("=HBBI", *one) for one in _instructions(known)) if known is not None else None


def _instructions(machine: Machine) -> Iterator[Instruction]:
    yield from (_load(ARCHITECTURE), _if_equal(machine.audit, 1, 0), _end(KILL))
    yield from (_load(NUMBER), _if_at_least(X32, 0, 1), _end(KILL))
    for number in sorted(machine.denied.values()):
        yield from (_if_equal(number, 0, 1), _end(ERRNO | errno.EPERM))
    yield from (_if_equal(machine.clone3, 0, 1), _end(ERRNO | errno.ENOSYS))
    yield from _refused_when(machine.clone, FIRST, [_if_any_bit(CLONE_NEW, 0, 1)])
    yield from _refused_when(machine.ioctl, SECOND, [_if_equal(TIOCSTI, 1, 0), _if_equal(TIOCLINUX, 0, 1)])
    last = len(FAMILIES) - 1
    others = [_if_equal(family, last - n + 1, 0) for n, family in enumerate(FAMILIES)]
    yield from _refused_when(machine.socket, FIRST, others)
    yield _end(ALLOW)


def _refused_when(number: int, argument: int, tests: Sequence[Instruction]) -> Iterator[Instruction]:
    """The tests jump to the next instruction to refuse, and over it to go on."""
    yield _if_equal(number, 0, len(tests) + 3)
    yield _load(argument)
    yield from tests
    yield _end(ERRNO | errno.EPERM)
    yield _load(NUMBER)


def _load(offset: int) -> Instruction:
    return 0x20, 0, 0, offset


def _if_equal(value: int, then: int, otherwise: int) -> Instruction:
    return 0x15, then, otherwise, value


def _if_at_least(value: int, then: int, otherwise: int) -> Instruction:
    return 0x35, then, otherwise, value


def _if_any_bit(bits: int, then: int, otherwise: int) -> Instruction:
    return 0x45, then, otherwise, bits


def _end(verdict: int) -> Instruction:
    return 0x06, 0, 0, verdict
