"""Runs the unittests of a source tree and prints a JSON line: how many passed, and why the others did not. One that hangs
fails, and the rest goes on. usage: unittests.py FOLDER"""

import json
import os
import signal
import sys
import unittest

PATIENCE = 30


class Result(unittest.TextTestResult):
    """Everything but a plain success counts as a failure, a skipped test too."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.bad = {}

    def startTest(self, test):
        super().startTest(test)
        signal.alarm(PATIENCE)

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def blame(self, test, why):
        self.bad.setdefault(getattr(test, "test_case", test).id(), why)

    def addError(self, test, err):
        super().addError(test, err)
        self.blame(test, f"{err[0].__name__}: {err[1]}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.blame(test, f"{err[0].__name__}: {err[1]}")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.blame(test, f"{err[0].__name__}: {err[1]}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.blame(test, f"skipped: {reason}")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.blame(test, "passes unexpectedly")


def too_long(*_):
    raise TimeoutError(f"no end after {PATIENCE} seconds")


def main(folder):
    os.chdir(folder)
    sys.path.insert(0, folder)
    signal.signal(signal.SIGALRM, too_long)
    tests = unittest.defaultTestLoader.discover("tests")
    result = unittest.TextTestRunner(stream=open(os.devnull, "w"), resultclass=Result).run(tests)
    print(json.dumps({"passed": result.testsRun - len(result.bad), "failed": result.bad}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
