#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/with_plan.hpp"
#include "pipeline/exec/job_folder.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// "train/model": a step and one of its outputs, whose name may hold slashes too.
std::pair<const PlannedStep*, std::string> find_output(const Plan& plan, const std::string& text) {
  std::vector<std::string> known;
  for (const PlannedStep& planned : plan.steps()) {
    for (const std::string& out : planned.step->outs) {
      known.push_back(Input{planned.step->name, out}.text());
      if (known.back() == text) {
        return {&planned, out};
      }
    }
  }
  throw UsageError(fmt::format("there is no output '{}'", printable(text)),
                   known.empty() ? "no step has an output" : suggest_name(text, known));
}

// As with cp: into a folder that is there, else under that name.
fs::path destination_of(const std::string& to, const std::string& out) {
  std::error_code error;
  fs::path path = fs::is_directory(to, error) ? fs::path(to) / fs::path(out).filename() : fs::path(to);
  if (fs::exists(fs::symlink_status(path, error))) {
    throw UsageError(fmt::format("{} is there already; nothing was changed", path.string()),
                     "name another place");
  }
  return path;
}

void copy_outputs(const Blobs& blobs, const std::vector<Output>& outputs, bool several, const fs::path& to) {
  if (!several) {
    blobs.copy_to(outputs.front(), to);
    return;
  }
  fs::create_directories(to);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    blobs.copy_to(outputs[i], to / position_name(i, outputs.size()));
  }
}

}  // namespace

int get_command(const Invocation& invocation) {
  with_plan(invocation, [&](const Plan& plan, const Effects&, const Spec& spec) {
    const std::string name = *invocation.value("STEP/OUT");
    const auto [planned, out] = find_output(plan, name);
    const std::vector<Output> outputs = planned->outputs(out);
    if (outputs.empty()) {
      throw Error(fmt::format("{} has no result now: {}", planned->step->name, join(planned->reasons, ", ")),
                  "`mlpipe run` makes one");
    }
    const fs::path to = destination_of(*invocation.value("TO"), out);
    const Store store = *Store::open_to_read(Store::default_directory(spec.project));
    copy_outputs(store.blobs(), outputs, planned->step->select.takes_many(), to);
    if (!invocation.json()) {
      fmt::print(stderr, "{} is in {}\n", name, to.string());
      return;
    }
    nlohmann::ordered_json json{{"output", name}, {"path", fs::absolute(to).string()}, {"digests", {}}};
    for (const Output& output : outputs) {
      json["digests"].push_back("sha256:" + output.digest.hex());
    }
    fmt::print("{}\n", json.dump(2));
  });
  return 0;
}

}  // namespace mlpipe
