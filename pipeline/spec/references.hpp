#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// What ${{ }} may name in a file: its params, and the outputs of its steps.
struct Names {
  std::map<std::string, YamlNode> params;                // with --set applied
  std::map<std::string, std::vector<std::string>> outs;  // of every step, also of those with faults
};

// What a piece of the file turned out to use.
struct Usage {
  std::map<std::string, std::string> params;
  std::set<Input> inputs;
};

// Replaces the expressions of scalars by what they stand for; faults become diagnostics at their place.
class References {
 public:
  References(const Names& names, Diagnostics& diagnostics) : names_(names), diagnostics_(diagnostics) {}

  // The scalar's text with every expression replaced; nothing when there was a fault.
  std::optional<std::string> text(const YamlNode& scalar, Usage& usage) const;
  // For a script: a value that a shell would interpret is a fault, so no value is ever run as code.
  std::optional<std::string> script(const YamlNode& scalar, Usage& usage) const;
  // A copy of the tree with every scalar replaced; a scalar that is one ${{ params.x }} becomes what the
  // param is (a number stays one).
  YamlNode tree(const YamlNode& node, Usage& usage) const;
  // The output that a scalar names, which must be one ${{ steps.S.outs.O }}.
  std::optional<Input> output(const YamlNode& scalar) const;

 private:
  Value look_up(const Expression& reference, Usage& usage) const;
  std::optional<Template> parse(const YamlNode& scalar) const;
  std::optional<std::string> replace(const YamlNode& scalar, Usage& usage, bool for_shell) const;

  const Names& names_;
  Diagnostics& diagnostics_;
};

// The place of an offset inside a scalar's text, as well as it can be known: exact for text on one line.
Mark mark_inside(const YamlNode& scalar, std::size_t offset);

}  // namespace mlpipe
