#include <vector>

#include <catch2/catch.hpp>

#include <muster/rendezvous/cpu_set.h>

namespace muster::rendezvous {
namespace {

std::vector<int> Members(const CpuSet& set) {
  std::vector<int> members;
  for (int cpu : set) members.push_back(cpu);
  return members;
}

TEST_CASE("CpuSet holds numbers on both sides of every word's edge", "[many]") {
  const std::vector<int> edges = {0, 1, 62, 63, 64, 65, 127, 128, 959, 960, 1022, 1023};
  CpuSet set;
  for (int cpu : edges) set.Add(cpu);
  CHECK(Members(set) == edges);
  CHECK(set.Count() == 12);
  for (int cpu : edges) {
    set.Remove(cpu);
    CHECK_FALSE(set.Contains(cpu));
  }
  CHECK(set.Empty());
}

TEST_CASE("CpuSet ignores numbers that no vCPU can have") {
  CpuSet set;
  for (int cpu : {-1, 1024, 1 << 20, INT32_MIN, INT32_MAX}) {
    set.Add(cpu);
    set.Remove(cpu);
    CHECK_FALSE(set.Contains(cpu));
  }
  CHECK(set == CpuSet());
}

TEST_CASE("CpuSet finds the first member from a number on") {
  const CpuSet set = {3, 64, 1023};
  CHECK(set.First() == 3);
  CHECK(set.First(3) == 3);
  CHECK(set.First(4) == 64);
  CHECK(set.First(65) == 1023);
  CHECK(set.First(1024) == CpuSet::kMaxCpus);
  CHECK(set.First(-5) == 3);
  CHECK(CpuSet().First() == CpuSet::kMaxCpus);
}

TEST_CASE("CpuSet algebra") {
  const CpuSet a = {1, 2, 700}, b = {2, 3, 700};
  CHECK((a | b) == CpuSet{1, 2, 3, 700});
  CHECK((a & b) == CpuSet{2, 700});
  CHECK((a - b) == CpuSet{1});
  CHECK(CpuSet::All().Count() == 1024);
  CHECK(CpuSet::FirstN(65).Count() == 65);
}

TEST_CASE("CpuSet prints runs") {
  CHECK(CpuSet().ToString() == "none");
  CHECK(CpuSet{7}.ToString() == "7");
  CHECK(CpuSet{0, 1, 2, 3, 7}.ToString() == "0-3,7");
  CHECK(CpuSet{62, 63, 64, 1023}.ToString() == "62-64,1023");
  CHECK(CpuSet::All().ToString() == "0-1023");
}

}  // namespace
}  // namespace muster::rendezvous
