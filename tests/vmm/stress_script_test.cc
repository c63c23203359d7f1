// Scripts and signatures: what they mean, and what a bad one is told.
#include <random>

#include <catch2/catch.hpp>

#include <muster/vmm/stress/script.h>
#include <muster/vmm/stress/signature.h>

namespace muster::vmm {
namespace {

std::string Refusal(const std::string& text) {
  const auto script = ParseScript("x.script", text);
  return script.ok() ? "accepted" : std::string(script.status().message());
}

std::string SignatureRefusal(const std::string& text) {
  const auto signature = Signature::Parse("x.signature", text);
  return signature.ok() ? "accepted" : std::string(signature.status().message());
}

TEST_CASE("a script holds CPUs at visits of gates, in all variants or in those named") {
  const auto script = ParseScript("x", R"(
# Two calls.
cpus 3   # of them
variant a failed
variant b-2 prevented
hold cpu 2 at added until cpu 1 at reset #2 and cpu 0 at left
in a: hold cpu 1 at exit #3 until cpu 0 at left
)");
  REQUIRE(script.ok());
  CHECK(script->cpus == 3);
  REQUIRE(script->variants.size() == 2);
  const Variant& a = script->variants[0];
  CHECK(a.due == Outcome::kFailed);
  REQUIRE(a.holds.size() == 2);
  CHECK(a.holds[0].at == GateVisit{2, "added", 1});
  CHECK(a.holds[0].until == std::vector<GateVisit>{{1, "reset", 2}, {0, "left", 1}});
  CHECK(a.holds[0].line == 6);
  CHECK(ToString(a.holds[1].at) == "cpu 1 at exit #3");
  CHECK(script->variants[1].due == Outcome::kPrevented);
  CHECK(script->variants[1].holds.size() == 1);
  CHECK(script->Find("b-2") == &script->variants[1]);
  CHECK(script->Find("c") == nullptr);
}

TEST_CASE("without variants there is one, without a name, and nothing is due") {
  const auto script = ParseScript("x", "cpus 1\n");
  REQUIRE(script.ok());
  REQUIRE(script->variants.size() == 1);
  CHECK(script->variants[0].name.empty());
  CHECK_FALSE(script->variants[0].due);
}

TEST_CASE("a bad script is refused with its line, the rule and the mend") {
  CHECK(Refusal("") == "x.script:1: nothing but comments; a script begins with `cpus N`");
  CHECK(Refusal("# cpus 2") == "x.script:1: nothing but comments; a script begins with `cpus N`");
  CHECK(Refusal("\n\nhold cpu 0 at a until cpu 1 at b") ==
        "x.script:3: a script begins with `cpus N`");
  for (const char* cpus : {"cpus", "cpus 0", "cpus 65", "cpus two", "cpus 2 3", "cpus -1"}) {
    CHECK(Refusal(cpus) == "x.script:1: `cpus` takes one whole number from 1 to 64");
  }
  CHECK(Refusal("cpus 2\ncpus 2") == "x.script:2: `cpus` stands there a second time");
  CHECK(Refusal("cpus 2\nhalt") == "x.script:2: 'halt' is none of cpus, variant, hold, in");
  CHECK(Refusal("cpus 2\nvariant a") ==
        "x.script:2: the form is: variant NAME failed|survived|prevented");
  CHECK(Refusal("cpus 2\nvariant a fails") ==
        "x.script:2: 'fails' is none of failed, survived, prevented");
  CHECK(Refusal("cpus 2\nvariant A failed") ==
        "x.script:2: 'A' is no name: lower-case letters, digits and '-'");
  CHECK(Refusal("cpus 2\nvariant a failed\nvariant a failed") ==
        "x.script:3: variant a stands there a second time");
  CHECK(Refusal("cpus 2\nhold cpu 0 at a until cpu 1 at b\nvariant a failed") ==
        "x.script:3: variants come before the first hold");
  CHECK(Refusal("cpus 2\nhold cpu 2 at a until cpu 1 at b") ==
        "x.script:2: '2' is no CPU: with `cpus 2` they are 0 to 1");
  CHECK(Refusal("cpus 2\nhold cpu 0 at A until cpu 1 at b") ==
        "x.script:2: 'A' is no gate: lower-case letters, digits and '-'");
  CHECK(Refusal("cpus 2\nhold cpu 0 at a #0 until cpu 1 at b") ==
        "x.script:2: '#0' is no visit, like #2");
  CHECK(Refusal("cpus 2\nhold cpu 0 at a until cpu 0 at b") ==
        "x.script:2: cpu 0 is held, and comes nowhere: it can't wait for cpu 0");
  CHECK(Refusal("cpus 2\nhold cpu 0 at a until cpu 1 at b\nhold cpu 0 at a until cpu 1 at c") ==
        "x.script:3: cpu 0 at a is held by line 2 already");
  CHECK(Refusal("cpus 2\nvariant a failed\nin b: hold cpu 0 at a until cpu 1 at b") ==
        "x.script:3: there is no variant 'b'");
  CHECK(Refusal("cpus 2\nvariant a failed\nin a hold cpu 0 at a until cpu 1 at b") ==
        "x.script:3: there is no variant 'hold'");
  const std::string form =
      "; the form is: hold cpu N at GATE [#VISIT] until cpu N at GATE [#VISIT] "
      "[and cpu N at GATE ...]";
  CHECK(Refusal("cpus 2\nhold 0 at a") == "x.script:2: 'cpu' is missing before '0'" + form);
  CHECK(Refusal("cpus 2\nhold cpu 0 at a") ==
        "x.script:2: 'until' is missing before 'the end of the line'" + form);
  CHECK(Refusal("cpus 2\nhold cpu 0 at a until cpu 1 at b or cpu 1 at c") ==
        "x.script:2: 'and' is missing before 'or'" + form);
}

TEST_CASE("a bad signature is refused with its line and the rule") {
  CHECK(SignatureRefusal("# nothing") ==
        "x.signature:1: nothing but comments; an empty signature would match every run");
  CHECK(SignatureRefusal("or") == "x.signature:1: nothing comes before `or`");
  CHECK(SignatureRefusal("deadlock\nor") == "x.signature: nothing comes after the last `or`");
  CHECK(SignatureRefusal("deadlock\nor else") == "x.signature:2: `or` stands alone");
  CHECK(SignatureRefusal("deadlock\nor\nx == 1") == "accepted");
  CHECK(SignatureRefusal("deadlock now") == "x.signature:1: `deadlock` stands alone");
  CHECK(SignatureRefusal("deadlock\ncpu 1") == "x.signature:2: the form is: cpu NUMBER CLAIM");
  const std::string claims =
      "x.signature:1: after the CPU comes one of: IF == 0|1, [does not] serve(s) VECTOR, "
      "[does not] owe(s) VECTOR, in FUNCTION, [does not] wait(s) for VARIABLE, halted";
  for (const char* claim : {"cpu 1 IF == 2", "cpu 1 serves 0x100", "cpu 1 serve 1",
                            "cpu 1 does not serves 1", "cpu 1 does not in x",
                            "cpu 1 does not halted", "cpu 1 does not IF == 0", "cpu 1 is asleep"}) {
    CHECK(SignatureRefusal(claim) == claims);
  }
  CHECK(SignatureRefusal("x = 1") ==
        "x.signature:1: a line is `deadlock`, `cpu N ...`, or VARIABLE == != < > <= >= NUMBER, "
        "each in blanks");
  CHECK(SignatureRefusal("x == 1x") == "x.signature:1: '1x' is neither a number nor a variable");
  CHECK(SignatureRefusal("x == & # x") == "x.signature:1: '&' is neither a number nor a variable");
}

TEST_CASE("whatever words a script or signature is made of, it is parsed or refused") {
  const std::vector<std::string> words = {
      "cpus", "2",     "variant", "a",        "failed", "hold", "cpu",   "0",   "at",
      "g",    "until", "1",       "and",      "in",     "a:",   "#",     "#2",  "\n",
      "\n",   "\t",    "x",       "x[",       "&",      "==",   "waits", "for", "does",
      "not",  "owe",   "IF",      "deadlock", "serves", "0xe1", "-1",    "\x80"};
  std::mt19937 random(1);
  int parsed = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = i % 2 == 0 ? "cpus 2\nvariant a failed\n" : "";
    for (unsigned long n = random() % 24; n > 0; --n) text += words[random() % words.size()] + " ";
    const auto script = ParseScript("f", text);
    const auto signature = Signature::Parse("f", text);
    for (const absl::Status& status : {script.status(), signature.status()}) {
      if (!status.ok()) REQUIRE(std::string(status.message()).starts_with("f:"));
    }
    parsed += script.ok() || signature.ok();
  }
  CHECK(parsed > 100);
}

}  // namespace
}  // namespace muster::vmm
