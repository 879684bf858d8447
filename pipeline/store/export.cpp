#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/store/index_rows.hpp"
#include "pipeline/store/row_texts.hpp"
#include "pipeline/store/transfer.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

std::vector<ReleaseRow> read_releases(const Store& store) {
  Statement query = store.database().prepare(
      "SELECT r.model, r.version, tree, bytes, metrics, provenance, published, coalesce(c.at, 0) FROM "
      "releases AS "
      "r LEFT JOIN collected_releases AS c ON c.model = r.model AND c.version = r.version ORDER BY r.model, "
      "r.version");
  std::vector<ReleaseRow> rows;
  while (query.step()) {
    ReleaseRow row{query.text(0),
                   static_cast<int>(query.integer(1)),
                   query.digest(2),
                   static_cast<std::uint64_t>(query.integer(3)),
                   parse_metrics(query.text(4)),
                   query.text(5),
                   from_milliseconds(query.integer(6)),
                   {}};
    if (query.integer(7) != 0 && !store.blobs().contains({"model", true, row.tree, 0})) {
      row.collected = from_milliseconds(query.integer(7));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<AliasRow> read_aliases(const Store& store) {
  Statement query = store.database().prepare(
      "SELECT model, alias, version, reason, at FROM alias_events ORDER BY model, alias, id");
  std::vector<AliasRow> rows;
  while (query.step()) {
    rows.push_back({query.text(0), query.text(1), static_cast<int>(query.integer(2)), query.text(3),
                    from_milliseconds(query.integer(4))});
  }
  return rows;
}

// What the steps of the pipelines stood for that led to these keys.
std::vector<RealizationRow> read_realizations(const Store& store, const std::set<Digest>& keys) {
  Statement query = store.database().prepare(
      "SELECT pipeline, step, derivation, action_key, params, at FROM realizations ORDER BY at, pipeline, "
      "step, "
      "derivation, action_key, params");
  std::vector<RealizationRow> rows;
  while (query.step()) {
    if (keys.contains(query.digest(3))) {
      rows.push_back({query.text(0), query.text(1), query.digest(2), query.digest(3),
                      parse_params(query.text(4)), from_milliseconds(query.integer(5))});
    }
  }
  return rows;
}

std::map<Digest, std::string> read_recipes(const Store& store, const std::set<Digest>& keys) {
  std::map<Digest, std::string> recipes;
  Statement query = store.database().prepare("SELECT action_key, recipe FROM actions");
  while (query.step()) {
    if (keys.contains(query.digest(0))) {
      recipes.emplace(query.digest(0), query.text(1));
    }
  }
  return recipes;
}

IndexRows choose_rows(const Store& store, const ExportRequest& request, Reachable& reached) {
  IndexRows rows;
  Root root{Root::Kind::pin, "export", request.results, {}, {}};
  for (ReleaseRow& release : read_releases(store)) {
    const bool named = std::find(request.releases.begin(), request.releases.end(), release.label()) !=
                       request.releases.end();
    if (request.everything || named) {
      if (!release.collected) {
        root.outputs.push_back({"model", true, release.tree, release.bytes});
      }
      rows.releases.push_back(std::move(release));
    }
  }
  const std::vector<Result> results = store.all_results();
  if (request.everything) {
    for (const Result& result : results) {
      root.results.push_back(result.id);
    }
    rows.aliases = read_aliases(store);
  }
  reached = reachable(store, {&root, 1});
  std::set<Digest> keys;
  for (const Result& result : results) {
    if (reached.results.contains(result.id)) {
      keys.insert(result.action_key);
      rows.results.push_back(result);
    }
  }
  std::sort(rows.results.begin(), rows.results.end(), [](const Result& a, const Result& b) {
    return std::pair(a.finished, result_id(a)) < std::pair(b.finished, result_id(b));
  });
  rows.recipes = read_recipes(store, keys);
  rows.realizations = read_realizations(store, keys);
  return rows;
}

void require_outputs(const Store& store, const IndexRows& rows) {
  for (const Result& result : rows.results) {
    for (const Output& output : result.outputs) {
      if (!store.blobs().contains(output)) {
        throw Error(fmt::format("the output {} of the result {} is not in the store any more", output.name,
                                result_id(result).short_hex()),
                    "`mlpipe store verify` takes such results out of the index");
      }
    }
  }
}

}  // namespace

ExportReport export_to(const Store& store, const ExportRequest& request, const Archiver& archiver,
                       const fs::path& file) {
  Reachable reached;
  const IndexRows rows = choose_rows(store, request, reached);
  if (rows.results.empty() && rows.releases.empty()) {
    throw UsageError("there is nothing to export: no such results, no releases");
  }
  require_outputs(store, rows);
  ExportReport report{rows.results.size(), rows.releases.size(), 0, 0};
  std::set<Digest> logs;
  for (const Result& result : rows.results) {
    logs.insert(result.log);
  }
  const TemporaryDirectory folder;
  write_file_atomically(folder.path() / "index", to_lines(rows));
  std::vector<Archiver::File> files = {{"mlpipe-export.jsonl", folder.path() / "index"}};
  for (const Digest& blob : std::set<Digest>(reached.blobs.begin(), reached.blobs.end())) {
    const fs::path path = store.blobs().path_of_blob(blob);
    if (!fs::exists(path) && logs.contains(blob)) {
      continue;  // nothing depends on a log
    }
    files.push_back({fmt::format("blobs/sha256/{}", blob.hex()), path});
    ++report.blobs;
    report.bytes += fs::file_size(path);
  }
  archiver.pack(fs::absolute(file), files);
  return report;
}

}  // namespace mlpipe
