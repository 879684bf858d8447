#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/yaml.hpp"

namespace mlpipe {

struct SchemaKey;

// The one definition of what a YAML value may be. From it come the check with its error messages
// (schema.cpp), the JSON Schema and the reference page (schema_text.cpp). A value; build it with the
// functions below.
struct Schema {
  enum class Kind {
    text,     // any scalar, read as text; `choices`, when given, are the only words
    integer,  // within `least` and `most`
    number,   // within `least` and `most`
    boolean,
    duration,  // "90s", "1h30m"
    scalar,    // text, number or boolean
    list,      // of `of[0]`
    map,       // free names to `of[0]`
    keys,      // the names in `keys`; with `exactly_one`, one of them and no more; with `of`, any other name
               // too, to `of[0]`
    either,    // what fits one of `of`; no two of them share a shape that cannot be told apart
    any,       // not checked
  };

  Kind kind = Kind::any;
  std::string meaning;  // one sentence, for the reference page
  std::vector<SchemaKey> keys;
  std::vector<Schema> of;
  std::vector<std::string> choices;
  std::vector<std::string> later_choices;  // words for what is not built yet
  std::optional<double> least;
  std::optional<double> most;
  bool exactly_one = false;
  std::string what = {};  // keys, map: the noun for an entry in messages ("key", "step", "layer")

  const SchemaKey* find(std::string_view name) const;
};

struct SchemaKey {
  std::string name;
  Schema schema;
  bool required = false;
  std::string later = {};  // not empty: a key of what is not built yet, refused with this word for it
};

namespace schema {

Schema text(std::string meaning, std::vector<std::string> choices = {},
            std::vector<std::string> later_choices = {});
Schema integer(std::string meaning, std::optional<double> least = {}, std::optional<double> most = {});
Schema number(std::string meaning, std::optional<double> least = {}, std::optional<double> most = {});
Schema boolean(std::string meaning);
Schema duration(std::string meaning);
Schema scalar(std::string meaning);
Schema any(std::string meaning);
Schema list(std::string meaning, Schema of);
Schema map(std::string meaning, Schema of, std::string what = "key");
Schema keys(std::string meaning, std::vector<SchemaKey> keys, std::string what = "key");
Schema keys_and_others(std::string meaning, std::vector<SchemaKey> keys, Schema others,
                       std::string what = "key");
Schema one_of_keys(std::string meaning, std::vector<SchemaKey> keys, std::string what = "key");
Schema either(std::string meaning, std::vector<Schema> of);
// The same, but nothing in it is required.
Schema partial(Schema schema);
SchemaKey required(std::string name, Schema schema);
SchemaKey optional(std::string name, Schema schema);
SchemaKey later(std::string name, std::string meaning);

}  // namespace schema

// Adds a diagnostic for everything in `node` that `schema` does not allow: unknown keys with the nearest
// known one, wrong types with what was expected, missing keys, keys that are not built yet. Scalars that hold
// a
// "${{ }}" expression pass: they are checked once they have a value.
void check_schema(const Schema& schema, const YamlNode& node, Diagnostics& diagnostics);

// "a whole number from 1", "a list of texts", for messages.
std::string describe(const Schema& schema);

// JSON Schema (draft 2020-12) of a document, and Markdown that lists every key. `title` names the document.
std::string json_schema_text(const Schema& schema, std::string_view title);
std::string reference_text(const Schema& schema);

}  // namespace mlpipe
