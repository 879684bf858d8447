// What keeps the store well: du, gc, verify, export, import.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/cli/store_reference.hpp"
#include "pipeline/cli/terminal.hpp"
#include "pipeline/deploy/roots.hpp"
#include "pipeline/store/collect_garbage.hpp"
#include "pipeline/store/transfer.hpp"
#include "pipeline/store/usage.hpp"
#include "pipeline/store/verify.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t runs_kept = 20;

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string users_text(const Store& store) {
  std::vector<std::string> users;
  for (const StoreUser& user : store_users(store.directory())) {
    users.push_back(user.command.empty() ? fmt::format("process {}", user.process)
                                         : fmt::format("process {} ({})", user.process, user.command));
  }
  return users.empty() ? "another process" : join(users, ", ");
}

StoreLock lock_alone(const Invocation& invocation, const Store& store) {
  if (auto lock = StoreLock::try_alone(store.directory())) {
    return std::move(*lock);
  }
  const std::string users = users_text(store);
  if (invocation.has("--no-wait")) {
    throw Error(fmt::format("the store is in use by {}, and gc cannot take anything away meanwhile", users),
                "try again when it has ended, or leave out --no-wait");
  }
  fmt::print(stderr, "waiting for {}, which uses the store\n", users);
  return StoreLock::alone(store.directory());
}

Json garbage_json(const Garbage& garbage, bool dry_run) {
  return {{"dry_run", dry_run},
          {"bytes", garbage.bytes},
          {"results", garbage.results.size()},
          {"releases", garbage.releases},
          {"files", garbage.blobs.size()},
          {"folders", garbage.trees.size()},
          {"leftovers", garbage.leftovers.size()}};
}

void print_garbage(const Garbage& garbage, bool dry_run) {
  fmt::print(stderr, "{} {}: {}, {}, {}, {}\n", dry_run ? "would free" : "freed", format_bytes(garbage.bytes),
             count_of(garbage.results.size(), "result"), count_of(garbage.blobs.size(), "file"),
             count_of(garbage.trees.size(), "folder"), count_of(garbage.leftovers.size(), "leftover"));
  if (!garbage.releases.empty()) {
    fmt::print(stderr, "{} the files of {}\n", dry_run ? "would take" : "took", join(garbage.releases, ", "));
  }
}

void print_sizes(const char* title, const std::map<std::string, std::uint64_t>& sizes) {
  for (const auto& [name, bytes] : sizes) {
    if (bytes > 0) {
      fmt::print("{:<8} {:<24} {:>12}\n", title, printable(name), format_bytes(bytes));
      title = "";
    }
  }
}

Json verification_json(const Verification& verification) {
  Json faults = Json::array();
  for (const StoreFault& fault : verification.faults) {
    faults.push_back({{"path", fault.path},
                      {"problem", fault.problem},
                      {"done", fault.done},
                      {"results", fault.results},
                      {"releases", fault.releases}});
  }
  return {{"faults", std::move(faults)},
          {"unknown", verification.unknown},
          {"blobs", verification.blobs},
          {"trees", verification.trees},
          {"results", verification.results},
          {"releases", verification.releases},
          {"results_without_log", verification.without_log},
          {"bytes_read", verification.bytes}};
}

void print_verification(const Verification& verification) {
  const Terminal terminal = Terminal::standard_output();
  for (const StoreFault& fault : verification.faults) {
    fmt::print("{} {}: {}\n", terminal.red("✗"), fault.path.empty() ? "the index" : printable(fault.path),
               printable(fault.problem));
    for (const std::string& release : fault.releases) {
      fmt::print("    {} needs it: {}\n", terminal.bold("release " + printable(release)),
                 "run its pipeline with the params that `mlpipe models show` names, or import it from "
                 "another store");
    }
    if (!fault.results.empty()) {
      fmt::print("    results that need it: {}\n", printable(join(fault.results, ", ")));
    }
    if (!fault.done.empty()) {
      fmt::print("    {}\n", printable(fault.done));
    }
  }
  for (const std::string& path : verification.unknown) {
    fmt::print("? {}: not a file of mlpipe; left alone\n", printable(path));
  }
  if (verification.without_log > 0) {
    fmt::print("? {} without a log\n", count_of(verification.without_log, "result"));
  }
  fmt::print("{} {}, {}, {}, {}: {}\n", verification.faults.empty() ? terminal.green("✓") : terminal.red("✗"),
             count_of(verification.blobs, "file"), count_of(verification.trees, "folder"),
             count_of(verification.results, "result"), count_of(verification.releases, "release"),
             verification.faults.empty() ? "all is well" : count_of(verification.faults.size(), "fault"));
}

std::string required_file(const Invocation& invocation) {
  if (const auto to = invocation.value("--to")) {
    return *to;
  }
  throw UsageError("where to? name the file with --to FILE.tar");
}

