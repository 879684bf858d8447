#include "pipeline/store/index_rows.hpp"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/store/byte_count.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr const char* format_name = "export 1";

std::int64_t since_epoch(system_clock::time_point time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

system_clock::time_point time_at(const Json& json) {
  constexpr std::int64_t farthest = 9'000'000'000'000;  // the year 2255: the clock's own unit ends soon after
  return system_clock::time_point(milliseconds(whole_number<std::int64_t>(json, 0, farthest)));
}

// Names travel into tables, messages and folders' names.
std::string plain_text(const Json& json) {
  std::string text = json.get<std::string>();
  if (!is_utf8(text) || printable(text) != text) {
    throw UsageError("a name holds characters that names do not hold");
  }
  return text;
}

std::string plain_name(const Json& json) {
  std::string text = plain_text(json);
  if (text.empty()) {
    throw UsageError("a name is empty");
  }
  return text;
}

int version_at(const Json& json) {
  return whole_number<int>(json, 1, std::numeric_limits<int>::max());
}

Digest digest_at(const Json& json) {
  return Digest::from_hex(json.get<std::string>());
}

Json to_json(const Result& result) {
  Json outputs = Json::array();
  for (const Output& output : result.outputs) {
    outputs.push_back({{"name", output.name},
                       {"folder", output.folder},
                       {"digest", output.digest.hex()},
                       {"bytes", output.bytes}});
  }
  return {{"id", result_id(result).hex()},
          {"key", result.action_key.hex()},
          {"succeeded", result.succeeded},
          {"failure", result.failure},
          {"log", result.log.hex()},
          {"outputs", std::move(outputs)},
          {"metrics", result.metrics},
          {"started", since_epoch(result.started)},
          {"finished", since_epoch(result.finished)}};
}

Result result_from(const Json& json) {
  Result result;
  result.action_key = digest_at(json.at("key"));
  result.succeeded = json.at("succeeded").get<bool>();
  result.failure = json.at("failure").get<std::string>();
  result.log = digest_at(json.at("log"));
  for (const Json& item : json.at("outputs")) {
    Output output{plain_name(item.at("name")), item.at("folder").get<bool>(), digest_at(item.at("digest")),
                  byte_count(item.at("bytes"))};
    if (!is_inside_path(output.name)) {
      throw UsageError(fmt::format("the output '{}' lies outside of its job", output.name));
    }
    result.outputs.push_back(std::move(output));
  }
  result.metrics = json.at("metrics").get<std::map<std::string, double>>();
  result.started = time_at(json.at("started"));
  result.finished = time_at(json.at("finished"));
  if (digest_at(json.at("id")) != result_id(result)) {
    throw UsageError("the id of a result is not that of what it says");
  }
  return result;
}

Json to_json(const RealizationRow& row) {
  return {{"pipeline", row.pipeline},    {"step", row.step},     {"derivation", row.derivation.hex()},
          {"key", row.action_key.hex()}, {"params", row.params}, {"at", since_epoch(row.at)}};
}

RealizationRow realization_from(const Json& json) {
  return {plain_text(json.at("pipeline")),
          plain_name(json.at("step")),
          digest_at(json.at("derivation")),
          digest_at(json.at("key")),
          json.at("params").get<std::map<std::string, std::string>>(),
          time_at(json.at("at"))};
}

Json to_json(const ReleaseRow& row) {
  return {{"model", row.model},
          {"version", row.version},
          {"tree", row.tree.hex()},
          {"bytes", row.bytes},
          {"metrics", row.metrics},
          {"provenance", row.provenance},
          {"published", since_epoch(row.published)},
          {"collected", row.collected ? Json(since_epoch(*row.collected)) : Json()}};
}

ReleaseRow release_from(const Json& json) {
  ReleaseRow row{
      plain_name(json.at("model")),
      version_at(json.at("version")),
      digest_at(json.at("tree")),
      byte_count(json.at("bytes")),
      json.at("metrics").get<std::map<std::string, double>>(),
      json.at("provenance").get<std::string>(),
      time_at(json.at("published")),
      json.at("collected").is_null() ? std::nullopt : std::optional(time_at(json.at("collected")))};
  const Json provenance = Json::parse(row.provenance);
  if (!provenance.is_object() || !provenance.at("params").is_object() ||
      !provenance.at("steps").is_object()) {
    throw UsageError(fmt::format("the provenance of {} is not what mlpipe writes", row.label()));
  }
  return row;
}

Json to_json(const AliasRow& row) {
  return {{"model", row.model},
          {"alias", row.alias},
          {"version", row.version},
          {"reason", row.reason},
          {"at", since_epoch(row.at)}};
}

AliasRow alias_from(const Json& json) {
  return {plain_name(json.at("model")), plain_name(json.at("alias")), version_at(json.at("version")),
          plain_text(json.at("reason")), time_at(json.at("at"))};
}

void add_recipe(const Json& json, IndexRows& rows) {
  const Digest key = digest_at(json.at("key"));
  const std::string text = json.at("text").get<std::string>();
  if (Recipe::parse(text).digest() != key) {
    throw UsageError("a key is not that of its recipe");
  }
  if (!rows.recipes.emplace(key, text).second) {
    throw UsageError("a recipe is there twice");
  }
}

// One line, which holds one key that says what it is.
void add_row(const Json& line, IndexRows& rows) {
  if (!line.is_object() || line.size() != 1) {
    throw UsageError("it is not one row");
  }
  const std::string kind = line.begin().key();
  const Json& json = line.begin().value();
  if (kind == "recipe") {
    add_recipe(json, rows);
  } else if (kind == "result") {
    rows.results.push_back(result_from(json));
  } else if (kind == "realization") {
    rows.realizations.push_back(realization_from(json));
  } else if (kind == "release") {
    rows.releases.push_back(release_from(json));
  } else if (kind == "alias") {
    rows.aliases.push_back(alias_from(json));
  } else {
    throw UsageError(fmt::format("it is a row of an unknown kind, '{}'", printable(kind)));
  }
}

void check_together(const IndexRows& rows) {
  std::set<Digest> ids;
  for (const Result& result : rows.results) {
    if (!ids.insert(result_id(result)).second) {
      throw UsageError("a result is there twice");
    }
  }
  std::set<std::string> labels;
  for (const ReleaseRow& release : rows.releases) {
    if (!labels.insert(release.label()).second) {
      throw UsageError(fmt::format("{} is there twice", release.label()));
    }
  }
  for (const AliasRow& alias : rows.aliases) {
    if (!labels.contains(fmt::format("{}:{}", alias.model, alias.version))) {
      throw UsageError(
          fmt::format("the alias {}@{} stands for a release that is not there", alias.model, alias.alias));
    }
  }
}

template <typename Row>
std::string line_of(const char* kind, const Row& row) {
  return Json{{kind, to_json(row)}}.dump() + "\n";
}

}  // namespace

