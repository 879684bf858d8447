#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

// Waits until the condition holds; throws when it does not for so long that something must be broken.
void wait_until(const std::string& what, const std::function<bool()>& condition);

bool process_runs(pid_t pid);

// A failure shows the whole text.
testing::AssertionResult has(const std::string& text, const std::string& part);
testing::AssertionResult has_not(const std::string& text, const std::string& part);
// A failure shows what the program wrote.
testing::AssertionResult exits(const Captured& captured, int status);

// A program that runs beside the test; its output goes to files. Killed at the end if it still runs.
class Background {
 public:
  Background(const Command& command, std::filesystem::path output);
  ~Background();
  Background(Background&&) = default;

  pid_t pid() const { return process_.pid(); }
  void signal(int number) { process_.send_signal(number); }
  // Waits for its end.
  Captured wait();
  std::string error() const;

 private:
  std::filesystem::path output_;
  Process process_;
};

// A project in a folder of its own, and the real mlpipe. In what is written, @SIDE@ stands for the side
// folder: one outside of the project where jobs leave traces that the test looks at. At the end everything is
// stopped that was deployed and that still runs.
class Project {
 public:
  explicit Project(const std::string& name = "project");
  ~Project();
  Project(const Project&) = delete;
  Project& operator=(const Project&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path store() const;
  std::filesystem::path side(const std::string& name) const { return root_.path() / "side" / name; }
  // A folder that is not the project.
  std::filesystem::path elsewhere() const { return root_.path() / "elsewhere"; }

  void pipeline(const std::string& text) const { write("pipeline.yaml", text); }
  void write(const std::string& name, const std::string& text) const;
  void replace(const std::string& name, const std::string& from, const std::string& to) const;
  void rename_folder(const std::string& name);

  // What the environment of mlpipe holds besides PATH and HOME.
  Environment environment;

  Command command(const Arguments& arguments) const;
  Captured mlpipe(const Arguments& arguments, const std::string& input = "") const;
  Captured mlpipe_in(const std::filesystem::path& folder, const Arguments& arguments) const;
  Background start(const Arguments& arguments);
  // Runs it, which must succeed, and parses what it prints.
  Json json(const Arguments& arguments) const;

  // Lines of a file in the side folder; none when it is missing.
  std::vector<std::string> lines(const std::string& name) const;
  // How often jobs left a line with this word in the file "runs".
  std::size_t runs(const std::string& word) const;
  void touch_side(const std::string& name) const;
  void wait_for_side(const std::string& name) const;

  // Waits until what runs left to be removed behind them is gone: before anything walks over the store's
  // files.
  void wait_for_removals() const;

  // Every path below the project, without its store.
  std::vector<std::string> listing() const;

 private:
  TemporaryDirectory root_;
  std::filesystem::path folder_;
  int started_ = 0;
};

// One entry of a list of objects, by what one of its keys holds.
Json entry_of(const Json& list, const std::string& key, const Json& value);
// The step of that name in what `run --json` or `plan --json` prints.
Json step_of(const Json& document, const std::string& name);
std::string state_of(const Json& document, const std::string& step);
// All its reasons, joined.
std::string reasons_of(const Json& document, const std::string& step);
// "sha256:…" of an output of a step.
std::string digest_of_output(const Json& document, const std::string& step, const std::string& output);

}  // namespace mlpipe
