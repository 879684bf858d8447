#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// What ${{ }} may name in a file: its params, and the outputs of its steps; in a step with a matrix also the
// values of the combination, in a finally step the outcomes of other steps.
struct Names {
  std::map<std::string, YamlNode> params;                   // with --set applied
  std::map<std::string, std::vector<std::string>> outs;     // of every step, also of those with faults
  std::map<std::string, std::vector<std::string>> groups;   // of every step with a matrix: its combinations
  const std::map<std::string, YamlNode>* matrix = nullptr;  // of the combination that is read; null: none is
  bool may_use_outcomes = false;                            // a finally step is read

  // What a name stands for: the step, or the combinations of the matrix step; empty: there is none.
  std::vector<std::string> steps_named(const std::string& name) const;
  // Every name that may stand for steps, for suggestions.
  std::vector<std::string> step_names() const;
};

// What a piece of the file turned out to use.
struct Usage {
  std::map<std::string, std::string> params;
  std::set<Input> inputs;
  std::set<std::string> outcomes;  // of these steps
};

// Replaces the expressions of scalars by what they stand for; faults become diagnostics at their place.
class References {
 public:
  References(const Names& names, Diagnostics& diagnostics) : names_(names), diagnostics_(diagnostics) {}

  // The scalar's text with every expression replaced; nothing when there was a fault.
  std::optional<std::string> text(const YamlNode& scalar, Usage& usage) const;
  // For a script: a value that a shell would interpret is a fault, so no value is ever run as code.
  std::optional<std::string> script(const YamlNode& scalar, Usage& usage) const;
  // For one entry of an argument vector: what is one output of a matrix step and nothing else becomes as many
  // arguments as there are combinations.
  std::vector<std::string> arguments(const YamlNode& scalar, Usage& usage) const;
  // A copy of the tree with every scalar replaced; a scalar that is one ${{ params.x }} becomes what the
  // param is (a number stays one).
  YamlNode tree(const YamlNode& node, Usage& usage) const;
  // The output that a scalar names, which must be one ${{ steps.S.outs.O }}; of a matrix step S stands for
  // all of its combinations.
  std::optional<Input> output(const YamlNode& scalar) const;
  // The `if` of a step, with the values of its params and of the matrix; nothing when there was a fault.
  std::optional<Condition> condition(const YamlNode& scalar, Usage& usage) const;
  // The name of the secret, when the scalar is one ${{ secrets.NAME }}; nothing for every other scalar.
  std::optional<std::string> secret(const YamlNode& scalar) const;

 private:
  Value look_up(const Expression& reference, Usage& usage) const;
  Value param(const Expression& reference, Usage& usage) const;
  Value matrix_value(const Expression& reference) const;
  std::vector<Input> inputs_of(const Expression& reference) const;
  void check_step(const Expression& reference) const;
  void check_outcome_names(const Expression& expression) const;
  std::optional<Template> parse(const YamlNode& scalar) const;
  std::string value_of_piece(const Expression& expression, Usage& usage, bool for_shell) const;
  std::optional<std::string> replace(const YamlNode& scalar, Usage& usage, bool for_shell) const;

  const Names& names_;
  Diagnostics& diagnostics_;
};

// For what decides how the file is read: it cannot hold an expression. False, and a fault, when it does.
bool is_written_out(const YamlNode& scalar, Diagnostics& diagnostics);

// The place of an offset inside a scalar's text, as well as it can be known: exact for text on one line.
Mark mark_inside(const YamlNode& scalar, std::size_t offset);

}  // namespace mlpipe