ExportRequest export_request(const Invocation& invocation, const Store& store) {
  ExportRequest request;
  const auto what = invocation.value("WHAT");
  request.everything = invocation.has("--all");
  if (what.has_value() == request.everything) {
    throw UsageError("export what? name a result, a step or a release, or everything with --all");
  }
  if (what) {
    const StoreItem item = find_item(store, *what);
    if (item.release) {
      Registry(store).require_files(*item.release);
      request.releases.push_back(item.release->label());
    } else if (item.result) {
      request.results.push_back(item.result->id);
    } else {
      throw UsageError(
          fmt::format("'{}' is bytes; an export holds results, with all of their outputs", *what),
          "name the step, or the result by its id");
    }
  }
  return request;
}

Archiver archiver() {
  return Archiver(sibling_program("mlpipe-archive"));
}

}  // namespace

std::size_t runs_to_keep(const Invocation& invocation) {
  const auto text = invocation.value("--keep-runs");
  const auto number = text ? parse_integer(*text) : runs_kept;
  if (!number || *number < 0) {
    throw UsageError(fmt::format("--keep-runs: '{}' is not a number of runs", printable(*text)));
  }
  return static_cast<std::size_t>(*number);
}

int store_usage_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const StoreUsage usage = usage_of(store, find_roots(store, runs_to_keep(invocation)));
  if (invocation.json()) {
    print_json({{"total", usage.total},
                {"kinds", usage.kinds},
                {"steps", usage.steps},
                {"models", usage.models},
                {"collectable", usage.collectable}});
    return 0;
  }
  print_sizes("kind", usage.kinds);
  print_sizes("step", usage.steps);
  print_sizes("model", usage.models);
  fmt::print("{:<33} {:>12}\n{:<33} {:>12}\n", "all", format_bytes(usage.total), "of which gc would free",
             format_bytes(usage.collectable));
  return 0;
}

int store_collect_command(const Invocation& invocation) {
  Store store = find_store(invocation);
  const std::size_t runs = runs_to_keep(invocation);
  const bool dry_run = invocation.has("--dry-run");
  const auto checkpoints_until = std::chrono::system_clock::now() - keep_checkpoints;
  Garbage garbage;
  if (dry_run) {
    garbage = find_garbage(store, find_roots(store, runs), checkpoints_until);
  } else {
    Trash trash(store.trash_directory());
    {
      const StoreLock alone = lock_alone(invocation, store);
      garbage = find_garbage(store, find_roots(store, runs), checkpoints_until);
      take_away(store, garbage, alone, trash);
    }
    remove_abandoned_trash(store.trash_directory());
  }
  if (invocation.json()) {
    print_json(garbage_json(garbage, dry_run));
  } else {
    print_garbage(garbage, dry_run);
  }
  return 0;
}

int store_verify_command(const Invocation& invocation) {
  Store store = find_store(invocation);
  const StoreLock in_use = StoreLock::shared(store.directory());
  const Verification verification =
      verify(store, {invocation.has("--quick"), !invocation.has("--report-only")});
  if (invocation.json()) {
    print_json(verification_json(verification));
  } else {
    print_verification(verification);
  }
  return verification.faults.empty() ? 0 : 1;
}

int store_export_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const StoreLock in_use = StoreLock::shared(store.directory());
  const std::string file = required_file(invocation);
  const ExportReport report = export_to(store, export_request(invocation, store), archiver(), file);
  if (invocation.json()) {
    print_json({{"file", file},
                {"results", report.results},
                {"releases", report.releases},
                {"files", report.blobs},
                {"bytes", report.bytes}});
  } else {
    fmt::print(stderr, "{}, {} and {} ({}) are in {}\n", count_of(report.results, "result"),
               count_of(report.releases, "release"), count_of(report.blobs, "file"),
               format_bytes(report.bytes), printable(file));
  }
  return 0;
}

int store_import_command(const Invocation& invocation) {
  Store store = find_or_make_store(invocation);
  const StoreLock in_use = StoreLock::shared(store.directory());
  const ImportReport report =
      import_from(store, archiver(), *invocation.value("FILE.tar"), !invocation.has("--results-only"));
  if (invocation.json()) {
    print_json({{"results", report.results},
                {"known_results", report.known_results},
                {"releases", report.releases},
                {"aliases", report.aliases},
                {"files", report.blobs},
                {"bytes", report.bytes},
                {"kept_aliases", report.kept_aliases}});
    return 0;
  }
  fmt::print(stderr, "new: {}, {}, {} ({}); {} known already\n", count_of(report.results, "result"),
             count_of(report.releases, "release"), count_of(report.blobs, "file"), format_bytes(report.bytes),
             count_of(report.known_results, "result"));
  for (const std::string& alias : report.kept_aliases) {
    fmt::print(stderr, "{} goes on standing for what it stands for here\n", printable(alias));
  }
  return 0;
}

}  // namespace mlpipe
