#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include <muster/vmm/cli/near_miss.h>

namespace muster::vmm {
namespace {

constexpr size_t kLongWord = 6;
constexpr size_t kLongestWord = 64;  // of what somebody typed: the work grows with it

// Insertions, deletions, changes and swaps of neighbours that make one of the other.
size_t Slips(const std::string& one, const std::string& other) {
  std::vector<size_t> before, last(other.size() + 1), now(other.size() + 1);
  for (size_t j = 0; j <= other.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= one.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= other.size(); ++j) {
      const size_t change = one[i - 1] == other[j - 1] ? 0 : 1;
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1]) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    before = std::exchange(last, now);
  }
  return last[other.size()];
}

// The one word of `known` that begins with `text`.
std::string BegunBy(const std::string& text, const std::vector<std::string>& known) {
  const auto begins = [&text](const std::string& word) { return word.starts_with(text); };
  if (text.empty() || std::count_if(known.begin(), known.end(), begins) != 1) return "";
  return *std::find_if(known.begin(), known.end(), begins);
}

}  // namespace

std::string NearMiss(const std::string& text, const std::vector<std::string>& known) {
  if (text.size() > kLongestWord) return "";
  std::string nearest = BegunBy(text, known);
  size_t fewest = SIZE_MAX;
  for (const std::string& word : known) {
    const size_t slips = Slips(text, word);
    if (slips < fewest && slips <= (word.size() < kLongWord ? 1 : 2)) {
      fewest = slips;
      nearest = word;
    }
  }
  return nearest;
}

std::string ButIs(const std::string& text, const std::vector<std::string>& known) {
  const std::string word = NearMiss(text, known);
  return word.empty() ? "" : fmt::format(", but {} is", word);
}

}  // namespace muster::vmm
