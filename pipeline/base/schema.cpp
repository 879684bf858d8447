#include "pipeline/base/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace schema {
namespace {

Schema make(Schema::Kind kind, std::string meaning) {
  Schema schema;
  schema.kind = kind;
  schema.meaning = std::move(meaning);
  return schema;
}

}  // namespace

Schema text(std::string meaning, std::vector<std::string> choices, std::vector<std::string> later_choices) {
  Schema schema = make(Schema::Kind::text, std::move(meaning));
  schema.choices = std::move(choices);
  schema.later_choices = std::move(later_choices);
  return schema;
}

Schema integer(std::string meaning, std::optional<double> least, std::optional<double> most) {
  Schema schema = make(Schema::Kind::integer, std::move(meaning));
  schema.least = least;
  schema.most = most;
  return schema;
}

Schema number(std::string meaning, std::optional<double> least, std::optional<double> most) {
  Schema schema = make(Schema::Kind::number, std::move(meaning));
  schema.least = least;
  schema.most = most;
  return schema;
}

Schema boolean(std::string meaning) {
  return make(Schema::Kind::boolean, std::move(meaning));
}
Schema duration(std::string meaning) {
  return make(Schema::Kind::duration, std::move(meaning));
}
Schema scalar(std::string meaning) {
  return make(Schema::Kind::scalar, std::move(meaning));
}
Schema any(std::string meaning) {
  return make(Schema::Kind::any, std::move(meaning));
}

Schema list(std::string meaning, Schema of) {
  Schema schema = make(Schema::Kind::list, std::move(meaning));
  schema.of.push_back(std::move(of));
  return schema;
}

Schema map(std::string meaning, Schema of, std::string what) {
  Schema schema = make(Schema::Kind::map, std::move(meaning));
  schema.of.push_back(std::move(of));
  schema.what = std::move(what);
  return schema;
}

Schema keys(std::string meaning, std::vector<SchemaKey> keys, std::string what) {
  Schema schema = make(Schema::Kind::keys, std::move(meaning));
  schema.keys = std::move(keys);
  schema.what = std::move(what);
  return schema;
}

Schema keys_and_others(std::string meaning, std::vector<SchemaKey> keys_of, Schema others, std::string what) {
  Schema schema = keys(std::move(meaning), std::move(keys_of), std::move(what));
  schema.of.push_back(std::move(others));
  return schema;
}

Schema one_of_keys(std::string meaning, std::vector<SchemaKey> keys_of, std::string what) {
  Schema schema = keys(std::move(meaning), std::move(keys_of), std::move(what));
  schema.exactly_one = true;
  return schema;
}

Schema either(std::string meaning, std::vector<Schema> of) {
  Schema schema = make(Schema::Kind::either, std::move(meaning));
  schema.of = std::move(of);
  return schema;
}

Schema partial(Schema schema) {
  for (SchemaKey& key : schema.keys) {
    key.required = false;
    key.schema = partial(std::move(key.schema));
  }
  for (Schema& part : schema.of) {
    part = partial(std::move(part));
  }
  return schema;
}

SchemaKey required(std::string name, Schema schema) {
  return {std::move(name), std::move(schema), true};
}
SchemaKey optional(std::string name, Schema schema) {
  return {std::move(name), std::move(schema), false};
}
SchemaKey later(std::string name, std::string meaning) {
  std::string word = name;
  return {std::move(name), any(std::move(meaning)), false, std::move(word)};
}

}  // namespace schema

