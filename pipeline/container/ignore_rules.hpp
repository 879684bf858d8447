#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// What a .dockerignore leaves out of a build's context, by Docker's rules: one pattern a line, relative to
// the context; `*` and `?` within a name, `**` across folders, `[a-z]`, `\` before a character that means
// itself;
// `!` brings back; of several that match, the last counts; what matches a folder matches all below it. Lines
// that begin with `#` are comments. A value.
class IgnoreRules {
 public:
  // Throws Error, with the line, for a pattern that is none.
  static IgnoreRules parse(std::string_view text);

  // What the rules say of a path, and what those below it need to know.
  struct Verdict {
    bool left_out = false;
    std::vector<bool> matched;  // by each pattern: the path itself or a folder above it
  };
  // `folder` is the verdict on the folder that holds the path; a default one for the context itself.
  Verdict judge(std::string_view path, const Verdict& folder) const;
  // Whether something below a folder that is left out may be brought back.
  bool may_bring_back_below(std::string_view folder) const;

 private:
  enum class Kind { character, any_character, name_part, folders, anything, set };
  struct Part {
    Kind kind = Kind::character;
    char character = 0;
    bool negated = false;     // of a set
    std::string set_of = {};  // pairs: first and last of each range
  };
  struct Pattern {
    bool brings_back = false;
    std::optional<std::string> literal;  // the whole pattern, when nothing in it is special
    std::vector<Part> parts;
  };

  static std::vector<Part> parts_of(std::string_view pattern);
  static bool matches(const Pattern& pattern, std::string_view path);
  static bool matches_below(const Pattern& pattern, std::string_view folder);
  static std::vector<bool> advance(const Part& part, const std::vector<bool>& from, std::string_view text);

  std::vector<Pattern> patterns_;
};

}  // namespace mlpipe
