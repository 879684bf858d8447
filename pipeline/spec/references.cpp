#include "pipeline/spec/references.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// Characters that mean nothing to a shell in any context: bare, in single or in double quotes.
bool is_inert_in_shell(std::string_view text) {
  constexpr std::string_view inert =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+=,-";
  return !text.empty() && text.find_first_not_of(inert) == std::string_view::npos;
}

Value value_of(const YamlNode& scalar) {
  if (const auto number = as_number(scalar)) {
    Value value = Value::of_number(*number);
    value.text = scalar.scalar;
    return value;
  }
  if (const auto boolean = as_boolean(scalar)) {
    return Value::of_boolean(*boolean);
  }
  return Value::of_text(scalar.scalar);
}

template <typename Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) {
    keys.push_back(key);
  }
  return keys;
}

std::string one_combination_hint(const std::set<Input>& inputs) {
  return inputs.empty() ? ""
                        : fmt::format("name one combination, as in ${{{{ steps.{}.outs.{} }}}}",
                                      inputs.begin()->step, inputs.begin()->out);
}

}  // namespace

bool is_written_out(const YamlNode& scalar, Diagnostics& diagnostics) {
  if (scalar.scalar.find("${{") == std::string::npos) {
    return true;
  }
  diagnostics.add(scalar, "this is written out, not an expression");
  return false;
}

Mark mark_inside(const YamlNode& scalar, std::size_t offset) {
  if (scalar.scalar.find('\n') != std::string::npos) {
    return scalar.mark;
  }
  return {scalar.mark.line, scalar.mark.column + offset + (scalar.quoted ? 1 : 0)};
}

std::vector<std::string> Names::steps_named(const std::string& name) const {
  const auto group = groups.find(name);
  if (group != groups.end()) {
    return group->second;
  }
  return outs.contains(name) ? std::vector{name} : std::vector<std::string>{};
}

std::vector<std::string> Names::step_names() const {
  std::vector<std::string> known = keys_of(outs);
  for (const auto& [group, members] : groups) {
    known.push_back(group);
  }
  return known;
}

Value References::look_up(const Expression& reference, Usage& usage) const {
  const auto& parts = reference.reference;
  if (parts[0] == "params") {
    return param(reference, usage);
  }
  if (parts[0] == "matrix") {
    return matrix_value(reference);
  }
  if (parts[0] == "steps" && step_reference(reference)) {
    throw ExpressionError(reference.offset,
                          names_.may_use_outcomes && step_reference(reference)->metric.empty()
                              ? "an outcome stands alone in ${{ }}, in `run` or `env`"
                              : "what became of a step can be used in `if`",
                          "a step with `finally: true` may use steps.NAME.outcome in `run` and `env` too");
  }
  if (parts[0] == "steps") {
    std::string paths;
    for (const Input& input : inputs_of(reference)) {
      usage.inputs.insert(input);
      paths += (paths.empty() ? "" : " ") + input.path();
    }
    return Value::of_text(paths);
  }
  if (parts[0] == "secrets") {
    throw ExpressionError(reference.offset, "a secret can only be the whole value of a variable in `env`",
                          "as in env: { TOKEN: \"${{ secrets.TOKEN }}\" }, and $TOKEN in the command");
  }
  for (const std::string_view later : {"images", "run"}) {
    if (parts[0] == later) {
      throw ExpressionError(reference.offset, fmt::format("'{}' is not yet built", later));
    }
  }
  const std::vector<std::string> roots = {"params", "steps", "matrix", "secrets"};
  throw ExpressionError(reference.offset, fmt::format("unknown name '{}'", parts[0]),
                        suggest_name(parts[0], roots));
}

Value References::param(const Expression& reference, Usage& usage) const {
  const auto& parts = reference.reference;
  if (parts.size() != 2) {
    throw ExpressionError(reference.offset, "a param is written params.NAME");
  }
  const auto param = names_.params.find(parts[1]);
  if (param == names_.params.end()) {
    throw ExpressionError(reference.offset, fmt::format("there is no param '{}'", parts[1]),
                          suggest_name(parts[1], keys_of(names_.params)));
  }
  Value value = value_of(param->second);
  usage.params[parts[1]] = value.to_text();
  return value;
}

Value References::matrix_value(const Expression& reference) const {
  const auto& parts = reference.reference;
  if (names_.matrix == nullptr) {
    throw ExpressionError(reference.offset, "this step has no matrix");
  }
  if (parts.size() != 2) {
    throw ExpressionError(reference.offset, "a value of the matrix is written matrix.NAME");
  }
  const auto value = names_.matrix->find(parts[1]);
  if (value == names_.matrix->end()) {
    throw ExpressionError(reference.offset,
                          fmt::format("the matrix has no '{}' in this combination", parts[1]),
                          suggest_name(parts[1], keys_of(*names_.matrix)));
  }
  return value_of(value->second);
}

void References::check_step(const Expression& reference) const {
  const std::string& name = reference.reference[1];
  if (names_.steps_named(name).empty()) {
    throw ExpressionError(reference.offset, fmt::format("there is no step '{}'", printable(name)),
                          suggest_name(name, names_.step_names()));
  }
}

