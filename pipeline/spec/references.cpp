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

}  // namespace

Mark mark_inside(const YamlNode& scalar, std::size_t offset) {
  if (scalar.scalar.find('\n') != std::string::npos) {
    return scalar.mark;
  }
  return {scalar.mark.line, scalar.mark.column + offset + (scalar.quoted ? 1 : 0)};
}

Value References::look_up(const Expression& reference, Usage& usage) const {
  const auto& parts = reference.reference;
  const std::vector<std::string> roots = {"params", "steps"};
  if (parts[0] == "params") {
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
  if (parts[0] == "steps") {
    if (parts.size() != 4 || parts[2] != "outs") {
      throw ExpressionError(reference.offset, "an output is written steps.STEP.outs.NAME",
                            "names with dots or slashes in brackets: steps.data.outs['mnist.npz']");
    }
    const auto step = names_.outs.find(parts[1]);
    if (step == names_.outs.end()) {
      throw ExpressionError(reference.offset, fmt::format("there is no step '{}'", parts[1]),
                            suggest_name(parts[1], keys_of(names_.outs)));
    }
    if (std::find(step->second.begin(), step->second.end(), parts[3]) == step->second.end()) {
      throw ExpressionError(
          reference.offset, fmt::format("step '{}' has no output '{}'", parts[1], parts[3]),
          step->second.empty() ? "it declares no `outs`" : suggest_name(parts[3], step->second));
    }
    const Input input{parts[1], parts[3]};
    usage.inputs.insert(input);
    return Value::of_text(input.path());
  }
  for (const std::string_view later : {"secrets", "matrix", "images", "run"}) {
    if (parts[0] == later) {
      throw ExpressionError(reference.offset, fmt::format("'{}' is not yet built", later));
    }
  }
  throw ExpressionError(reference.offset, fmt::format("unknown name '{}'", parts[0]),
                        suggest_name(parts[0], roots));
}

std::optional<Template> References::parse(const YamlNode& scalar) const {
  try {
    return parse_template(scalar.scalar);
  } catch (const ExpressionError& error) {
    diagnostics_.add(mark_inside(scalar, error.offset()), error.what(), error.hint());
    return std::nullopt;
  }
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
      const std::string value =
          evaluate(piece.expression, [&](const Expression& name) { return look_up(name, usage); }).to_text();
      if (for_shell && !is_inert_in_shell(value)) {
        throw ExpressionError(
            0, fmt::format("the value '{}' holds characters that a shell would interpret", printable(value)),
            "pass it through `env`, or write `run` as a list");
      }
      text += value;
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

YamlNode References::tree(const YamlNode& node, Usage& usage) const {
  YamlNode copy = node;
  if (node.is_scalar()) {
    if (node.scalar.find("${{") == std::string::npos) {
      return copy;
    }
    const auto parsed = parse(node);
    const auto replaced = text(node, usage);
    if (!replaced) {
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
  if (!text(scalar, usage) || usage.inputs.size() != 1) {
    return std::nullopt;
  }
  return *usage.inputs.begin();
}

}  // namespace mlpipe
