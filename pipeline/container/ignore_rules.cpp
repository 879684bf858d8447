#include "pipeline/container/ignore_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// "./a//b/" is "a/b", and so is "/a/b": patterns are relative to the context.
std::string cleaned(std::string_view pattern) {
  std::string clean = fs::path(pattern).lexically_normal().generic_string();
  while (clean.size() > 1 && clean.back() == '/') {
    clean.pop_back();
  }
  if (clean.size() > 1 && clean.front() == '/') {
    clean.erase(0, 1);
  }
  return clean;
}

bool is_in_set(const std::string& ranges, char c) {
  for (std::size_t i = 0; i + 1 < ranges.size(); i += 2) {
    if (ranges[i] <= c && c <= ranges[i + 1]) {
      return true;
    }
  }
  return false;
}

}  // namespace

IgnoreRules IgnoreRules::parse(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.starts_with(byte_order_mark)) {
    text.remove_prefix(byte_order_mark.size());
  }
  IgnoreRules rules;
  std::size_t number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    std::string_view pattern = trim(line);
    if (line.starts_with('#') || pattern.empty()) {
      continue;
    }
    Pattern made;
    made.brings_back = pattern.front() == '!';
    if (made.brings_back) {
      pattern = trim(pattern.substr(1));
    }
    try {
      if (pattern.empty()) {
        throw Error("there is no pattern after '!'");
      }
      const std::string clean = cleaned(pattern);
      made.parts = parts_of(clean);
      if (clean.find_first_of("*?[]\\") == std::string::npos) {
        made.literal = clean;
      }
    } catch (const Error& error) {
      throw Error(fmt::format("line {}: '{}': {}", number, printable(line), error.what()));
    }
    rules.patterns_.push_back(std::move(made));
  }
  return rules;
}

std::vector<IgnoreRules::Part> IgnoreRules::parts_of(std::string_view pattern) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '*' && pattern.substr(i).starts_with("**")) {
      ++i;
      if (pattern.substr(i + 1).starts_with('/')) {
        ++i;
      }
      parts.push_back({i + 1 == pattern.size() ? Kind::anything : Kind::folders});
    } else if (c == '*') {
      parts.push_back({Kind::name_part});
    } else if (c == '?') {
      parts.push_back({Kind::any_character});
    } else if (c == '\\' && i + 1 < pattern.size()) {
      parts.push_back({Kind::character, pattern[++i]});
    } else if (c == '[') {
      Part set{Kind::set};
      ++i;
      set.negated = pattern.substr(i).starts_with('^');
      i += set.negated ? 1 : 0;
      const auto one = [&] {
        i += pattern.substr(i).starts_with('\\') ? 1 : 0;
        return i < pattern.size() ? pattern[i++] : '\0';
      };
      do {
        const char first = one();
        const bool is_range =
            pattern.substr(i).starts_with('-') && i + 1 < pattern.size() && pattern[i + 1] != ']';
        i += is_range ? 1 : 0;
        const char last = is_range ? one() : first;
        set.set_of += {first, last};
      } while (i < pattern.size() && pattern[i] != ']');
      if (i >= pattern.size()) {
        throw Error("the '[' has no ']'");
      }
      parts.push_back(std::move(set));
    } else {
      parts.push_back({Kind::character, c});
    }
  }
  return parts;
}

// Where in the text the parts before this one may have come to, and where this one brings them.
std::vector<bool> IgnoreRules::advance(const Part& part, const std::vector<bool>& from,
                                       std::string_view text) {
  std::vector<bool> to(text.size() + 1, false);
  bool before = false;  // some place to the left, or this one
  for (std::size_t i = 0; i <= text.size(); ++i) {
    before = before || from[i];
    switch (part.kind) {
      case Kind::anything:
        to[i] = before;
        break;
      case Kind::folders:  // none, or all up to a '/'
        to[i] = from[i] || to[i];
        if (i < text.size() && text[i] == '/' && before) {
          to[i + 1] = true;
        }
        break;
      case Kind::name_part:
        to[i] = to[i] || from[i];
        if (i < text.size() && text[i] != '/' && to[i]) {
          to[i + 1] = true;
        }
        break;
      case Kind::character:
      case Kind::any_character:
      case Kind::set:
        if (i < text.size() && from[i]) {
          const char c = text[i];
          to[i + 1] = part.kind == Kind::character       ? c == part.character
                      : part.kind == Kind::any_character ? c != '/'
                                                         : is_in_set(part.set_of, c) != part.negated;
        }
        break;
    }
  }
  return to;
}

bool IgnoreRules::matches(const Pattern& pattern, std::string_view path) {
  if (pattern.literal) {
    return path == *pattern.literal;
  }
  std::vector<bool> places(path.size() + 1, false);
  places.front() = true;
  for (const Part& part : pattern.parts) {
    places = advance(part, places, path);
  }
  return places.back();
}

bool IgnoreRules::matches_below(const Pattern& pattern, std::string_view folder) {
  const std::string beginning = std::string(folder) + "/";
  std::vector<bool> places(beginning.size() + 1, false);
  places.front() = true;
  for (const Part& part : pattern.parts) {
    const bool goes_on = std::find(places.begin(), places.end(), true) != places.end();
    if (places.back() || (goes_on && (part.kind == Kind::folders || part.kind == Kind::anything))) {
      return true;
    }
    places = advance(part, places, beginning);
  }
  return false;
}

IgnoreRules::Verdict IgnoreRules::judge(std::string_view path, const Verdict& folder) const {
  Verdict verdict;
  verdict.matched.resize(patterns_.size(), false);
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    const bool from_above = i < folder.matched.size() && folder.matched[i];
    verdict.matched[i] = from_above || matches(patterns_[i], path);
    if (verdict.matched[i]) {
      verdict.left_out = !patterns_[i].brings_back;
    }
  }
  return verdict;
}

bool IgnoreRules::may_bring_back_below(std::string_view folder) const {
  return std::any_of(patterns_.begin(), patterns_.end(), [folder](const Pattern& pattern) {
    return pattern.brings_back && matches_below(pattern, folder);
  });
}

}  // namespace mlpipe
