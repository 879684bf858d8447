#include "tests/functional/project.hpp"

#include <fcntl.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 100s;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// Ends the jobs that a killed mlpipe left running.
void end_jobs(const fs::path& store) {
  std::error_code error;
  for (fs::directory_iterator job(store / "jobs", error), end; !error && job != end; job.increment(error)) {
    if (cancel_job(job->path())) {
      FileLock::wait(store / "locks" / job->path().filename());
    }
  }
}

}  // namespace

void wait_until(const std::string& what, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("waited in vain until " + what);
    }
    std::this_thread::sleep_for(5ms);
  }
}

bool process_runs(pid_t pid) {
  const auto stat = read_file_if_exists("/proc/" + std::to_string(pid) + "/stat");
  return stat && stat->find(") Z ") == std::string::npos;
}

testing::AssertionResult has(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "'" << part << "' is not in:\n" << text;
}

testing::AssertionResult has_not(const std::string& text, const std::string& part) {
  if (text.find(part) == std::string::npos) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "'" << part << "' is in:\n" << text;
}

testing::AssertionResult exits(const Captured& captured, int status) {
  if (captured.ending.exit_code == status) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "expected exit status " << status << ", got "
                                     << describe(captured.ending) << "\nstandard output:\n"
                                     << captured.output << "\nstandard error:\n"
                                     << captured.error;
}

Background::Background(const Command& command, fs::path output)
    : output_(std::move(output)), process_([&] {
        fs::create_directories(output_);
        const FileDescriptor out = open_file(output_ / "output", O_WRONLY | O_CREAT | O_TRUNC);
        const FileDescriptor error = open_file(output_ / "error", O_WRONLY | O_CREAT | O_TRUNC);
        Command complete = command;
        complete.standard_output = out.get();
        complete.standard_error = error.get();
        return Process::start(complete);
      }()) {}

Background::~Background() {
  if (process_.pid() > 0 && !process_.poll()) {
    process_.send_signal(SIGKILL);
    process_.wait();
  }
}

Captured Background::wait() {
  wait_until("the program has ended", [this] { return process_.poll().has_value(); });
  return {process_.wait(), read_file(output_ / "output"), error()};
}

std::string Background::error() const {
  return read_file(output_ / "error");
}

Project::Project(const std::string& name) : folder_(root_.path() / name) {
  fs::create_directories(folder_);
  fs::create_directories(side("home"));
  fs::create_directories(elsewhere());
}

Project::~Project() {
  try {
    if (fs::exists(store() / "format")) {
      end_jobs(store());
      const Captured down = mlpipe_in(elsewhere(), {"down", "--store", store().string()});
      EXPECT_TRUE(exits(down, 0));
    }
  } catch (const std::exception& error) {
    ADD_FAILURE() << "clearing up: " << error.what();
  }
}

fs::path Project::store() const {
  const auto chosen = environment.find("MLPIPE_STORE");
  return chosen == environment.end() ? folder_ / ".mlpipe" : fs::path(chosen->second);
}

void Project::write(const std::string& name, const std::string& text) const {
  std::string complete = text;
  replace_all(complete, "@SIDE@", (root_.path() / "side").string());
  fs::create_directories((folder_ / name).parent_path());
  write_file_atomically(folder_ / name, complete);
}

void Project::replace(const std::string& name, const std::string& from, const std::string& to) const {
  std::string text = read_file(folder_ / name);
  ASSERT_TRUE(has(text, from));
  replace_all(text, from, to);
  write(name, text);
}

void Project::rename_folder(const std::string& name) {
  fs::rename(folder_, root_.path() / name);
  folder_ = root_.path() / name;
}

Command Project::command(const Arguments& arguments) const {
  Command command;
  command.arguments = arguments;
  command.arguments.insert(command.arguments.begin(), std::string(MLPIPE_PROGRAMS) + "/mlpipe");
  command.environment = environment;
  command.environment->emplace("PATH", "/usr/local/bin:/usr/bin:/bin");
  command.environment->emplace("HOME", side("home").string());
  command.work_directory = folder_;
  return command;
}

Captured Project::mlpipe(const Arguments& arguments, const std::string& input) const {
  return run_and_capture(command(arguments), input);
}

Captured Project::mlpipe_in(const fs::path& folder, const Arguments& arguments) const {
  Command changed = command(arguments);
  changed.work_directory = folder;
  return run_and_capture(changed);
}

Background Project::start(const Arguments& arguments) {
  return {command(arguments), root_.path() / "started" / std::to_string(started_++)};
}

Json Project::json(const Arguments& arguments) const {
  const Captured captured = mlpipe(arguments);
  EXPECT_TRUE(exits(captured, 0));
  return Json::parse(captured.output);
}

std::vector<std::string> Project::lines(const std::string& name) const {
  const std::string text = read_file_if_exists(side(name)).value_or("");
  std::vector<std::string> lines = split(text, '\n');
  lines.pop_back();  // what follows the last line end
  return lines;
}

std::size_t Project::runs(const std::string& word) const {
  const std::vector<std::string> all = lines("runs");
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), word));
}

void Project::touch_side(const std::string& name) const {
  write_file_atomically(side(name), "");
}

void Project::wait_for_side(const std::string& name) const {
  wait_until(name + " is there", [&] { return fs::exists(side(name)); });
}

void Project::wait_for_removals() const {
  const fs::path trash = store() / "trash";
  wait_until(trash.string() + " is empty", [&] { return !fs::exists(trash) || fs::is_empty(trash); });
}

std::vector<std::string> Project::listing() const {
  std::vector<std::string> paths;
  for (fs::recursive_directory_iterator entry(folder_), end; entry != end; ++entry) {
    if (entry->path().filename() == ".mlpipe") {
      entry.disable_recursion_pending();
    } else {
      paths.push_back(entry->path().lexically_relative(folder_).string());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

Json entry_of(const Json& list, const std::string& key, const Json& value) {
  for (const Json& entry : list) {
    if (entry.at(key) == value) {
      return entry;
    }
  }
  throw std::runtime_error(key + " " + value.dump() + " is not in " + list.dump(2));
}

Json step_of(const Json& document, const std::string& name) {
  return entry_of(document.at("steps"), "step", name);
}

std::string state_of(const Json& document, const std::string& step) {
  return step_of(document, step).at("state");
}

std::string reasons_of(const Json& document, const std::string& step) {
  return join(step_of(document, step).at("reasons").get<std::vector<std::string>>(), ", ");
}

std::string digest_of_output(const Json& document, const std::string& step, const std::string& output) {
  return entry_of(step_of(document, step).at("outputs"), "name", output).at("digest");
}

}  // namespace mlpipe
