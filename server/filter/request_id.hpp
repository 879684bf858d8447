#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace mlpipe {

// Whether what a client calls its request may go into the log and back to it: 1 to 128 letters, digits and
// "-_.:/+=@".
bool is_sane_request_id(std::string_view text);

// Makes numbers that do not repeat: not within the process, and hardly between processes. They are no
// secrets. Thread-safe.
class UniqueNumbers {
 public:
  UniqueNumbers();                                             // from the system's random numbers
  explicit UniqueNumbers(std::uint64_t seed) : next_(seed) {}  // for tests
  std::uint64_t next();                                        // never 0

 private:
  std::atomic<std::uint64_t> next_;
};

std::string hexadecimal(std::uint64_t number);  // 16 digits

}  // namespace mlpipe
