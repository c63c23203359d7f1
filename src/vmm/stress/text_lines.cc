#include <fmt/format.h>

#include <muster/vmm/stress/text_lines.h>

namespace muster::vmm {

absl::Status TextLine::Refuse(const std::string& what) const {
  return absl::InvalidArgumentError(fmt::format("{}:{}: {}", file, number, what));
}

std::vector<TextLine> CutIntoLines(const std::string& file, std::string_view text) {
  std::vector<TextLine> lines;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);

    TextLine cut{file, number, {}};
    std::string word;
    const auto finish = [&] {
      if (!word.empty()) cut.words.push_back(std::move(word));
      word.clear();
    };
    for (const char c : line) {
      if (c == ' ' || c == '\t' || c == '\r') {
        finish();
        continue;
      }
      word += c >= '!' && c <= '~' ? c : '?';
    }
    finish();
    // "#2" is a word of its own kind: a lone '#', or one that begins the line, is a comment.
    for (size_t i = 0; i < cut.words.size(); ++i) {
      if (cut.words[i] == "#" || (i == 0 && cut.words[i].front() == '#')) {
        cut.words.resize(i);
        break;
      }
    }
    if (!cut.words.empty()) lines.push_back(std::move(cut));
  }
  return lines;
}

}  // namespace muster::vmm
