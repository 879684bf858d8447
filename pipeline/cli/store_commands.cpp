// What is in the store: ls, cat, diff, and the pins.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/cli/store_reference.hpp"
#include "pipeline/deploy/roots.hpp"
#include "pipeline/store/store_lock.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

// Where a key was last used.
struct Use {
  std::string pipeline;
  std::string step;
};

std::map<Digest, Use> uses_of_keys(const Store& store) {
  std::map<Digest, Use> uses;
  Statement query =
      store.database().prepare("SELECT action_key, pipeline, step FROM realizations ORDER BY id");
  while (query.step()) {
    uses[query.digest(0)] = {query.text(1), query.text(2)};
  }
  return uses;
}

std::uint64_t bytes_of(const Result& result) {
  std::uint64_t bytes = 0;
  for (const Output& output : result.outputs) {
    bytes += output.bytes;
  }
  return bytes;
}

Json outputs_json(const Result& result) {
  Json outputs = Json::array();
  for (const Output& output : result.outputs) {
    outputs.push_back({{"name", output.name},
                       {"kind", output.folder ? "tree" : "file"},
                       {"digest", "sha256:" + output.digest.hex()},
                       {"bytes", output.bytes}});
  }
  return outputs;
}

void write_to_standard_output(const std::filesystem::path& path) {
  const FileDescriptor file = open_file(path, O_RDONLY);
  std::array<char, 1U << 16U> buffer{};
  ssize_t count = 0;
  while ((count = ::read(file.get(), buffer.data(), buffer.size())) > 0) {
    write_all(STDOUT_FILENO, {buffer.data(), static_cast<std::size_t>(count)}, "standard output");
  }
  if (count < 0) {
    throw_errno(fmt::format("reading {}", path.string()));
  }
}

Json file_json(const StoreFile& file) {
  if (file.entry.folder) {
    return {{"path", file.path}, {"folder", true}};
  }
  return {{"path", file.path},
          {"executable", file.entry.executable},
          {"bytes", file.entry.bytes},
          {"digest", "sha256:" + file.entry.digest.hex()}};
}

void print_listing(const std::vector<StoreFile>& files) {
  for (const StoreFile& file : files) {
    fmt::print("{}  {:>10}  {:<12}  {}{}\n", file.entry.executable ? 'x' : '-',
               file.entry.folder ? "" : format_bytes(file.entry.bytes),
               file.entry.folder ? "" : file.entry.digest.short_hex(), printable(file.path),
               file.entry.folder ? "/" : "");
  }
}

std::map<std::string, StoreFile> by_path(const std::vector<StoreFile>& files) {
  std::map<std::string, StoreFile> sorted;
  for (const StoreFile& file : files) {
    sorted.emplace(file.path, file);
  }
  return sorted;
}

void add_numbers(const Json& json, const std::string& name, std::map<std::string, double>& numbers) {
  if (json.is_number()) {
    numbers[name] = json.get<double>();
  } else if (json.is_structured()) {
    for (const auto& [key, value] : json.items()) {
      add_numbers(value, name.empty() ? key : fmt::format("{}.{}", name, key), numbers);
    }
  }
}

// The numbers in a JSON file; none when it is something else or too large to be metrics.
std::map<std::string, double> numbers_in(const Store& store, const StoreFile& file) {
  constexpr std::uint64_t largest = std::uint64_t{16} << 20U;
  std::map<std::string, double> numbers;
  if (!file.entry.folder && file.entry.bytes <= largest && file.path.ends_with(".json")) {
    const std::string text = read_file(store.blobs().path_of_blob(file.entry.digest), largest);
    if (const Json json = Json::parse(text, nullptr, false); json.is_object()) {
      add_numbers(json, "", numbers);
    }
  }
  return numbers;
}

Json number_differences(const std::map<std::string, double>& before,
                        const std::map<std::string, double>& after) {
  Json differences = Json::object();
  for (const auto& [name, value] : before) {
    const auto other = after.find(name);
    if (other == after.end()) {
      differences[name] = {{"a", value}, {"b", nullptr}};
    } else if (other->second != value) {
      differences[name] = {{"a", value}, {"b", other->second}};
    }
  }
  for (const auto& [name, value] : after) {
    if (!before.contains(name)) {
      differences[name] = {{"a", nullptr}, {"b", value}};
    }
  }
  return differences;
}

