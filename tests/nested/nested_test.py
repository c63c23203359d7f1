#!/usr/bin/env python3
"""What ./dev nested promises: a command there is as a command here, and trouble says its name.

    nested_test.py SESSION [unittest arguments]
"""

import contextlib
import fcntl
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

import frames
import kernel
import machine
import nested
import qemu

HERE = pathlib.Path(__file__).resolve().parent
NESTED = [sys.executable, str(HERE / "nested.py")]
SESSION = None


def execute(*command, **options):
    return subprocess.run([*NESTED, "exec", "--session", SESSION, "--", *command],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)


class Command(unittest.TestCase):
    def setUp(self):
        if execute("true").returncode == 77:
            self.skipTest("no emulated machine here")

    def test_streams_and_status_are_the_commands(self):
        run = execute("sh", "-c", "echo out; echo err >&2; exit 7")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (7, "out\n", "err\n"))

    def test_a_signal_gives_the_shells_status(self):
        self.assertEqual(execute("sh", "-c", "kill -SEGV $$").returncode, 128 + signal.SIGSEGV)

    def test_a_command_that_is_not_there(self):
        run = execute("no-such-command")
        self.assertEqual(run.returncode, 127)
        self.assertIn("no-such-command", run.stderr)

    def test_directory_arguments_and_environment_come_through(self):
        odd = "a 'b\n\"c$ \\ é"
        run = execute("sh", "-c", 'pwd; printf %s "$1" "$ODD"', "sh", odd, cwd="/usr/lib",
                      env={**os.environ, "ODD": odd})
        self.assertEqual(run.stdout, "/usr/lib\n" + odd + odd)

    def test_files_are_the_hosts_and_few_can_be_written(self):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "file")
            file.write_text("from here")
            run = execute("sh", "-c", f"cat {file}; echo from there > {file}; echo x > /etc/x")
            self.assertEqual(run.stdout, "from here")
            self.assertIn("Read-only", run.stderr)
            self.assertEqual(file.read_text(), "from there\n")
            self.assertFalse(os.path.exists("/etc/x"))

    def test_there_is_a_kvm(self):
        run = execute("sh", "-c", "test -c /dev/kvm && cat /sys/module/kvm_amd/parameters/npt")
        self.assertIn(run.stdout, ("Y\n", "1\n"), run.stderr)

    def test_guests_do_not_run_on_the_first_cpu(self):
        # Which the emulator spoils for them: guest/init.c, LeaveBootCpu.
        run = execute("sh", "-c", "nproc; taskset -cp $$; cat /sys/devices/system/cpu/online")
        self.assertRegex(run.stdout, r"^2\n.*: 1,2\n0-2\n$")

    def test_much_output_arrives_whole(self):
        self.assertEqual(execute("seq", "200000").stdout.splitlines(),
                         [str(i + 1) for i in range(200000)])

    def test_output_comes_as_it_is_made(self):
        with subprocess.Popen([*NESTED, "exec", "--session", SESSION, "--", "sh", "-c",
                               "echo first; exec sleep 1000"], stdout=subprocess.PIPE) as run:
            self.assertEqual(run.stdout.readline(), b"first\n")
            run.kill()
        # And whoever asked has gone, so the command has ended.
        self.assertEqual(execute("pidof", "sleep").stdout, "")

    def test_an_interrupt_goes_to_the_command(self):
        with subprocess.Popen([*NESTED, "exec", "--session", SESSION, "--", "sh", "-c",
                               "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done"],
                              stdout=subprocess.PIPE) as run:
            self.assertEqual(run.stdout.readline(), b"ready\n")
            run.send_signal(signal.SIGINT)
            self.assertEqual(run.stdout.read(), b"caught\n")
            self.assertEqual(run.wait(), 9)

    def test_a_child_left_behind_does_not_hold_the_command(self):
        run = execute("sh", "-c", "sleep 1000 & echo done")
        self.assertEqual((run.returncode, run.stdout), (0, "done\n"))

    def test_a_machine_that_went_down_is_reported_and_replaced(self):
        run = execute("sh", "-c", "echo c > /proc/sysrq-trigger")
        self.assertEqual(run.returncode, 14)
        self.assertIn("Kernel panic", run.stderr)
        again = execute("echo", "again")
        self.assertEqual((again.returncode, again.stdout), (0, "again\n"), again.stderr)

    def test_who_waits_while_the_machine_goes_down_gets_the_next_one(self):
        with subprocess.Popen([*NESTED, "exec", "--session", SESSION, "--", "sh", "-c",
                               "echo down; sleep 1; echo c > /proc/sysrq-trigger"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first:
            self.assertEqual(first.stdout.readline(), b"down\n")
            second = execute("echo", "again")
            self.assertEqual((second.returncode, second.stdout), (0, "again\n"), second.stderr)
            first.communicate()
            self.assertEqual(first.returncode, 14)


class Boots(unittest.TestCase):
    """A machine that stands still while it boots is booted again, a few times."""

    def boot(self, *outcomes):
        with unittest.mock.patch.object(nested, "make", side_effect=outcomes) as made, \
                unittest.mock.patch.object(nested, "report"):
            try:
                return nested.boot(None), made.call_count
            except machine.Down as error:
                return str(error), made.call_count

    def test_it_is_booted_again(self):
        self.assertEqual(self.boot(machine.Down("stands"), "up"), ("up", 2))

    def test_not_for_ever(self):
        self.assertEqual(self.boot(*[machine.Down("stands")] * 9), ("stands", nested.BOOTS))


class OneCommand(unittest.TestCase):
    """A machine for one command."""

    def run_nested(self, *arguments, **options):
        run = subprocess.run([*NESTED, "run", *arguments], capture_output=True, text=True,
                             stdin=subprocess.DEVNULL, **options)
        if run.returncode == 6:
            self.skipTest(run.stderr)
        return run

    def test_the_time_limit_ends_it(self):
        run = self.run_nested("--time-limit", "1", "--", "sleep", "1000")
        self.assertEqual(run.returncode, 12)
        self.assertIn("time limit", run.stderr)

    def test_nothing_is_left_when_it_is_ended(self):
        temporary = tempfile.TemporaryDirectory()  # of its own: others boot machines too
        self.addCleanup(temporary.cleanup)
        with subprocess.Popen([*NESTED, "run", "--", "sh", "-c", "echo up; sleep 1000"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "TMPDIR": temporary.name}) as run:
            if run.stdout.readline() != b"up\n":
                self.skipTest(run.stderr.read().decode())
            children = pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
            self.assertEqual(len(children), 2)
            run.terminate()
            self.assertEqual(run.wait(), 128 + signal.SIGTERM)
        self.assertFalse([child for child in children if os.path.exists(f"/proc/{child}")])
        self.assertEqual(os.listdir(temporary.name), [])

    @unittest.skipIf(os.geteuid() != 0, "only root can become someone else")
    def test_an_ordinary_user_can(self):
        user = 54321
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--groups=54321,54322"]
        if subprocess.run([*as_user, "test", "-r", str(HERE / "nested.py")]).returncode != 0:
            self.skipTest("an ordinary user cannot read this directory")
        with tempfile.TemporaryDirectory() as home:
            os.chown(home, user, user)
            shared = pathlib.Path(home, "cache/muster-nested")
            shared.mkdir(parents=True)
            subprocess.run(["cp", "-r", kernel.kernel(lambda _: None), shared], check=True)
            subprocess.run(["chown", "-R", str(user), home], check=True)
            run = subprocess.run(
                [*as_user, "/usr/bin/python3", str(HERE / "nested.py"), "run", "--",
                 "sh", "-c", "test -w /dev/kvm && echo written > file; exit 5"],
                capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=home,
                env={"PATH": "/usr/bin:/bin", "HOME": home, "XDG_CACHE_HOME": f"{home}/cache"})
            if run.returncode == 6:
                self.skipTest(run.stderr)
            self.assertEqual((run.returncode, run.stdout), (5, ""), run.stderr)
            self.assertEqual(pathlib.Path(home, "file").stat().st_uid, user)


def descendants(pid):
    """The processes below one, by /proc."""
    parents = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = status.read_text()
            parents[int(status.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found, below = set(), {pid}
    while below:
        below = {child for child, parent in parents.items() if parent in below}
        found |= below
    return found


class CtrlC(unittest.TestCase):
    """To ./dev nested as a terminal sends it: to the whole process group."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.mounts = pathlib.Path("/proc/self/mounts").read_text()

    def start(self, *command):
        run = subprocess.Popen(
            [*NESTED, "run", "--", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "TMPDIR": self.temporary.name})
        self.addCleanup(run.stdout.close)
        self.addCleanup(run.stderr.close)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        return run

    def assert_nothing_is_left(self, run, below):
        self.assertTrue(below, "nothing was running")
        # Their parent is gone, and whoever adopts them has yet to take note of their end.
        alive = [pid for pid in below if self.runs(pid)]
        deadline = time.monotonic() + 30
        while alive and time.monotonic() < deadline:
            time.sleep(0.05)
            alive = [pid for pid in alive if self.runs(pid)]
        self.assertEqual(alive, [])
        self.assertEqual(os.listdir(self.temporary.name), [])
        self.assertEqual(pathlib.Path("/proc/self/mounts").read_text(), self.mounts)
        with open(kernel.cache_directory() / "lock") as lock:
            while True:  # another that boots has it for a moment
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self.assertLess(time.monotonic(), deadline, "the cache's lock is held")
                    time.sleep(0.05)

    @staticmethod
    def runs(pid):
        with contextlib.suppress(OSError):
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    def test_while_a_command_runs_ends_all(self):
        for command in ("sleep 1000", "trap '' INT; while :; do sleep 1000; done"):
            with self.subTest(command):
                run = self.start("sh", "-c", f"echo there; {command}")
                if run.stdout.readline() != "there\n":
                    self.skipTest(run.stderr.read())
                below = descendants(run.pid)
                os.killpg(run.pid, signal.SIGINT)
                self.assertEqual(run.wait(60), 130)
                self.assert_nothing_is_left(run, below)

    def test_while_the_machine_boots_ends_all(self):
        run = self.start("true")
        deadline = time.monotonic() + 30
        below = set()
        while len(below) < 2 and run.poll() is None and time.monotonic() < deadline:
            below = descendants(run.pid)  # QEMU and the server of its files
        if run.poll() == 6:
            self.skipTest(run.stderr.read())
        os.killpg(run.pid, signal.SIGINT)
        self.assertEqual(run.wait(60), 130)
        self.assert_nothing_is_left(run, below)


class Trouble(unittest.TestCase):
    """No machine starts here; apt and others are played by scripts."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.bin = self.root / "bin"
        self.bin.mkdir()
        self.said = []
        for patch in (unittest.mock.patch.object(kernel, "cache_directory", lambda: self.root),
                      unittest.mock.patch.dict(os.environ, PATH=f"{self.bin}:/usr/bin:/bin")):
            patch.start()
            self.addCleanup(patch.stop)

    def play(self, program, script):
        file = self.bin / program
        file.write_text("#!/bin/sh\n" + script)
        file.chmod(0o755)

    def keep(self, **files):
        directory = self.root / "kernel"
        directory.mkdir()
        files = {"vmlinuz": "kernel", **{f"{module}.ko": module for module in kernel.ALL_MODULES},
                 **files}
        for name, content in files.items():
            (directory / name).write_text(content)
        (directory / "SHA256SUMS").write_text(
            "".join(f"{kernel.digest(directory / name)}  {name}\n" for name in files))
        return directory

    def test_what_is_kept_is_used(self):
        directory = self.keep(vmlinuz="kernel")
        self.play("apt-cache", "exit 1\n")
        self.assertEqual(kernel.kernel(self.said.append), directory)
        self.assertEqual(self.said, [])

    def test_a_file_cut_short_is_named_and_fetched_again(self):
        directory = self.keep(vmlinuz="kernel")
        (directory / "vmlinuz").write_text("ker")
        self.play("apt-cache", "echo '  Depends: linux-image-6.1.0-0-cloud-amd64'\n")
        self.play("apt-get", "echo 'E: Could not resolve deb.debian.org' >&2; exit 100\n")
        with self.assertRaisesRegex(machine.Unavailable, "(?s)network.*Could not resolve"):
            kernel.kernel(self.said.append)
        self.assertRegex(self.said[0], "kernel/vmlinuz is damaged")
        self.assertRegex(self.said[1], "fetching Debian's linux-image-6.1.0-0-cloud-amd64")

    def play_apt(self, download):
        self.play("apt-cache", "echo '  Depends: linux-image-6.1.0-0-cloud-amd64'\n")
        self.play("apt-get", download)

    def test_a_list_of_checksums_cut_short_vouches_for_nothing(self):
        for left in ("", "0123", "SHA256SUMS is\n not a list\n"):
            with self.subTest(left):
                directory = self.root / "kernel"
                if not directory.exists():
                    self.keep()
                self.play_apt("echo 'E: no network' >&2; exit 100\n")
                (directory / "SHA256SUMS").write_text(left)
                self.said.clear()
                with self.assertRaisesRegex(machine.Unavailable, "Is there a network"):
                    kernel.kernel(self.said.append)
                self.assertRegex(self.said[0], "kernel/SHA256SUMS is damaged")

    def test_a_package_cut_short_is_said_to_be_and_leaves_nothing(self):
        self.play_apt("echo 'cut short' > kernel.deb\n")
        with self.assertRaisesRegex(machine.Unavailable, "not whole; run this again"):
            kernel.kernel(self.said.append)
        self.assertEqual(sorted(path.name for path in self.root.iterdir()), ["bin", "lock"])

    def test_apt_that_knows_no_kernel(self):
        self.play("apt-cache", "exit 0\n")
        with self.assertRaisesRegex(machine.Unavailable, "apt-get update"):
            kernel.kernel(self.said.append)

    def test_a_package_that_is_missing_is_named(self):
        with unittest.mock.patch.dict(os.environ, PATH="/nonexistent"):
            with self.assertRaisesRegex(machine.Unavailable, "setup installs it .package qemu"):
                machine.need("qemu-system-nonesuch", "qemu-system-x86")

    def test_a_user_who_may_have_no_name_space_is_told_to_be_root(self):
        self.play("unshare", "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1\n")
        with self.assertRaisesRegex(machine.Unavailable, "not permitted.*Run it as root"):
            qemu.in_own_name_space()

    def test_a_command_that_is_missing_is_asked_for_by_an_example(self):
        run = subprocess.run([*NESTED, "run"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 2)
        self.assertRegex(run.stderr, r"^nested: .*COMMAND.*\./dev nested -- .*\n$")


class Frames(unittest.TestCase):
    def test_frames_come_in_any_pieces_among_any_noise(self):
        wire = b"noise\xf5MU" + frames.encode(frames.OUT, b"one") + b"\xf5MU\xfa" + b"\xff" * 8 + \
            frames.encode(frames.EXIT, b"\0\0\0\0")
        for size in (1, 2, 3, 7, len(wire)):
            decoder = frames.Decoder()
            got = [frame for at in range(0, len(wire), size)
                   for frame in decoder.feed(wire[at:at + size])]
            self.assertEqual(got, [(frames.OUT, b"one"), (frames.EXIT, b"\0\0\0\0")])


if __name__ == "__main__":
    SESSION = sys.argv.pop(1)
    unittest.main()
