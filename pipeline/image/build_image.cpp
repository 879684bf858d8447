#include "pipeline/image/build_image.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/container/dockerfile.hpp"
#include "pipeline/image/build_log.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

void show(const std::string& line) {
  fmt::print("{}\n", printable(line));
  std::fflush(stdout);
}

using UseLine = std::function<void(std::string_view)>;

// Runs a command and hands out each line that it prints, as it comes.
ProcessEnding run_by_lines(Command command, const UseLine& use) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_errno("making a pipe");
  }
  FileDescriptor reading(ends[0]);
  FileDescriptor writing(ends[1]);
  command.standard_output = command.standard_error = writing.get();
  Process process = Process::start(command);
  writing.close();
  std::string rest;
  std::array<char, 16384> buffer{};
  ssize_t count = 0;
  while ((count = ::read(reading.get(), buffer.data(), buffer.size())) != 0) {
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      throw_errno("reading what the engine prints");
    }
    rest.append(buffer.data(), static_cast<std::size_t>(count));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1) {
      use(std::string_view(rest).substr(begin, end - begin));
    }
    rest.erase(0, begin);
  }
  if (!rest.empty()) {
    use(rest);
  }
  return process.wait();
}

void pull(const Engine& engine, const std::string& reference, const std::string& platform) {
  std::vector<std::string> arguments = {"pull"};
  if (!platform.empty()) {
    arguments.insert(arguments.end(), {"--platform", platform});
  }
  arguments.insert(arguments.end(), {"--", reference});
  show(fmt::format("pulling {}", reference));
  std::string last;
  const ProcessEnding ending = run_by_lines(engine.command(std::move(arguments)), [&](std::string_view line) {
    show(std::string(line));
    if (!trim(line).empty()) {
      last = trim(line);
    }
  });
  if (!ending.succeeded()) {
    throw Error(fmt::format("{} is not in {} and cannot be pulled: {}", reference, engine.name(), last),
                fmt::format("see that the name is right and that `{} pull {}` works (it may need `{} login`)",
                            engine.name(), reference, engine.name()));
  }
}

std::string bring(const Engine& engine, const std::string& reference, const std::string& platform) {
  if (auto id = engine.image_id(reference)) {
    return *id;
  }
  pull(engine, reference, platform);
  if (auto id = engine.image_id(reference)) {
    return *id;
  }
  throw Error(fmt::format("{} was pulled, and {} does not have it", reference, engine.name()));
}

// Which program of the engine builds, and how it is asked.
enum class Builder { buildx, buildkit, old, buildah };

Builder builder_of(const Engine& engine) {
  if (engine.kind() == EngineKind::podman) {
    return Builder::buildah;
  }
  if (engine.run({"buildx", "version"}).ending.succeeded()) {
    return Builder::buildx;
  }
  constexpr int first_without_own_buildkit = 23;
  const std::string version = engine.ask({"--version"});  // "Docker version 20.10.24+dfsg1, build 297e128"
  const std::size_t digit = version.find_first_of("0123456789");
  const int major = digit == std::string::npos ? 0 : std::atoi(version.c_str() + digit);
  return major > 0 && major < first_without_own_buildkit ? Builder::buildkit : Builder::old;
}

void require_builder(Builder builder, const BuildRequest& request, const std::string& dockerfile) {
  if (builder != Builder::old) {
    return;
  }
  const char* missing = !request.secrets.empty()  ? "secrets"
                        : uses_mounts(dockerfile) ? "RUN --mount"
                                                  : nullptr;
  if (missing != nullptr) {
    throw Error(
        fmt::format("docker's old builder does not know {}, and BuildKit is not there", missing),
        "install docker's buildx plugin (Debian: docker-buildx), or build with podman: MLPIPE_ENGINE=podman");
  }
}

