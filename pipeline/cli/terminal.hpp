#pragma once

#include <string>
#include <string_view>

namespace mlpipe {

// What the place that text goes to can show.
class Terminal {
 public:
  // Colour and live lines only on a terminal, and no colour when NO_COLOR is set.
  static Terminal standard_error();
  static Terminal standard_output();
  static Terminal plain() { return {}; }

  bool is_live() const { return live_; }
  std::size_t width() const { return width_; }
  std::string red(std::string_view text) const { return painted("31", text); }
  std::string green(std::string_view text) const { return painted("32", text); }
  std::string yellow(std::string_view text) const { return painted("33", text); }
  std::string dim(std::string_view text) const { return painted("2", text); }
  std::string bold(std::string_view text) const { return painted("1", text); }

 private:
  static Terminal of(int descriptor);
  std::string painted(std::string_view code, std::string_view text) const;

  bool live_ = false;
  bool coloured_ = false;
  std::size_t width_ = 80;
};

}  // namespace mlpipe