// The outputs that steps.STEP.outs.NAME stands for: of a matrix step one for each combination.
std::vector<Input> References::inputs_of(const Expression& reference) const {
  const auto& parts = reference.reference;
  if (parts.size() != 4 || parts[2] != "outs") {
    throw ExpressionError(reference.offset, "an output is written steps.STEP.outs.NAME",
                          "names with dots or slashes in brackets: steps.data.outs['mnist.npz']");
  }
  check_step(reference);
  std::vector<Input> inputs;
  for (const std::string& name : names_.steps_named(parts[1])) {
    const std::vector<std::string>& outs = names_.outs.at(name);
    if (std::find(outs.begin(), outs.end(), parts[3]) == outs.end()) {
      throw ExpressionError(reference.offset, fmt::format("step '{}' has no output '{}'", name, parts[3]),
                            outs.empty() ? "it declares no `outs`" : suggest_name(parts[3], outs));
    }
    inputs.push_back({name, parts[3]});
  }
  return inputs;
}

std::optional<Template> References::parse(const YamlNode& scalar) const {
  try {
    return parse_template(scalar.scalar);
  } catch (const ExpressionError& error) {
    diagnostics_.add(mark_inside(scalar, error.offset()), error.what(), error.hint());
    return std::nullopt;
  }
}

std::string References::value_of_piece(const Expression& expression, Usage& usage, bool for_shell) const {
  std::vector<std::string> words;
  const bool is_reference = expression.kind == Expression::Kind::reference;
  const auto asked = is_reference ? step_reference(expression) : std::nullopt;
  if (asked && asked->metric.empty() && names_.may_use_outcomes) {
    check_step(expression);
    usage.outcomes.insert(asked->step);
    return placeholder_of_outcome(asked->step);
  }
  if (is_reference && expression.reference.front() == "steps" && !asked) {
    for (const Input& input : inputs_of(expression)) {
      usage.inputs.insert(input);
      words.push_back(input.path());
    }
  } else {
    words.push_back(
        evaluate(expression, [&](const Expression& name) { return look_up(name, usage); }).to_text());
  }
  for (const std::string& word : words) {
    if (for_shell && !is_inert_in_shell(word)) {
      throw ExpressionError(
          0, fmt::format("the value '{}' holds characters that a shell would interpret", printable(word)),
          "pass it through `env`, or write `run` as a list");
    }
  }
  return join(words, " ");
}

std::optional<std::string> References::replace(const YamlNode& scalar, Usage& usage, bool for_shell) const {
  const auto parsed = parse(scalar);
  if (!parsed) {
    return std::nullopt;
  }
  std::string text;
  bool faultless = true;
  for (const Template::Piece& piece : parsed->pieces) {
    if (!piece.is_expression) {
      text += piece.text;
      continue;
    }
    try {
      text += value_of_piece(piece.expression, usage, for_shell);
    } catch (const ExpressionError& error) {
      diagnostics_.add(mark_inside(scalar, piece.offset + error.offset()), error.what(), error.hint());
      faultless = false;
    }
  }
  return faultless ? std::optional(text) : std::nullopt;
}

std::optional<std::string> References::text(const YamlNode& scalar, Usage& usage) const {
  return replace(scalar, usage, false);
}

std::optional<std::string> References::script(const YamlNode& scalar, Usage& usage) const {
  return replace(scalar, usage, true);
}

std::vector<std::string> References::arguments(const YamlNode& scalar, Usage& usage) const {
  Usage own;
  const auto whole = text(scalar, own);
  if (!whole) {
    return {""};
  }
  usage.params.insert(own.params.begin(), own.params.end());
  usage.inputs.insert(own.inputs.begin(), own.inputs.end());
  usage.outcomes.insert(own.outcomes.begin(), own.outcomes.end());
  const auto parsed = parse(scalar);
  const Expression* single = parsed->single_expression();
  if (single == nullptr || own.inputs.size() < 2 || single->kind != Expression::Kind::reference) {
    return {*whole};
  }
  std::vector<std::string> paths;
  for (const Input& input : inputs_of(*single)) {
    paths.push_back(input.path());
  }
  return paths;
}

YamlNode References::tree(const YamlNode& node, Usage& usage) const {
  YamlNode copy = node;
  if (node.is_scalar()) {
    if (node.scalar.find("${{") == std::string::npos) {
      return copy;
    }
    const auto parsed = parse(node);
    Usage own;
    const auto replaced = text(node, own);
    if (!replaced) {
      return copy;
    }
    usage.params.insert(own.params.begin(), own.params.end());
    usage.inputs.insert(own.inputs.begin(), own.inputs.end());
    if (own.inputs.size() > 1) {
      diagnostics_.add(node, fmt::format("this names {} outputs, and one is read here", own.inputs.size()),
                       one_combination_hint(own.inputs));
      return copy;
    }
    copy.scalar = *replaced;
    copy.quoted = true;
    if (const Expression* single = parsed->single_expression()) {
      // The quotes around "${{ params.lr }}" belong to YAML, not to the number.
      Usage ignored;
      const Value value = evaluate(*single, [&](const Expression& name) { return look_up(name, ignored); });
      copy.quoted = value.kind == Value::Kind::text;
    }
    return copy;
  }
  for (YamlNode& item : copy.items) {
    item = tree(item, usage);
  }
  for (YamlEntry& entry : copy.entries) {
    entry.value = tree(entry.value, usage);
  }
  return copy;
}

