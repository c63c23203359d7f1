#include <catch2/catch.hpp>

#include <muster/vmm/report/text_table.h>

namespace muster::vmm {
namespace {

std::string Waits(int terminal_width) {
  TextTable table({{.title = "LINE", .keeps_end = true},
                   {"IN"},
                   {.title = "WAITS FOR", .keeps_end = true, .shrinks_last = true},
                   {"IS", TextTable::Align::kRight}});
  table.AddRow({"rendezvous.h:68", "rendezvous_action", "rendezvous_waiters[2]", "0"});
  return table.Render(Style{.terminal_width = terminal_width});
}

TEST_CASE("a column that shrinks last is whole as long as the others can be cut") {
  CHECK(Waits(100) ==
        "  LINE             IN                 WAITS FOR              IS\n"
        "  rendezvous.h:68  rendezvous_action  rendezvous_waiters[2]   0\n");
  CHECK(Waits(40) ==
        "  LINE   IN    WAITS FOR              IS\n"
        "  ~h:68  ren~  rendezvous_waiters[2]   0\n");
  CHECK(Waits(34) ==
        "  LINE   IN   WAITS FOR         IS\n"
        "  ~h:68  re~  ~vous_waiters[2]   0\n");
}

TEST_CASE("a table is as wide as 120 columns where there is no terminal") {
  TextTable table({{"A"}, {"B"}, {"C"}});
  table.AddRow({std::string(40, 'a'), std::string(40, 'b'), std::string(34, 'c')});
  CHECK(table.Render(Style{}).find('~') == std::string::npos);
  table.AddRow({std::string(40, 'a'), std::string(40, 'b'), std::string(35, 'c')});
  CHECK(table.Render(Style{}).find('~') != std::string::npos);
}

}  // namespace
}  // namespace muster::vmm