namespace {

bool holds_expression(const YamlNode& node) {
  return node.is_scalar() && node.scalar.find("${{") != std::string::npos;
}

bool is_scalar_kind(Schema::Kind kind) {
  using Kind = Schema::Kind;
  return kind == Kind::text || kind == Kind::integer || kind == Kind::number || kind == Kind::boolean ||
         kind == Kind::duration || kind == Kind::scalar;
}

// Whether the value has the outer shape that the schema asks for, whatever is inside.
bool has_shape(const Schema& schema, const YamlNode& node) {
  using Kind = Schema::Kind;
  switch (schema.kind) {
    case Kind::list:
      return node.is_sequence();
    case Kind::map:
    case Kind::keys:
      return node.is_mapping();
    case Kind::either:
      for (const Schema& one : schema.of) {
        if (has_shape(one, node)) {
          return true;
        }
      }
      return false;
    case Kind::any:
      return true;
    default:
      return node.is_scalar();
  }
}

std::string found(const YamlNode& node) {
  if (node.is_sequence()) {
    return "a list";
  }
  if (node.is_mapping()) {
    return "a mapping";
  }
  if (node.is_null()) {
    return "nothing";
  }
  constexpr std::size_t longest_shown = 40;
  const std::string text = printable(node.scalar);
  return fmt::format("'{}'", text.size() > longest_shown ? text.substr(0, longest_shown) + "…" : text);
}

// Limits are shown as people write them: 1000000, not 1e+06.
std::string limit_text(double limit) {
  constexpr double largest_written_out = 1e15;
  return std::abs(limit) < largest_written_out && limit == std::floor(limit) ? fmt::format("{:.0f}", limit)
                                                                             : number_text(limit);
}

std::string range_text(const Schema& schema) {
  if (schema.least && schema.most) {
    return fmt::format(" from {} to {}", limit_text(*schema.least), limit_text(*schema.most));
  }
  if (schema.least) {
    return fmt::format(" from {}", limit_text(*schema.least));
  }
  if (schema.most) {
    return fmt::format(" up to {}", limit_text(*schema.most));
  }
  return "";
}

bool in_range(const Schema& schema, double value) {
  return (!schema.least || value >= *schema.least) && (!schema.most || value <= *schema.most);
}

std::string hint_for_scalar(const Schema& schema, const YamlNode& node) {
  const bool looks_boolean = node.scalar == "yes" || node.scalar == "on" || node.scalar == "True";
  if (schema.kind == Schema::Kind::boolean && looks_boolean) {
    return "write true";
  }
  if (schema.kind == Schema::Kind::boolean &&
      (node.scalar == "no" || node.scalar == "off" || node.scalar == "False")) {
    return "write false";
  }
  if (node.quoted && (schema.kind == Schema::Kind::integer || schema.kind == Schema::Kind::number) &&
      parse_number(node.scalar)) {
    return "without the quotes it is a number";
  }
  if (schema.kind == Schema::Kind::duration) {
    return "write a number with a unit, as in 30s, 5m or 1h30m";
  }
  return "";
}

bool scalar_fits(const Schema& schema, const YamlNode& node) {
  using Kind = Schema::Kind;
  switch (schema.kind) {
    case Kind::integer: {
      const auto value = as_integer(node);
      return value && in_range(schema, static_cast<double>(*value));
    }
    case Kind::number: {
      const auto value = as_number(node);
      return value && in_range(schema, *value);
    }
    case Kind::boolean:
      return as_boolean(node).has_value();
    case Kind::duration:
      return parse_duration(node.scalar).has_value();
    case Kind::text:
      return !node.is_null() &&
             (schema.choices.empty() ||
              std::find(schema.choices.begin(), schema.choices.end(), node.scalar) != schema.choices.end());
    default:
      return !node.is_null();
  }
}

void check_scalar(const Schema& schema, const YamlNode& node, Diagnostics& diagnostics) {
  if (scalar_fits(schema, node)) {
    return;
  }
  const auto& later = schema.later_choices;
  if (std::find(later.begin(), later.end(), node.scalar) != later.end()) {
    diagnostics.add(node, fmt::format("'{}' is not yet built", node.scalar),
                    fmt::format("this version of mlpipe knows {}", join(schema.choices, ", ")));
    return;
  }
  std::string hint = hint_for_scalar(schema, node);
  if (hint.empty() && !schema.choices.empty()) {
    hint = suggest_name(node.scalar, schema.choices);
  }
  diagnostics.add(node, fmt::format("expected {}, found {}", describe(schema), found(node)), hint);
}

void check_keys(const Schema& schema, const YamlNode& node, Diagnostics& diagnostics) {
  std::vector<std::string> known;
  for (const SchemaKey& key : schema.keys) {
    known.push_back(key.name);
  }
  if (schema.exactly_one && node.entries.size() != 1) {
    diagnostics.add(node,
                    fmt::format("expected exactly one {} here, found {}", schema.what, node.entries.size()),
                    fmt::format("one of: {}", join(known, ", ")));
  }
  for (const YamlEntry& entry : node.entries) {
    const SchemaKey* key = schema.find(entry.key);
    if (key == nullptr && !schema.of.empty()) {
      check_schema(schema.of.front(), entry.value, diagnostics);
    } else if (key == nullptr) {
      diagnostics.add(entry.key_mark, fmt::format("unknown {} '{}'", schema.what, printable(entry.key)),
                      suggest_name(entry.key, known));
    } else if (!key->later.empty()) {
      diagnostics.add(entry.key_mark, fmt::format("'{}' is not yet built", key->later),
                      "this version of mlpipe does not know it; take the key out");
    } else {
      check_schema(key->schema, entry.value, diagnostics);
    }
  }
  std::vector<std::string> missing;
  std::string meaning;
  for (const SchemaKey& key : schema.keys) {
    if (key.required && !schema.exactly_one && node.find(key.name) == nullptr) {
      missing.push_back("'" + key.name + "'");
      meaning = key.schema.meaning;
    }
  }
  if (missing.size() == 1) {
    diagnostics.add(node, fmt::format("the {} {} is missing", schema.what, missing.front()), meaning);
  } else if (!missing.empty()) {
    diagnostics.add(node, fmt::format("the {}s {} are missing", schema.what, join(missing, ", ")));
  }
}

void check_either(const Schema& schema, const YamlNode& node, Diagnostics& diagnostics) {
  std::vector<const Schema*> fitting;
  for (const Schema& one : schema.of) {
    if (has_shape(one, node)) {
      fitting.push_back(&one);
    }
  }
  if (fitting.size() == 1) {
    check_schema(*fitting.front(), node, diagnostics);
    return;
  }
  for (const Schema* one : fitting) {
    if (!is_scalar_kind(one->kind) || scalar_fits(*one, node)) {
      return;
    }
  }
  std::vector<std::string> choices;
  for (const Schema& one : schema.of) {
    choices.insert(choices.end(), one.choices.begin(), one.choices.end());
  }
  diagnostics.add(node, fmt::format("expected {}, found {}", describe(schema), found(node)),
                  node.is_scalar() ? suggest_name(node.scalar, choices) : "");
}

}  // namespace

