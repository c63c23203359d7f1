#pragma once

#include <string>
#include <vector>

namespace muster::vmm {

// The word of `known` that `text` is probably a slip of: one letter too many, missing, wrong or in
// its neighbour's place, or two of these in a long word; or the only one that it begins. "": none
// is so near.
std::string NearMiss(const std::string& text, const std::vector<std::string>& known);

// ", but stdio is" for such a word, else "": what goes after "sdtio is no mode".
std::string ButIs(const std::string& text, const std::vector<std::string>& known);

}  // namespace muster::vmm
