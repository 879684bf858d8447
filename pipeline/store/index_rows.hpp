#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/plan/result.hpp"

namespace mlpipe {

// Rows of the index as values, to take them from one store to another.
struct RealizationRow {
  std::string pipeline;
  std::string step;
  Digest derivation;
  Digest action_key;
  std::map<std::string, std::string> params;
  std::chrono::system_clock::time_point at;

  friend bool operator==(const RealizationRow&, const RealizationRow&) = default;
};

struct ReleaseRow {
  std::string model;
  int version = 0;
  Digest tree;
  std::uint64_t bytes = 0;
  std::map<std::string, double> metrics;
  std::string provenance;
  std::chrono::system_clock::time_point published;
  std::optional<std::chrono::system_clock::time_point> collected;  // when gc took its files away

  std::string label() const { return model + ":" + std::to_string(version); }
  friend bool operator==(const ReleaseRow&, const ReleaseRow&) = default;
};

struct AliasRow {
  std::string model;
  std::string alias;
  int version = 0;
  std::string reason;
  std::chrono::system_clock::time_point at;

  friend bool operator==(const AliasRow&, const AliasRow&) = default;
};

struct IndexRows {
  std::map<Digest, std::string> recipes;     // texts, by action key
  std::vector<Result> results;               // the oldest first
  std::vector<RealizationRow> realizations;  // the oldest first
  std::vector<ReleaseRow> releases;
  std::vector<AliasRow> aliases;  // the history of each alias, the oldest first
};

// One line of JSON a row, after a first line that names the format:
//   {"mlpipe":"export 1"}
//   {"recipe":{"key":"3f…","text":"mlpipe-recipe 1\n…"}}
//   {"result":{"id":"67…","key":"3f…","succeeded":true,"failure":"","log":"e3…","outputs":[{"name":"model",
//     "folder":true,"digest":"ac…","bytes":5120}],"metrics":{"accuracy":0.98},"started":1700000000123,
//     "finished":1700000001456}}
//   {"realization":{"pipeline":"digits","step":"train","derivation":"12…","key":"3f…","params":{"lr":"0.001"},
//     "at":1700000001456}}
//   {"release":{"model":"digits","version":1,"tree":"ac…","bytes":5120,"metrics":{…},"provenance":"{…}",
//     "published":1700000002000,"collected":null}}
//   {"alias":{"model":"digits","alias":"prod","version":1,"reason":"published","at":1700000002100}}
// Times are milliseconds since 1970. Equal rows give equal text.
std::string to_lines(const IndexRows& rows);
std::string to_line(const Result& result);

// Reads to_lines() back; `name` is the file's, for messages. Throws UsageError for anything else: what is
// there is checked as far as it can be without the bytes (ids and keys are computed again, names and paths
// must be plain).
IndexRows parse_lines(std::string_view text, const std::string& name);

}  // namespace mlpipe