const SchemaKey* Schema::find(std::string_view name) const {
  for (const SchemaKey& key : keys) {
    if (key.name == name) {
      return &key;
    }
  }
  return nullptr;
}

std::string describe(const Schema& schema) {
  using Kind = Schema::Kind;
  switch (schema.kind) {
    case Kind::text:
      return schema.choices.empty() ? "text" : fmt::format("one of {}", join(schema.choices, ", "));
    case Kind::integer:
      return "a whole number" + range_text(schema);
    case Kind::number:
      return "a number" + range_text(schema);
    case Kind::boolean:
      return "true or false";
    case Kind::duration:
      return "a duration";
    case Kind::scalar:
      return "text, a number, true or false";
    case Kind::list:
      return "a list";
    case Kind::map:
    case Kind::keys:
      return "a mapping";
    case Kind::either: {
      std::vector<std::string> parts;
      for (const Schema& one : schema.of) {
        parts.push_back(describe(one));
      }
      return join(parts, " or ");
    }
    case Kind::any:
      return "a value";
  }
  return "a value";
}

void check_schema(const Schema& schema, const YamlNode& node, Diagnostics& diagnostics) {
  using Kind = Schema::Kind;
  if (schema.kind == Kind::any) {
    return;
  }
  if (holds_expression(node)) {
    if (!has_shape(schema, node)) {
      diagnostics.add(node, fmt::format("expected {}, found an expression", describe(schema)),
                      "an expression stands for one scalar");
    }
    return;
  }
  if (schema.kind == Kind::either) {
    check_either(schema, node, diagnostics);
    return;
  }
  if (!has_shape(schema, node)) {
    diagnostics.add(node, fmt::format("expected {}, found {}", describe(schema), found(node)));
    return;
  }
  switch (schema.kind) {
    case Kind::list:
      for (const YamlNode& item : node.items) {
        check_schema(schema.of.front(), item, diagnostics);
      }
      break;
    case Kind::map:
      for (const YamlEntry& entry : node.entries) {
        check_schema(schema.of.front(), entry.value, diagnostics);
      }
      break;
    case Kind::keys:
      check_keys(schema, node, diagnostics);
      break;
    default:
      check_scalar(schema, node, diagnostics);
  }
}

}  // namespace mlpipe
