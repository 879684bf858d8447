#include "pipeline/base/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

// What the new process could not do, sent to the one that starts it.
enum class Step : int { descriptors, session, work_directory, execution };
struct Fault {
  Step step;
  int reason;  // errno
};

struct PipeEnds {
  FileDescriptor reading;
  FileDescriptor writing;
};

PipeEnds make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_errno("making a pipe");
  }
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// Texts as exec wants them. Valid while `texts` is.
std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

// Everything that the new process needs between vfork and exec, ready beforehand: other threads may hold
// locks then, so only async-signal-safe calls are allowed.
struct Preparation {
  std::string program;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::vector<char*> argument_pointers;
  std::vector<char*> environment_pointers;
  std::string work_directory;
  std::array<int, 3> standard{};
  std::vector<int> inherited;
  bool new_session = false;
  bool new_group = false;
  std::optional<rlim_t> open_files;
  int signal_when_parent_ends = 0;
  pid_t parent = 0;
  int report = -1;

  [[noreturn]] void give_up(Step step) const {
    const Fault fault{step, errno};
    while (::write(report, &fault, sizeof fault) < 0 && errno == EINTR) {
    }
    ::_exit(127);
  }

  void reset_signals() const {
    for (int number = 1; number < NSIG; ++number) {
      ::signal(number, SIG_DFL);  // fails for SIGKILL and SIGSTOP, which is fine
    }
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
  }

  void place_descriptors() const {
    std::array<int, 3> above{};  // copies out of the way, so that no redirection overwrites another's source
    for (std::size_t i = 0; i < above.size(); ++i) {
      above[i] = ::fcntl(standard[i], F_DUPFD_CLOEXEC, 3);
      if (above[i] < 0) {
        give_up(Step::descriptors);
      }
    }
    for (std::size_t i = 0; i < above.size(); ++i) {
      if (::dup2(above[i], static_cast<int>(i)) < 0) {
        give_up(Step::descriptors);
      }
    }
    if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
      for (int descriptor = 3; descriptor < 1024; ++descriptor) {  // a kernel before 5.11
        ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
      }
    }
    for (const int descriptor : inherited) {
      if (::fcntl(descriptor, F_SETFD, 0) != 0) {
        give_up(Step::descriptors);
      }
    }
  }

  // In the new process.
  void set_up() const {
    reset_signals();
    place_descriptors();
    if (new_session ? ::setsid() < 0 : new_group && ::setpgid(0, 0) != 0) {
      give_up(Step::session);
    }
    if (open_files) {
      rlimit limit{};
      if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = std::min(*open_files, limit.rlim_max);
        ::setrlimit(RLIMIT_NOFILE, &limit);
      }
    }
    if (signal_when_parent_ends != 0) {
      ::prctl(PR_SET_PDEATHSIG, signal_when_parent_ends);
      if (::getppid() != parent) {  // it ended before the line above
        ::_exit(127);
      }
    }
    if (!work_directory.empty() && ::chdir(work_directory.c_str()) != 0) {
      give_up(Step::work_directory);
    }
  }
};

Preparation prepare(const Command& command, int report, int null_input) {
  if (command.arguments.empty()) {
    throw Error("starting a program: its command line is empty");
  }
  const Environment environment = command.environment ? *command.environment : own_environment();
  Preparation preparation;
  preparation.program = find_program(command.arguments.front(), environment).string();
  preparation.arguments = command.arguments;
  for (const auto& [name, value] : environment) {
    preparation.environment.push_back(fmt::format("{}={}", name, value));
  }
  for (const auto* texts : {&preparation.arguments, &preparation.environment}) {
    for (const std::string& text : *texts) {
      if (text.find('\0') != std::string::npos) {
        throw Error(
            fmt::format("starting {}: an argument or a variable holds a zero byte", preparation.program));
      }
    }
  }
  preparation.argument_pointers = pointers_to(preparation.arguments);
  preparation.environment_pointers = pointers_to(preparation.environment);
  preparation.work_directory = command.work_directory.string();
  preparation.standard = {command.standard_input < 0 ? null_input : command.standard_input,
                          command.standard_output < 0 ? STDOUT_FILENO : command.standard_output,
                          command.standard_error < 0 ? STDERR_FILENO : command.standard_error};
  preparation.inherited = command.inherited;
  preparation.new_session = command.new_session;
  preparation.new_group = command.new_group;
  preparation.open_files = command.open_files;
  preparation.signal_when_parent_ends = command.signal_when_parent_ends;
  preparation.parent = ::getpid();
  preparation.report = report;
  return preparation;
}

// The new process borrows this one's memory until it executes the program (vfork): a copy of the page tables
// of a large process would cost more than all the rest. So it must change nothing but its own kernel state,
// and no handler of ours may run in it: all signals stay blocked until their handlers are gone.
pid_t spawn(const Preparation& preparation) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();
  if (pid == 0) {
    preparation.set_up();
    ::execve(preparation.program.c_str(), preparation.argument_pointers.data(),
             preparation.environment_pointers.data());
    preparation.give_up(Step::execution);
  }
  const int reason = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = reason;
  return pid;
}