std::optional<Input> References::output(const YamlNode& scalar) const {
  const auto parsed = parse(scalar);
  if (!parsed) {
    return std::nullopt;
  }
  const Expression* single = parsed->single_expression();
  if (single == nullptr || single->kind != Expression::Kind::reference ||
      single->reference.front() != "steps") {
    diagnostics_.add(scalar, "expected the output of a step", "as in ${{ steps.train.outs.model }}");
    return std::nullopt;
  }
  Usage usage;
  if (!text(scalar, usage)) {
    return std::nullopt;
  }
  if (usage.inputs.empty()) {
    return std::nullopt;
  }
  Input named = *usage.inputs.begin();
  if (usage.inputs.size() > 1) {
    const auto matrix = std::find_if(names_.groups.begin(), names_.groups.end(), [&](const auto& group) {
      return std::find(group.second.begin(), group.second.end(), named.step) != group.second.end();
    });
    named.step = matrix->first;
  }
  return named;
}

// A comparison of an outcome with a word that no outcome is would never hold, or always.
void References::check_outcome_names(const Expression& expression) const {
  const auto is_outcome = [](const Expression& operand) {
    const auto asked = operand.kind == Expression::Kind::reference ? step_reference(operand) : std::nullopt;
    return asked && asked->metric.empty();
  };
  for (std::size_t i = 0; i < expression.operands.size(); ++i) {
    const Expression& operand = expression.operands[i];
    const bool beside_outcome = expression.operands.size() == 2 && is_outcome(expression.operands[1 - i]);
    if (beside_outcome && operand.kind == Expression::Kind::constant &&
        std::find(outcome_names().begin(), outcome_names().end(), operand.constant.to_text()) ==
            outcome_names().end()) {
      throw ExpressionError(operand.offset,
                            fmt::format("no outcome is '{}'", printable(operand.constant.to_text())),
                            fmt::format("an outcome is one of {}", join(outcome_names(), ", ")));
    }
    check_outcome_names(operand);
  }
}

std::optional<Condition> References::condition(const YamlNode& scalar, Usage& usage) const {
  Condition condition;
  condition.mark = scalar.mark;
  condition.text = std::string(trim(scalar.scalar));
  std::size_t offset = 0;
  try {
    const Template parsed = parse_template(scalar.scalar);
    if (const Expression* single = parsed.single_expression()) {
      condition.expression = *single;
      offset = parsed.pieces.front().offset;
      const std::size_t begin = condition.text.find("${{") + 3;
      condition.text = std::string(
          trim(std::string_view(condition.text).substr(begin, condition.text.rfind("}}") - begin)));
    } else {
      condition.expression = parse_expression(scalar.scalar);
    }
    for (const Expression* reference : references_in(condition.expression)) {
      const auto asked = step_reference(*reference);
      if (!asked) {
        if (reference->reference.front() != "params" && reference->reference.front() != "matrix") {
          throw ExpressionError(reference->offset,
                                fmt::format("a condition cannot use '{}'", reference->reference_text()),
                                "it may use params.X, matrix.X, steps.NAME.metrics.X and steps.NAME.outcome");
        }
        condition.values[reference->reference_text()] = look_up(*reference, usage);
        continue;
      }
      check_step(*reference);
      if (!asked->metric.empty() && names_.groups.contains(asked->step)) {
        throw ExpressionError(
            reference->offset,
            fmt::format("'{}' is a matrix: each combination has metrics of its own", asked->step),
            fmt::format("name one: steps.{}.metrics.{}", names_.groups.at(asked->step).front(),
                        asked->metric));
      }
    }
    check_outcome_names(condition.expression);
    decide(condition,
           [](const StepReference&) { return std::nullopt; });  // says what can be known to be wrong
    return condition;
  } catch (const ExpressionError& error) {
    diagnostics_.add(mark_inside(scalar, offset + error.offset()), error.what(), error.hint());
    return std::nullopt;
  }
}

std::optional<std::string> References::secret(const YamlNode& scalar) const {
  if (scalar.scalar.find("secrets") == std::string::npos) {
    return std::nullopt;
  }
  try {
    const Template parsed = parse_template(scalar.scalar);
    const Expression* single = parsed.single_expression();
    const bool is_secret = single != nullptr && single->kind == Expression::Kind::reference &&
                           single->reference.size() == 2 && single->reference.front() == "secrets";
    return is_secret ? std::optional(single->reference[1]) : std::nullopt;
  } catch (const ExpressionError&) {  // whoever reads the scalar as text says so
    return std::nullopt;
  }
}

}  // namespace mlpipe
