#!/usr/bin/env python3
"""Each rule of layering.py reports a tree that breaks it, and is silent on one that does not."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent


class Layering(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def report(self):
        run = subprocess.run(
            [sys.executable, HERE / "layering.py", "--build", self.root / "build", self.root],
            capture_output=True, text=True)
        self.assertEqual(run.stderr, "")
        self.assertEqual(run.returncode, 1 if run.stdout else 0)
        return run.stdout

    def source(self, path, text):
        self.write(path, text)
        return self.report()

    def library(self, layer, code):
        """Builds code as the only member of LAYER's library, then checks."""
        source = self.write("code.cc", code)
        member = self.root / "code.o"
        archive = self.root / f"build/src/{layer}/libmuster_{layer}.a"
        archive.parent.mkdir(parents=True)
        subprocess.run(["g++", "-c", "-O1", source, "-o", member], check=True)
        subprocess.run(["ar", "rc", archive, member], check=True)
        return self.report()

    def test_each_layer_may_use_those_below_it(self):
        self.write("src/vcpu/a.h", "#include <muster/apic/x.h>\n#include <muster/rendezvous/y.h>\n")
        self.write("src/vmm/a.cc", "#include <muster/vcpu/run/x.h>\n#include <linux/kvm.h>\n")
        self.assertEqual(self.source("src/apic/a.cc", "#include <muster/apic/a.h>\n"), "")

    def test_the_lowest_layers_do_not_include_each_other(self):
        self.assertIn("src/apic/a.h:2: apic includes <muster/rendezvous/sync.h>",
                      self.source("src/apic/a.h", "\n#include <muster/rendezvous/sync.h>\n"))
        self.assertIn("rendezvous includes <muster/apic/lapic.h>",
                      self.source("src/rendezvous/a.cc", "#  include <muster/apic/lapic.h>\n"))

    def test_an_include_does_not_run_upwards(self):
        self.assertIn("not below it", self.source("src/apic/a.h", "#include <muster/vcpu/vm.h>\n"))
        self.assertIn("src/vcpu/irq/a.cc:1: vcpu includes <muster/vmm/machine.h>",
                      self.source("src/vcpu/irq/a.cc", "#include <muster/vmm/machine.h>\n"))

    def test_kvm_headers_stay_above_the_lowest_layers(self):
        self.assertIn("the APIC models are pure",
                      self.source("src/apic/a.cc", "#include <linux/kvm.h>\n"))
        self.assertIn("no KVM below vcpu",
                      self.source("src/rendezvous/a.cc", "#include <sys/ioctl.h>\n"))

    def test_the_apic_models_know_no_clock_and_no_thread(self):
        self.assertIn("<chrono>", self.source("src/apic/a.cc", "#include <chrono>\n"))
        self.assertIn("<atomic>", self.source("src/apic/b.cc", "#include <atomic>\n"))

    def test_project_headers_are_included_by_layer(self):
        self.write("src/vcpu/run/a.h", "")
        for header in ("a.h", "vcpu/run/a.h", "muster/vcpu/run/a.h"):
            self.assertIn(f'src/vcpu/run/a.cc:1: "{header}" is not of the form',
                          self.source("src/vcpu/run/a.cc", f'#include "{header}"\n'))
        self.assertEqual(self.source("src/vcpu/run/a.cc", '#include "absl/status/status.h"\n'), "")

    def test_raw_primitives_stay_behind_the_seam(self):
        for code in ("std::atomic<int> x;", "std::mutex m;", "std::unique_lock l(m);",
                     "std::condition_variable_any c;", "syscall(SYS_futex, 0);",
                     "__atomic_load_n(&x, 0);", "std::this_thread::yield();", "absl::Mutex m;"):
            for layer in ("vcpu", "rendezvous"):
                self.assertIn(f"src/{layer}/a.cc:2:",
                              self.source(f"src/{layer}/a.cc", f"// one\n{code}\n"), code)
                self.write(f"src/{layer}/a.cc", "")

    def test_the_seam_itself_and_prose_may_name_them(self):
        self.write("src/rendezvous/sync.h", "std::atomic<int> x;\n")
        self.write("src/rendezvous/sync_futex.cc", "syscall(SYS_futex, 0);\n")
        self.write("src/vcpu/a.cc", "// like std::mutex\n/* std::atomic */ auto s = \"std::mutex\";\n")
        self.write("src/vmm/a.cc", "std::mutex m;\n")
        self.assertEqual(self.report(), "")

    def test_a_target_links_only_what_is_below_it(self):
        self.write("build/layers/vcpu.links", "Muster::apic\nMuster::rendezvous\nfmt::fmt\n")
        self.assertEqual(self.report(), "")
        self.write("build/layers/apic.links", "muster_rendezvous\nabsl::status\n")
        self.assertIn("target muster_apic links muster_rendezvous", self.report())

    def test_a_library_does_not_print(self):
        self.assertIn("libmuster_vcpu.a(code.o) uses puts",
                      self.library("vcpu", '#include <cstdio>\nvoid F() { printf("x\\n"); }\n'))

    def test_a_library_does_not_print_through_streams(self):
        self.assertIn("uses std::cerr",
                      self.library("apic", '#include <iostream>\nvoid F() { std::cerr << 1; }\n'))

    def test_a_library_does_not_exit(self):
        self.assertIn("uses exit", self.library("vcpu", "#include <cstdlib>\nvoid F() { exit(1); }\n"))

    def test_a_library_does_not_abort(self):
        self.assertIn("uses abort",
                      self.library("rendezvous", "#include <cstdlib>\nvoid F() { std::abort(); }\n"))

    def test_a_library_installs_no_handler(self):
        self.assertIn("uses sigaction", self.library(
            "vcpu", "#include <signal.h>\nvoid F() { sigaction(SIGUSR1, nullptr, nullptr); }\n"))

    def test_a_library_may_report_and_kick(self):
        self.assertEqual("", self.library(
            "vcpu", "#include <signal.h>\n#include <cstdio>\n#include <pthread.h>\nchar b[9];\n"
            'void F(int n) { snprintf(b, 9, "%d", n); pthread_kill(pthread_self(), SIGUSR1); }\n'))


if __name__ == "__main__":
    unittest.main()