Command build_command(const Engine& engine, Builder builder, const BuildRequest& request,
                      const fs::path& scratch) {
  std::vector<std::string> arguments;
  switch (builder) {
    case Builder::buildx:
      arguments = {"buildx", "build", "--load", "--progress", "plain"};
      break;
    case Builder::buildkit:
      arguments = {"build", "--progress", "plain"};
      break;
    case Builder::old:
      arguments = {"build", "--force-rm"};
      break;
    case Builder::buildah: {
      // Equal steps give equal bytes where no time is in them; docker's format keeps HEALTHCHECK. Its own
      // .containerignore does not count, so that every engine sees the same context.
      const fs::path rules = request.context / ".dockerignore";
      const fs::path none = scratch / "ignore";
      write_file_atomically(none, "", 0644, Durability::later);
      arguments = {"build",
                   "--timestamp",
                   "0",
                   "--format",
                   "docker",
                   "--pull=never",
                   "--ignorefile",
                   fs::is_regular_file(rules) ? rules.string() : none.string()};
      break;
    }
  }
  const auto add = [&](const std::string& option, const std::string& value) {
    if (!value.empty()) {
      arguments.insert(arguments.end(), {option, value});
    }
  };
  add("--file", request.dockerfile.string());
  add("--iidfile", (scratch / "id").string());
  add("--target", request.target);
  add("--platform", request.platform);
  for (const auto& [name, value] : request.args) {
    add("--build-arg", fmt::format("{}={}", name, value));
  }
  for (const std::string& secret : request.secrets) {
    add("--secret", secret);
  }
  for (const auto& [name, value] : request.labels) {
    add("--label", fmt::format("{}={}", name, value));
  }
  arguments.push_back(request.context.string());
  Command command = engine.command(std::move(arguments));
  (*command.environment)["DOCKER_BUILDKIT"] = builder == Builder::old ? "0" : "1";
  (*command.environment)["BUILDX_NO_DEFAULT_ATTESTATIONS"] = "1";  // they hold times
  return command;
}

// Appends how far the build is to $MLPIPE_PROGRESS.
class ProgressLines {
 public:
  ProgressLines() {
    if (const char* path = std::getenv("MLPIPE_PROGRESS")) {
      file_ = open_file(path, O_WRONLY | O_CREAT | O_APPEND);
    }
  }

  void report(const BuildLog& log) {
    const nlohmann::json line = {{"done", log.done()},
                                 {"total", log.total()},
                                 {"unit", "step"},
                                 {"text", printable(log.instruction())}};
    std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    if (file_ && text != last_) {
      write_all(file_.get(), text, "the progress file");
      last_ = std::move(text);
    }
  }

 private:
  FileDescriptor file_;
  std::string last_;
};

bool build(const Command& command) {
  BuildLog log;
  ProgressLines progress;
  const auto begun = Clock::now();
  const auto now = [&] { return std::chrono::duration_cast<BuildLog::Time>(Clock::now() - begun); };
  const auto show_all = [](const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      show(line);
    }
  };
  const ProcessEnding ending = run_by_lines(command, [&](std::string_view line) {
    show_all(log.read(line, now()));
    progress.report(log);
  });
  if (!ending.succeeded()) {
    show_all(log.failure());
    return false;
  }
  show_all(log.end(now()));
  progress.report(log);
  return true;
}

}  // namespace

std::optional<BuiltImage> build_image(const Engine& engine, const BuildRequest& request) {
  const std::string dockerfile = read_file(request.dockerfile);
  const Builder builder = builder_of(engine);
  require_builder(builder, request, dockerfile);
  BuiltImage built;
  for (const std::string& base : base_images(dockerfile, {request.target, request.args, request.platform})) {
    built.bases[base] = bring(engine, base, request.platform);
  }
  const TemporaryDirectory scratch;
  if (!build(build_command(engine, builder, request, scratch.path()))) {
    return std::nullopt;
  }
  for (const auto& [base, id] : built.bases) {
    if (engine.image_id(base) != id) {
      throw Error(fmt::format("{} became another image while this one was built from it", base), "run again");
    }
  }
  const std::string id(trim(read_file(scratch.path() / "id")));
  constexpr std::size_t tag_length = 12;
  const std::string digits = id.substr(id.find(':') + 1);  // none before it: npos + 1 is 0
  built.name = fmt::format("{}:{}", request.name, digits.substr(0, tag_length));
  engine.ask({"tag", id, built.name});
  built.id = bring(engine, built.name, request.platform);
  return built;
}

BuiltImage bring_image(const Engine& engine, const std::string& reference, const std::string& platform) {
  const std::string id = bring(engine, reference, platform);
  return {id, reference, {{reference, id}}};
}

}  // namespace mlpipe
