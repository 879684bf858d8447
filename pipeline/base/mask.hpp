#pragma once

#include <string>
#include <vector>

namespace mlpipe {

// Texts that are not to be seen, and what hides them. A value.
class Mask {
 public:
  // Empty ones hide nothing.
  explicit Mask(std::vector<std::string> hidden = {});

  // The text with "***" in place of each.
  std::string masked(std::string text) const;
  // Of the longest of them, in bytes; 0: there are none.
  std::size_t longest() const { return hidden_.empty() ? 0 : hidden_.front().size(); }

 private:
  std::vector<std::string> hidden_;  // the longest first: one may hold another
};

}  // namespace mlpipe