Json difference_of(const Store& store, const StoreItem& one, const StoreItem& other) {
  const std::map<std::string, StoreFile> before = by_path(files_of(store, one));
  const std::map<std::string, StoreFile> after = by_path(files_of(store, other));
  Json changed = Json::array();
  Json only_in_a = Json::array();
  Json only_in_b = Json::array();
  for (const auto& [path, file] : before) {
    const auto found = after.find(path);
    if (found == after.end()) {
      only_in_a.push_back(file_json(file));
      continue;
    }
    const TreeEntry& a = file.entry;
    const TreeEntry& b = found->second.entry;
    if (a.digest != b.digest || a.executable != b.executable || a.folder != b.folder) {
      changed.push_back(
          {{"path", path},
           {"a", file_json(file)},
           {"b", file_json(found->second)},
           {"numbers", number_differences(numbers_in(store, file), numbers_in(store, found->second))}});
    }
  }
  for (const auto& [path, file] : after) {
    if (!before.contains(path)) {
      only_in_b.push_back(file_json(file));
    }
  }
  Json metrics = Json::object();
  if (one.result && other.result) {
    metrics = number_differences(one.result->metrics, other.result->metrics);
  }
  const bool equal = changed.empty() && only_in_a.empty() && only_in_b.empty() && metrics.empty();
  return {{"equal", equal},
          {"changed", std::move(changed)},
          {"only_in_a", std::move(only_in_a)},
          {"only_in_b", std::move(only_in_b)},
          {"metrics", std::move(metrics)}};
}

std::string number_or_none(const Json& value) {
  return value.is_null() ? "none" : number_text(value.get<double>());
}

void print_numbers(const Json& numbers) {
  for (const auto& [name, values] : numbers.items()) {
    fmt::print("    {}: {} → {}\n", printable(name), number_or_none(values["a"]),
               number_or_none(values["b"]));
  }
}

void print_difference(const Json& difference) {
  const auto path = [](const Json& file) { return printable(file["path"].get<std::string>()); };
  for (const Json& file : difference["changed"]) {
    fmt::print("~ {}\n", path(file));
    print_numbers(file["numbers"]);
  }
  for (const Json& file : difference["only_in_a"]) {
    fmt::print("- {}\n", path(file));
  }
  for (const Json& file : difference["only_in_b"]) {
    fmt::print("+ {}\n", path(file));
  }
  if (!difference["metrics"].empty()) {
    fmt::print("metrics\n");
    print_numbers(difference["metrics"]);
  }
}

Json pin_json(const Pin& pin) {
  return {{"kind", name_of(pin.kind)}, {"name", pin.name}, {"why", pin.why}, {"at", format_time(pin.at)}};
}

// "digits:2", "result 3f2a91c0d4e5".
std::string text_of(const Pin& pin) {
  constexpr std::size_t shown = 12;
  return pin.kind == Pin::Kind::release ? pin.name
                                        : fmt::format("{} {}", name_of(pin.kind), pin.name.substr(0, shown));
}

}  // namespace

int store_list_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const std::vector<Root> roots = find_roots(store, runs_to_keep(invocation));
  const Reachable reached = reachable(store, roots);
  const std::map<Digest, Use> uses = uses_of_keys(store);
  std::vector<Result> results = store.all_results();
  std::reverse(results.begin(), results.end());
  Json list = Json::array();
  for (const Result& result : results) {
    const auto found = uses.find(result.action_key);
    const Use use = found == uses.end() ? Use{} : found->second;
    if (use.step != invocation.value_or("--step", use.step) ||
        (invocation.has("--failed") && result.succeeded)) {
      continue;
    }
    const auto held = reached.results.find(result.id);
    list.push_back(
        {{"id", result_id(result).hex()},
         {"step", use.step},
         {"pipeline", use.pipeline},
         {"action_key", result.action_key.hex()},
         {"outcome", result.succeeded ? "succeeded" : "failed"},
         {"failure", result.failure},
         {"started", format_time(result.started)},
         {"finished", format_time(result.finished)},
         {"bytes", bytes_of(result)},
         {"metrics", result.metrics},
         {"outputs", outputs_json(result)},
         {"held_by", held == reached.results.end() ? Json()
                                                   : Json{{"kind", name_of(roots[held->second].kind)},
                                                          {"name", roots[held->second].name}}}});
  }
  if (list.empty() && invocation.has("--step")) {
    const std::vector<std::string> known = store.step_names();
    if (std::find(known.begin(), known.end(), *invocation.value("--step")) == known.end()) {
      throw UsageError(fmt::format("no step '{}' has run", printable(*invocation.value("--step"))),
                       suggest_name(*invocation.value("--step"), known));
    }
  }
  if (invocation.json()) {
    print_json(list);
    return 0;
  }
  for (const Json& row : list) {
    const std::string held =
        row["held_by"].is_null() ? "nothing holds it" : row["held_by"]["name"].get<std::string>();
    fmt::print("{}  {:<16} {:<16} {:<9}  {}  {:>10}  {}\n", row["id"].get<std::string>().substr(0, 12),
               printable(row["step"].get<std::string>()), printable(row["pipeline"].get<std::string>()),
               row["outcome"].get<std::string>(), row["finished"].get<std::string>(),
               format_bytes(row["bytes"].get<std::uint64_t>()), printable(held));
  }
  return 0;
}

