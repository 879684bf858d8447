#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/file.hpp"

namespace mlpipe {

using Environment = std::map<std::string, std::string>;

// This process's own environment.
Environment own_environment();

// What to start and with what. Descriptors stay the caller's; every descriptor that is not named here is
// closed in the new process, signals are at their defaults and none is blocked.
struct Command {
  std::vector<std::string>
      arguments;  // argv; the first is a path, or a name looked up in the PATH of `environment`
  std::optional<Environment> environment;  // exactly these; nothing: this process's own
  std::filesystem::path work_directory;    // empty: this process's own
  int standard_input = -1;                 // -1: /dev/null
  int standard_output = -1;                // -1: this process's own
  int standard_error = -1;                 // -1: this process's own
  std::vector<int> inherited;              // kept open under the same numbers, all above 2
  bool new_session = false;                // no terminal, out of reach of its Ctrl-C
  bool new_group = false;                  // a process group of its own
  std::optional<rlim_t> open_files = {};  // how many it may have open at first; nothing: this process's limit
  int signal_when_parent_ends = 0;        // sent when the thread that started it ends, however that ends
};

// How a process ended.
struct ProcessEnding {
  int exit_code = -1;  // -1: it did not exit by itself
  int signal = 0;      // 0: it was not ended by a signal
  std::uint64_t peak_memory_bytes = 0;

  bool succeeded() const { return exit_code == 0; }
};

// "exit status 3", "killed by signal 9 (Killed)".
std::string describe(const ProcessEnding& ending);

// What a status of waitpid(2) says.
ProcessEnding decode_wait_status(int status, std::uint64_t peak_memory_bytes = 0);

// A child process. Movable. Destruction neither ends it nor waits: call wait(), or it stays a zombie until
// this process ends. One thread at a time.
class Process {
 public:
  // Returns once the program runs; throws Error with the program's name and the reason when it cannot be
  // started. May be called by many threads at once.
  static Process start(const Command& command);

  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)), ending_(other.ending_) {}
  Process& operator=(Process&& other) noexcept {
    pid_ = std::exchange(other.pid_, -1);
    ending_ = other.ending_;
    return *this;
  }

  pid_t pid() const { return pid_; }
  // Both may be called again after the end.
  ProcessEnding wait();
  std::optional<ProcessEnding> poll();
  // False when it has ended already.
  bool send_signal(int signal);

 private:
  explicit Process(pid_t pid) : pid_(pid) {}
  std::optional<ProcessEnding> reap(int flags);

  pid_t pid_ = -1;
  std::optional<ProcessEnding> ending_;
};

// A file that is nowhere on a disk, at its beginning: for what a program reads from a descriptor.
FileDescriptor memory_file(std::string_view content);

// What a program wrote and how it ended.
struct Captured {
  ProcessEnding ending;
  std::string output;
  std::string error;
};

// Runs a program to its end, with `input` on its standard input.
Captured run_and_capture(Command command, std::string_view input = "");

// The program that a name stands for: itself when it holds a '/', else the first that can be executed in
// PATH. Throws Error that says where it looked.
std::filesystem::path find_program(const std::string& name, const Environment& environment);

std::filesystem::path path_of_own_executable();

// The program of that name in the folder of this process's own executable; throws Error that says where it
// looked.
std::filesystem::path sibling_program(std::string_view name);

}  // namespace mlpipe
