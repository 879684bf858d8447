#include "pipeline/cli/store_reference.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

struct Split {
  std::string head;
  std::string rest;  // after the first '/'
};

Split split_once(const std::string& text) {
  const std::size_t slash = text.find('/');
  return {text.substr(0, slash), slash == std::string::npos ? "" : text.substr(slash + 1)};
}

bool is_step(const Store& store, const std::string& name) {
  return store.last_action_key(name).has_value();
}

Result only_result(const std::vector<Result>& found, const std::string& prefix) {
  if (found.size() > 1) {
    std::vector<std::string> ids;
    for (const Result& result : found) {
      ids.push_back(result_id(result).short_hex());
    }
    throw UsageError(fmt::format("{} results begin with '{}'", found.size(), prefix), join(ids, ", "));
  }
  return found.front();
}

// Bytes by the beginning of their digest; nothing when there are none.
std::optional<Output> find_bytes(const Store& store, const std::string& prefix) {
  std::vector<std::string> names;
  if (Digest::is_hex(prefix)) {
    names = {prefix};
  } else {
    for (const auto& entry : fs::directory_iterator(store.directory() / "blobs" / "sha256")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(prefix) && Digest::is_hex(name)) {
        names.push_back(name);
      }
    }
  }
  if (names.size() > 1) {
    throw UsageError(fmt::format("{} digests begin with '{}'", names.size(), prefix),
                     "give more of its digits");
  }
  if (names.empty()) {
    return std::nullopt;
  }
  const Output bytes = pinned_bytes(store, {Pin::Kind::bytes, names.front(), "", {}});
  return store.blobs().contains(bytes) ? std::optional(bytes) : std::nullopt;
}

// The output of a result that the text begins with, and what follows it.
StoreItem item_in(const Result& result, const std::string& rest) {
  if (rest.empty()) {
    return {result, {}, {}, ""};
  }
  std::vector<std::string> names;
  for (const Output& output : result.outputs) {
    names.push_back(output.name);
    if (rest == output.name || rest.starts_with(output.name + "/")) {
      return {{}, output, {}, rest.substr(std::min(rest.size(), output.name.size() + 1))};
    }
  }
  throw UsageError(
      fmt::format("the result {} has no output '{}'", result_id(result).short_hex(), printable(rest)),
      names.empty() ? "it has none" : "it has " + join(names, ", "));
}

Result last_result_of(const Store& store, const std::string& step) {
  const auto result = store.last_result(*store.last_action_key(step));
  if (!result) {
    throw UsageError(fmt::format("the step {} has no result in the store", step),
                     "`mlpipe store ls` lists the results");
  }
  return *result;
}

[[noreturn]] void refuse_unknown(const Store& store, const std::string& reference) {
  const Registry registry(store);
  std::vector<std::string> known = store.step_names();
  for (const std::string& model : registry.models()) {
    known.push_back(model);
  }
  const std::string near = suggest_name(split_once(reference).head, known);
  throw UsageError(fmt::format("'{}' names nothing in the store", printable(reference)),
                   near.empty() ? "`mlpipe store ls` lists the results" : near);
}

}  // namespace

StoreItem find_item(const Store& store, const std::string& reference) {
  constexpr std::string_view algorithm = "sha256:";
  const auto [head, rest] = split_once(reference);
  if (is_step(store, head)) {
    return item_in(last_result_of(store, head), rest);
  }
  if (head.starts_with(algorithm)) {
    const auto bytes = find_bytes(store, head.substr(algorithm.size()));
    if (!bytes) {
      throw UsageError(fmt::format("the store holds no bytes of the digest {}", printable(head)));
    }
    return {{}, bytes, {}, rest};
  }
  const std::size_t mark = head.find_last_of(":@");
  if (mark != std::string::npos && is_step(store, head.substr(0, mark)) && head[mark] == '@') {
    const std::string id = head.substr(mark + 1);
    const std::vector<Result> found =
        is_id_prefix(id) ? results_with_id(store.all_results(), id) : std::vector<Result>{};
    if (found.empty()) {
      throw UsageError(fmt::format("no result's id begins with '{}'", printable(id)),
                       "`mlpipe store ls` lists the results");
    }
    return item_in(only_result(found, id), rest);
  }
  if (mark != std::string::npos) {
    return {{}, {}, Registry(store).resolve_reference(head), rest};
  }
  if (is_id_prefix(head)) {
    if (const auto found = results_with_id(store.all_results(), head); !found.empty()) {
      return item_in(only_result(found, head), rest);
    }
    if (const auto bytes = find_bytes(store, head)) {
      return {{}, bytes, {}, rest};
    }
  }
  refuse_unknown(store, reference);
}

Pin pin_of(const StoreItem& item) {
  if (!item.path.empty()) {
    throw UsageError(
        fmt::format("'{}' is inside of a folder; only the whole folder can be pinned", printable(item.path)));
  }
  const auto now = std::chrono::system_clock::now();
  if (item.result) {
    return {Pin::Kind::result, result_id(*item.result).hex(), "", now};
  }
  if (item.release) {
    return {Pin::Kind::release, item.release->label(), "", now};
  }
  return {Pin::Kind::bytes, item.bytes->digest.hex(), "", now};
}

std::vector<StoreFile> files_of(const Store& store, const StoreItem& item) {
  std::vector<StoreFile> files;
  const auto add = [&](const Output& output, const std::string& name) {
    if (!output.folder) {
      const auto bytes = fs::file_size(store.blobs().path_of(output));
      files.push_back({name, {name, false, false, output.digest, bytes}});
      return;
    }
    for (const TreeEntry& entry : store.blobs().entries_of(output.digest)) {
      files.push_back({name.empty() ? entry.path : name + "/" + entry.path, entry});
    }
  };
  if (item.result) {
    for (const Output& output : item.result->outputs) {
      add(output, output.name);
    }
  } else if (item.release) {
    Registry(store).require_files(*item.release);
    add(item.release->artifact, "");
  } else {
    add(*item.bytes, "");
  }
  if (item.path.empty()) {
    return files;
  }
  std::vector<StoreFile> inside;
  for (StoreFile& file : files) {
    if (file.path == item.path) {
      inside.push_back({"", file.entry});
    } else if (file.path.starts_with(item.path + "/")) {
      inside.push_back({file.path.substr(item.path.size() + 1), file.entry});
    }
  }
  return inside;
}

}  // namespace mlpipe
