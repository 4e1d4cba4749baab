#!/usr/bin/env python3
"""cell.py: runs a command that nobody trusts, where it can do no harm. grade.py starts it.

Standard input has one line of JSON: `files` (name in the cell: path outside),
`command`, `collect` (names of files to bring back), `limits` (seconds, bytes of memory, of a file and of
all files, processes), `hide` (a folder), `uid` and `isolated`. Standard output is a tar of `status`
(JSON), `output` (what the command printed) and the collected files. SIGTERM ends the command, and then this.

If isolated, grade.py has started it by unshare, as the first process of namespaces of its own: no network,
no process of another program, everything that was mounted is read-only, and /tmp, /dev/shm, /run, /dev/pts
and the hidden folder are new, small and empty: a socket or a terminal can be written to where mounts are
read-only. Started by root, the command runs as a user that owns nothing else. Otherwise it has no rights
beyond its user's. Without namespaces, the limits hold, and the user if root started it.
"""
import ctypes
import io
import json
import os
import pathlib
import resource
import signal
import stat
import sys
import tarfile
import tempfile
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 24, 36, 38
SHOWN = 1 << 16  # bytes of what the command printed
PAGE = os.sysconf("SC_PAGE_SIZE")


def mount(kind, place, size):
    if LIBC.mount(kind, place.encode(), kind, 6, f"size={size},mode=1777".encode()):  # nosuid, nodev
        raise OSError(ctypes.get_errno(), f"mounting {place}")


def isolate(limits, hidden):
    """Makes all that is mounted read-only, hides some folders, and lets the ranks reach each other."""
    os.chdir("/")
    attributes = (ctypes.c_uint64 * 4)(1, 0, 0, 0)  # read-only
    if LIBC.syscall(442, -100, b"/", 0x8000, attributes, 32):  # mount_setattr, recursive
        raise OSError(ctypes.get_errno(), "making mounts read-only")
    for place in (hidden, *(place for place in ("/run", "/var/run", "/dev/pts")
                            if os.path.isdir(place) and not os.path.islink(place))):
        mount(b"tmpfs", place, 4096)
    for place in ("/tmp", "/dev/shm"):
        mount(b"tmpfs", place, limits["disk"])
    import fcntl
    import socket
    import struct
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1 | 64))  # up, running


def read_files(files):
    """The bytes of each file, and whether it may be executed: before isolate() hides some of them."""
    return {name: (pathlib.Path(path).read_bytes(), os.access(path, os.X_OK)) for name, path in files.items()}


def drop_rights(limits, uid):
    """The last that the child does before the command."""
    for what, most in ((resource.RLIMIT_CPU, limits["seconds"]), (resource.RLIMIT_AS, limits["memory"]),
                       (resource.RLIMIT_FSIZE, limits["file"]), (resource.RLIMIT_NPROC, limits["processes"]),
                       (resource.RLIMIT_NOFILE, 1024), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    for capability in range(64):
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # root of a user namespace has them, too
    if uid:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def start(command, folder, limits, uid):
    log = os.open(folder / ".output", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    child = os.fork()
    if child:
        os.close(log)
        return child
    try:
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, 1024)
        os.chdir(folder)
        os.environ.update(HOME=str(folder), TMPDIR=str(folder))
        drop_rights(limits, uid)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"cell.py: {command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def descendants():
    """{process: its bytes of memory} of those that come from this one, which adopts what lost its parent."""
    parents, sizes = {}, {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(entry.parent.name)] = int(fields[1])
            sizes[int(entry.parent.name)] = int(fields[21]) * PAGE
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: sizes[pid] for pid in found - {os.getpid()}}


def end_all():
    """Kills until nothing is left: a process may start another while it is looked for."""
    for _ in range(1000):
        for pid in descendants():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:  # none is left, not even a dead one
            return
        time.sleep(0.005)


def wait(child, limits):
    """The exit code, as a shell has it, or None; and what was over then, `time` or `memory`, or nothing."""
    deadline = time.monotonic() + limits["seconds"]
    look = 0
    while (now := time.monotonic()) < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return (code if code >= 0 else 128 - code), ""
        if now >= look:
            if sum(descendants().values()) > limits["memory"]:
                return None, "memory"
            look = time.monotonic() + 0.1
        time.sleep(0.01)
    return None, "time"


def taken(file, most):
    """A file's bytes; None unless it is a file of at most so many bytes, and no link."""
    try:
        number = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(number, "rb") as opened:
        facts = os.fstat(number)
        return opened.read() if stat.S_ISREG(facts.st_mode) and facts.st_size <= most else None


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # grade.py gets it, too, and ends this by SIGTERM
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    spec = json.loads(sys.stdin.readline())
    limits, uid = spec["limits"], spec["uid"]
    files = read_files(spec["files"])
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if spec["isolated"]:
        try:
            isolate(limits, spec["hide"])
        except OSError as error:
            sys.exit(f"cell.py: no isolation: {error}")
    with tempfile.TemporaryDirectory(prefix="cell", dir="/tmp" if spec["isolated"] else None,
                                     ignore_cleanup_errors=True) as place:
        folder = pathlib.Path(place)
        for name, (data, executable) in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
            (folder / name).chmod(0o555 if executable else 0o444)
        (folder / "out").mkdir()
        for owned in (folder, folder / "out"):
            os.chown(owned, uid or -1, uid or -1)
        try:
            code, over = wait(start(spec["command"], folder, limits, uid), limits)
        finally:
            end_all()
        found = {name: taken(folder / name, limits["file"]) for name in spec["collect"]}
        found["output"] = (taken(folder / ".output", limits["file"]) or b"")[:SHOWN]
    found["status"] = json.dumps({"code": code, "over": over}).encode()
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for name, data in found.items():
            if data is not None:
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


if __name__ == "__main__":
    main()
