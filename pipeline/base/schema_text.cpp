#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/schema.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

// Any scalar may be an expression, so a number may also be text that holds one.
Json or_expression(Json schema) {
  return {{"anyOf", {std::move(schema), {{"type", "string"}, {"pattern", "\\$\\{\\{"}}}}};
}

Json to_json_schema(const Schema& schema) {
  using Kind = Schema::Kind;
  Json json;
  switch (schema.kind) {
    case Kind::text:
      json = schema.choices.empty() ? Json{{"type", {"string", "number", "boolean"}}}
                                    : or_expression(Json{{"enum", schema.choices}});
      break;
    case Kind::integer:
    case Kind::number: {
      Json number{{"type", schema.kind == Kind::integer ? "integer" : "number"}};
      if (schema.least) {
        number["minimum"] = *schema.least;
      }
      if (schema.most) {
        number["maximum"] = *schema.most;
      }
      json = or_expression(std::move(number));
      break;
    }
    case Kind::boolean:
      json = or_expression(Json{{"type", "boolean"}});
      break;
    case Kind::duration:
      json = or_expression(Json{{"type", "string"}, {"pattern", "^([0-9.]+(ms|s|m|h|d))+$"}});
      break;
    case Kind::scalar:
      json = {{"type", {"string", "number", "boolean"}}};
      break;
    case Kind::list:
      json = {{"type", "array"}, {"items", to_json_schema(schema.of.front())}};
      break;
    case Kind::map:
      json = {{"type", "object"}, {"additionalProperties", to_json_schema(schema.of.front())}};
      break;
    case Kind::keys: {
      json = {{"type", "object"}, {"properties", Json::object()}, {"additionalProperties", false}};
      if (!schema.of.empty()) {
        json["additionalProperties"] = to_json_schema(schema.of.front());
      }
      Json needed = Json::array();
      for (const SchemaKey& key : schema.keys) {
        if (key.later.empty()) {
          json["properties"][key.name] = to_json_schema(key.schema);
          if (key.required) {
            needed.push_back(key.name);
          }
        }
      }
      if (schema.exactly_one) {
        json["minProperties"] = json["maxProperties"] = 1;
      } else if (!needed.empty()) {
        json["required"] = std::move(needed);
      }
      break;
    }
    case Kind::either: {
      Json alternatives = Json::array();
      for (const Schema& one : schema.of) {
        alternatives.push_back(to_json_schema(one));
      }
      json = {{"anyOf", std::move(alternatives)}};
      break;
    }
    case Kind::any:
      json = Json::object();
  }
  if (!schema.meaning.empty()) {
    json["description"] = schema.meaning;
  }
  return json;
}

void list_keys(const Schema& schema, const std::string& path, std::string& text);

void list_key(const SchemaKey& key, const std::string& path, std::string& text) {
  const std::string name = path.empty() ? key.name : path + "." + key.name;
  if (!key.later.empty()) {
    text += fmt::format("| `{}` | *not yet built* | {} |\n", name, key.schema.meaning);
    return;
  }
  text += fmt::format("| `{}` | {}{} | {} |\n", name, describe(key.schema), key.required ? ", required" : "",
                      key.schema.meaning);
  list_keys(key.schema, name, text);
}

void list_keys(const Schema& schema, const std::string& path, std::string& text) {
  switch (schema.kind) {
    case Schema::Kind::keys:
      for (const SchemaKey& key : schema.keys) {
        list_key(key, path, text);
      }
      if (!schema.of.empty()) {
        list_key({"NAME", schema.of.front()}, path, text);
      }
      break;
    case Schema::Kind::map:
      list_keys(schema.of.front(), path + ".NAME", text);
      break;
    case Schema::Kind::list:
      list_keys(schema.of.front(), path + "[]", text);
      break;
    case Schema::Kind::either:
      for (const Schema& one : schema.of) {
        list_keys(one, path, text);
      }
      break;
    default:
      break;
  }
}

}  // namespace

std::string json_schema_text(const Schema& schema, std::string_view title) {
  Json json{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", title}};
  json.update(to_json_schema(schema));
  return json.dump(2) + "\n";
}

std::string reference_text(const Schema& schema) {
  std::string text = "| key | value | meaning |\n|---|---|---|\n";
  list_keys(schema, "", text);
  return text;
}

}  // namespace mlpipe
