#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "pipeline/store/store.hpp"

namespace mlpipe {

// What somebody wants kept, whatever else happens: a root of gc set by hand.
struct Pin {
  enum class Kind { result, bytes, release };
  Kind kind = Kind::result;
  std::string name;  // the full id of a result, the digest of bytes in hexadecimal, or "digits:2"
  std::string why;   // may be empty
  std::chrono::system_clock::time_point at;
};

// "result", "bytes", "release".
const char* name_of(Pin::Kind kind);

// The oldest first.
std::vector<Pin> pins(const Store& store);
// Says of one that is there already only why, anew.
void add_pin(const Store& store, const Pin& pin);
// The bytes of a pin of that kind, as a file or as a tree when they are laid out as one.
Output pinned_bytes(const Store& store, const Pin& pin);
// False when there was none.
bool remove_pin(const Store& store, Pin::Kind kind, const std::string& name);

}  // namespace mlpipe