[[noreturn]] void throw_fault(const Fault& fault, const Command& command, const Preparation& preparation) {
  const std::string reason = std::generic_category().message(fault.reason);
  switch (fault.step) {
    case Step::descriptors:
      throw Error(fmt::format("starting {}: passing its descriptors: {}", preparation.program, reason));
    case Step::session:
      throw Error(fmt::format("starting {}: making its session: {}", preparation.program, reason));
    case Step::work_directory:
      throw Error(
          fmt::format("starting {} in {}: {}", preparation.program, command.work_directory.string(), reason));
    case Step::execution:
      break;
  }
  // A script whose interpreter is missing gives ENOENT, though the file itself is there.
  if (fault.reason == ENOENT && fs::exists(preparation.program)) {
    throw Error(
        fmt::format("starting {}: the interpreter in its first line does not exist", preparation.program));
  }
  throw Error(fmt::format("starting {}: {}", preparation.program, reason));
}

std::string content_of(const FileDescriptor& file) {
  return read_file(fmt::format("/proc/self/fd/{}", file.get()));
}

}  // namespace

Environment own_environment() {
  Environment environment;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) {
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return environment;
}

std::string describe(const ProcessEnding& ending) {
  return ending.signal != 0
             ? fmt::format("killed by signal {} ({})", ending.signal, ::strsignal(ending.signal))
             : fmt::format("exit status {}", ending.exit_code);
}

ProcessEnding decode_wait_status(int status, std::uint64_t peak_memory_bytes) {
  ProcessEnding ending;
  ending.peak_memory_bytes = peak_memory_bytes;
  if (WIFSIGNALED(status)) {
    ending.signal = WTERMSIG(status);
  } else {
    ending.exit_code = WEXITSTATUS(status);
  }
  return ending;
}

Process Process::start(const Command& command) {
  PipeEnds report = make_pipe();
  FileDescriptor null_input;
  if (command.standard_input < 0) {
    null_input = open_file("/dev/null", O_RDONLY);
  }
  Preparation preparation = prepare(command, report.writing.get(), null_input.get());
  const pid_t pid = spawn(preparation);
  if (pid <= 0) {
    throw_errno(fmt::format("starting {}", preparation.program));
  }
  report.writing.close();
  Fault fault{};
  ssize_t count = 0;
  while ((count = ::read(report.reading.get(), &fault, sizeof fault)) < 0 && errno == EINTR) {
  }
  Process process(pid);
  if (count == sizeof fault) {
    process.wait();
    throw_fault(fault, command, preparation);
  }
  return process;
}

std::optional<ProcessEnding> Process::reap(int flags) {
  if (!ending_) {
    int status = 0;
    rusage usage{};
    pid_t found = 0;
    while ((found = ::wait4(pid_, &status, flags, &usage)) < 0 && errno == EINTR) {
    }
    if (found < 0) {
      throw_errno(fmt::format("waiting for process {}", pid_));
    }
    if (found == pid_) {
      ending_ = decode_wait_status(status, static_cast<std::uint64_t>(usage.ru_maxrss) * 1024);
    }
  }
  return ending_;
}

ProcessEnding Process::wait() {
  return *reap(0);
}

std::optional<ProcessEnding> Process::poll() {
  return reap(WNOHANG);
}

bool Process::send_signal(int signal) {
  return !ending_ && pid_ > 0 && ::kill(pid_, signal) == 0;
}

FileDescriptor memory_file(std::string_view content) {
  FileDescriptor file(::memfd_create("mlpipe", MFD_CLOEXEC));
  if (!file) {
    throw_errno("making a file in memory");
  }
  write_all(file.get(), content, "a file in memory");
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

Captured run_and_capture(Command command, std::string_view input) {
  // Files, not pipes: a program in the background that keeps them open does not keep us waiting.
  const FileDescriptor input_file = memory_file(input);
  const FileDescriptor output_file = memory_file("");
  const FileDescriptor error_file = memory_file("");
  command.standard_input = input_file.get();
  command.standard_output = output_file.get();
  command.standard_error = error_file.get();
  const ProcessEnding ending = Process::start(command).wait();
  return {ending, content_of(output_file), content_of(error_file)};
}

fs::path find_program(const std::string& name, const Environment& environment) {
  if (name.find('/') != std::string::npos) {
    return name;
  }
  const auto variable = environment.find("PATH");
  const std::string path = variable == environment.end() ? "/usr/local/bin:/usr/bin:/bin" : variable->second;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    fs::path candidate = fs::path(path.substr(begin, end - begin)) / name;
    std::error_code error;
    if (!name.empty() && fs::is_regular_file(candidate, error) && ::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
    begin = end + 1;
  }
  throw Error(fmt::format("starting '{}': no such program in PATH ({})", name, path));
}

fs::path path_of_own_executable() {
  std::error_code error;
  fs::path path = fs::read_symlink("/proc/self/exe", error);
  if (error) {
    throw Error(fmt::format("finding this program's own file: {}", error.message()));
  }
  return path;
}

fs::path sibling_program(std::string_view name) {
  const fs::path folder = path_of_own_executable().parent_path();
  fs::path program = folder / name;
  if (::access(program.c_str(), X_OK) != 0) {
    throw Error(fmt::format("no program {} in {}", name, folder.string()),
                "mlpipe's programs belong in one folder: build or install them together");
  }
  return program;
}

}  // namespace mlpipe
