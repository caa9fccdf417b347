"""Runs a program under a filter that refuses io_uring_setup, as container runtimes do by default. x86-64 and arm64 share its number."""

import ctypes
import os
import struct
import sys

IO_URING_SETUP = 425
EPERM = 1
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2

libc = ctypes.CDLL(None, use_errno=True)


def instruction(code, jump_true, jump_false, value):
    return struct.pack("HBBI", code, jump_true, jump_false, value)


program = b"".join(
    [
        instruction(0x20, 0, 0, 0),  # load the number of the system call
        instruction(0x15, 0, 1, IO_URING_SETUP),
        instruction(0x06, 0, 0, 0x00050000 | EPERM),
        instruction(0x06, 0, 0, 0x7FFF0000),  # allow
    ]
)
buffer = ctypes.create_string_buffer(program, len(program))


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_void_p)]


rules = Filter(len(program) // 8, ctypes.addressof(buffer))
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(rules), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