std::string to_line(const Result& result) {
  return Json{{"result", to_json(result)}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_lines(const IndexRows& rows) {
  std::string text = Json{{"mlpipe", format_name}}.dump() + "\n";
  for (const auto& [key, recipe] : rows.recipes) {
    text += Json{{"recipe", {{"key", key.hex()}, {"text", recipe}}}}.dump() + "\n";
  }
  for (const Result& result : rows.results) {
    text += to_line(result);
  }
  for (const RealizationRow& row : rows.realizations) {
    text += line_of("realization", row);
  }
  for (const ReleaseRow& row : rows.releases) {
    text += line_of("release", row);
  }
  for (const AliasRow& row : rows.aliases) {
    text += line_of("alias", row);
  }
  return text;
}

IndexRows parse_lines(std::string_view text, const std::string& name) {
  IndexRows rows;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    try {
      const Json json = Json::parse(line);
      if (number > 1) {
        add_row(json, rows);
      } else if (!json.is_object() || json.value("mlpipe", "") != format_name) {
        throw UsageError(fmt::format("it is not '{}', the only format that this mlpipe reads", format_name));
      }
    } catch (const Error& error) {
      throw UsageError(fmt::format("{}, line {}: {}", name, number, error.what()));
    } catch (const Json::exception& error) {
      throw UsageError(fmt::format("{}, line {}: {}", name, number, printable(error.what())));
    }
  }
  if (number == 0) {
    throw UsageError(fmt::format("{} is empty", name));
  }
  try {
    check_together(rows);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}: {}", name, error.what()));
  }
  return rows;
}

}  // namespace mlpipe
