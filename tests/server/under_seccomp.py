"""Runs a program under a seccomp profile as a container runtime would: under_seccomp.py PROFILE [-NAME …] PROGRAM [ARGUMENT …].

`-NAME` takes a system call out of the profile. The filter is made here of the profile's own lines, so that no container
runtime is needed; what these lines may use is less than what the format knows, and anything else is an error.
"""

import ctypes
import json
import os
import platform
import struct
import subprocess
import sys

LOAD, EQUAL, AND, ANSWER = 0x20, 0x15, 0x54, 0x06
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
# Places in what the kernel shows a filter: number, architecture, then (behind an address) six arguments of 64 bits.
NUMBER_AT, ARCH_AT, ARGUMENTS_AT = 0, 4, 16
ARCHITECTURES = {"x86_64": ("SCMP_ARCH_X86_64", 0xC000003E), "aarch64": ("SCMP_ARCH_AARCH64", 0xC00000B7)}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2


def numbers():
    """The numbers of the system calls, from the headers that every C compiler has beside it."""
    listed = subprocess.run(
        ["cc", "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", "/dev/null"], check=True, capture_output=True, text=True
    )
    words = [line.split() for line in listed.stdout.splitlines()]
    texts = {line[1]: line[2] for line in words if len(line) == 3 and line[1].startswith("__NR")}
    found = {}
    for name, text in texts.items():
        # On arm64 some are given by way of a second name.
        value = texts.get(text, text)
        if name.startswith("__NR_") and value.isdigit():
            found[name.removeprefix("__NR_")] = int(value)
    return found


def instruction(code, value, jump_true=0, jump_false=0):
    return struct.pack("HBBI", code, jump_true, jump_false, value)


def answer(action, errno):
    if action == "SCMP_ACT_ALLOW":
        return instruction(ANSWER, ALLOW)
    assert action == "SCMP_ACT_ERRNO", action
    return instruction(ANSWER, ERRNO | errno)


def comparison(argument):
    """Instructions that compare both halves of an argument, by pairs: what is loaded, what it must be."""
    operation, value = argument["op"], argument["value"]
    mask, wanted = {
        "SCMP_CMP_EQ": ((1 << 64) - 1, value),
        "SCMP_CMP_MASKED_EQ": (value, argument.get("valueTwo", 0)),
    }[operation]
    at = ARGUMENTS_AT + 8 * argument["index"]
    for offset, shift in ((0, 0), (4, 32)):
        half = mask >> shift & 0xFFFFFFFF
        yield instruction(LOAD, at + offset) + instruction(AND, half), wanted >> shift & half


def rule(number, arguments, verdict):
    """Answers when the number and all arguments fit; falls through otherwise."""
    tests = [(instruction(LOAD, NUMBER_AT), number)]
    tests += [test for argument in arguments for test in comparison(argument)]
    code = verdict
    for load, wanted in reversed(tests):
        code = load + instruction(EQUAL, wanted, 0, len(code) // 8) + code
    return code


def compile_profile(profile, removed):
    name, value = ARCHITECTURES[platform.machine()]
    assert name in profile["architectures"], f"{name} is not in the profile"
    known = numbers()
    code = instruction(LOAD, ARCH_AT) + instruction(EQUAL, value, 1, 0) + instruction(ANSWER, KILL)
    for line in profile["syscalls"]:
        verdict = answer(line["action"], line.get("errnoRet", 1))
        # A profile names calls of all architectures and kernels; a runtime leaves out those that it does not know.
        for call in (call for call in line["names"] if call in known and call not in removed):
            code += rule(known[call], line.get("args", []), verdict)
    return code + answer(profile["defaultAction"], profile.get("defaultErrnoRet", 1))


def apply(code):
    class Filter(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code, len(code))
    rules = Filter(len(code) // 8, ctypes.addressof(buffer))
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(rules), 0, 0) == 0, os.strerror(ctypes.get_errno())


def main():
    path, rest = sys.argv[1], sys.argv[2:]
    removed = []
    while rest[0].startswith("-"):
        removed.append(rest.pop(0)[1:])
    with open(path, encoding="utf-8") as file:
        profile = json.load(file)
    apply(compile_profile(profile, removed))
    os.execv(rest[0], rest)


main()