int store_cat_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const StoreLock in_use = StoreLock::shared(store.directory());
  const std::string reference = *invocation.value("WHAT");
  const StoreItem item = find_item(store, reference);
  const std::vector<StoreFile> files = files_of(store, item);
  if (files.empty() && !item.path.empty()) {
    throw UsageError(fmt::format("there is no '{}' in {}", printable(item.path),
                                 printable(reference.substr(0, reference.size() - item.path.size() - 1))),
                     "without the path, its files are listed");
  }
  const bool is_file = files.size() == 1 && files.front().path.empty() && !files.front().entry.folder;
  if (invocation.json()) {
    Json list = Json::array();
    for (const StoreFile& file : files) {
      list.push_back(file_json(file));
    }
    print_json(list);
  } else if (is_file) {
    write_to_standard_output(store.blobs().path_of_blob(files.front().entry.digest));
  } else {
    print_listing(files);
  }
  return 0;
}

int store_diff_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const StoreLock in_use = StoreLock::shared(store.directory());
  const Json difference = difference_of(store, find_item(store, *invocation.value("A")),
                                        find_item(store, *invocation.value("B")));
  if (invocation.json()) {
    print_json(difference);
  } else if (difference["equal"].get<bool>()) {
    fmt::print("no differences\n");
  } else {
    print_difference(difference);
  }
  return 0;
}

int store_pin_command(const Invocation& invocation) {
  const Store store = find_store(invocation);
  const StoreLock in_use = StoreLock::shared(store.directory());
  Pin pin = pin_of(find_item(store, *invocation.value("WHAT")));
  pin.why = invocation.value_or("--name", "");
  if (!is_utf8(pin.why) || printable(pin.why) != pin.why) {
    throw UsageError("--name: only text that can be shown");
  }
  add_pin(store, pin);
  if (invocation.json()) {
    print_json(pin_json(pin));
  } else {
    fmt::print(stderr, "pinned {}: gc keeps it and what it was made from\n", text_of(pin));
  }
  return 0;
}

int store_unpin_command(const Invocation& invocation) {
  const Store store = find_store(invocation);
  const std::string what = *invocation.value("WHAT");
  std::vector<Pin> found;
  for (const Pin& pin : pins(store)) {
    if (pin.name == what || (!pin.why.empty() && pin.why == what) ||
        (is_id_prefix(what) && pin.kind != Pin::Kind::release && pin.name.starts_with(what))) {
      found.push_back(pin);
    }
  }
  if (found.empty()) {
    const Pin named = pin_of(find_item(store, what));
    for (const Pin& pin : pins(store)) {
      if (pin.kind == named.kind && pin.name == named.name) {
        found.push_back(pin);
      }
    }
  }
  if (found.size() != 1) {
    throw UsageError(found.empty() ? fmt::format("'{}' is not pinned", printable(what))
                                   : fmt::format("{} pins fit '{}'", found.size(), printable(what)),
                     "`mlpipe store pins` lists the pins");
  }
  remove_pin(store, found.front().kind, found.front().name);
  if (invocation.json()) {
    print_json(pin_json(found.front()));
  } else {
    fmt::print(stderr, "{} is pinned no more\n", text_of(found.front()));
  }
  return 0;
}

int store_pins_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  Json list = Json::array();
  for (const Pin& pin : pins(store)) {
    list.push_back(pin_json(pin));
    if (!invocation.json()) {
      fmt::print("{:<20} {}  {}\n", text_of(pin), format_time(pin.at), printable(pin.why));
    }
  }
  if (invocation.json()) {
    print_json(list);
  }
  return 0;
}

}  // namespace mlpipe
