#include "pipeline/store/key_record.hpp"

#include <algorithm>
#include <map>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/store/index_rows.hpp"
#include "pipeline/store/transfer.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest_rows = std::uint64_t{64} << 20U;

std::string recipe_of(const Store& store, const Digest& key) {
  Statement query = store.database().prepare("SELECT recipe FROM actions WHERE action_key = ?");
  query.bind(key);
  return query.step() ? query.text(0) : "";
}

}  // namespace

KeyRecord record_of_key(const Store& store, const Digest& key) {
  IndexRows rows;
  std::map<Digest, fs::path> blobs;
  const auto add = [&](const Digest& digest) { blobs[digest] = store.blobs().path_of_blob(digest); };
  for (Result& result : store.results(key)) {
    if (!result.succeeded || !store.is_complete(result)) {
      continue;
    }
    for (const Output& output : result.outputs) {
      add(output.digest);
      for (const TreeEntry& entry :
           output.folder ? store.blobs().entries_of(output.digest) : std::vector<TreeEntry>{}) {
        if (!entry.folder) {
          add(entry.digest);
        }
      }
    }
    if (fs::exists(store.blobs().path_of_blob(result.log))) {
      add(result.log);
    }
    rows.results.push_back(std::move(result));
  }
  if (rows.results.empty()) {
    return {};
  }
  rows.recipes[key] = recipe_of(store, key);
  KeyRecord record{to_lines(rows), {}};
  for (auto& [digest, path] : blobs) {
    record.blobs.push_back({digest, fs::file_size(path), path});
  }
  return record;
}

void import_key_record(Store& store, const Digest& key, const fs::path& folder, const std::string& name) {
  const IndexRows rows = parse_lines(read_file(folder / "mlpipe-export.jsonl", largest_rows), name);
  const bool only_the_key = rows.recipes.size() == 1 && rows.recipes.contains(key) &&
                            rows.realizations.empty() && rows.releases.empty() && rows.aliases.empty() &&
                            std::all_of(rows.results.begin(), rows.results.end(), [&](const Result& result) {
                              return result.action_key == key && result.succeeded;
                            });
  if (!only_the_key) {
    throw UsageError(name + ": it holds something else than successful results of the key " + key.hex());
  }
  import_unpacked(store, folder, name, false);
}

}  // namespace mlpipe
