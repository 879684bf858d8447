#include "pipeline/plan/recipe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

constexpr std::string_view first_line = "mlpipe-recipe 1\n";

[[noreturn]] void damaged() {
  throw Error("the text of a recipe is damaged");
}

// Takes "15:data/digits.csv" off the front.
std::string take_counted(std::string_view& text) {
  std::size_t length = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), length);
  const auto digits = static_cast<std::size_t>(read.ptr - text.data());
  if (read.ec != std::errc() || digits >= text.size() || text[digits] != ':' ||
      length > text.size() - digits - 1) {
    damaged();
  }
  std::string part(text.substr(digits + 1, length));
  text.remove_prefix(digits + 1 + length);
  return part;
}

void take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) {
    damaged();
  }
  text.remove_prefix(1);
}

}  // namespace

void Recipe::add(std::string tag, std::string name, std::string value) {
  Field field{std::move(tag), std::move(name), std::move(value)};
  fields_.insert(std::upper_bound(fields_.begin(), fields_.end(), field), std::move(field));
}

std::string Recipe::text() const {
  std::string text(first_line);
  for (const Field& field : fields_) {
    text += fmt::format("{} {}:{} {}:{}\n", field.tag, field.name.size(), field.name, field.value.size(),
                        field.value);
  }
  return text;
}

Recipe Recipe::parse(std::string_view text) {
  if (!text.starts_with(first_line)) {
    damaged();
  }
  text.remove_prefix(first_line.size());
  Recipe recipe;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) {
      damaged();
    }
    std::string tag(text.substr(0, space));
    text.remove_prefix(space + 1);
    std::string name = take_counted(text);
    take(text, ' ');
    std::string value = take_counted(text);
    take(text, '\n');
    recipe.add(std::move(tag), std::move(name), std::move(value));
  }
  return recipe;
}

}  // namespace mlpipe
