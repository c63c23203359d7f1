#pragma once

#include <cstdio>
#include <string>

namespace muster::vmm {

// All of `text`, into the file itself; false, with errno, where some of it is lost.
bool Write(std::FILE* file, const std::string& text);

// Writes `text` to stderr. What that does not take is lost: there is nowhere to say so. (fmt::print
// throws.)
void Say(const std::string& text);

// Writes `text` to stdout. The exit status: `status`, or, where text is lost, 14 after saying so.
int PutOut(const std::string& text, int status);

}  // namespace muster::vmm
