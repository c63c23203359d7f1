#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

int main(int argc, char* argv[]) {
  // The number of failures, or of tests where these are listed; but CTest takes 77 for a test that
  // cannot run here.
  const int status = Catch::Session().run(argc, argv);
  return status == 77 ? 78 : status;
}
