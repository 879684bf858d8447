#include "tests/containers/image_fixture.hpp"

#include <fmt/format.h>
#include <httplib.h>

#include <chrono>
#include <map>
#include <sstream>
#include <thread>

#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

const Arguments tight = {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp"};

Arguments joined(Arguments first, const Arguments& second, const Arguments& third = {}) {
  first.insert(first.end(), second.begin(), second.end());
  first.insert(first.end(), third.begin(), third.end());
  return first;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

// The images that this process has built; their tags go when it ends, the engine's cache stays.
class Built {
 public:
  Built() = default;
  Built(const Built&) = delete;
  Built& operator=(const Built&) = delete;
  ~Built() {
    for (const auto& [tag, engine] : tags_) {
      engine.run({"rmi", "--no-prune", tag});
    }
  }
  bool has(const std::string& tag) const { return tags_.contains(tag); }
  void add(const std::string& tag, const Engine& engine) { tags_.emplace(tag, engine); }

 private:
  std::map<std::string, Engine> tags_;
};

Built& built() {
  static Built images;
  return images;
}

}  // namespace

RunningContainer::RunningContainer(const Engine& engine, const std::string& image, Arguments more,
                                   Arguments command)
    : engine_(engine) {
  more.push_back(image);
  id_ = engine.ask(
      joined(joined({"run", "--detach", "--publish=127.0.0.1::8080"}, tight), more, std::move(command)));
}

RunningContainer::~RunningContainer() {
  engine_.run({"rm", "--force", "--volumes", id_});
}

int RunningContainer::port(int of_container) const {
  const std::string address = engine_.ask({"port", id_, std::to_string(of_container)});
  return std::stoi(address.substr(address.rfind(':') + 1));
}

Captured RunningContainer::execute(Arguments command) const {
  return engine_.run(joined({"exec", id_}, command));
}

void RunningContainer::signal(const std::string& name) const {
  engine_.ask({"kill", "--signal", name, id_});
}

int RunningContainer::stop() const {
  engine_.ask({"stop", "--time", "30", id_});
  return std::stoi(engine_.ask({"inspect", "--format", "{{.State.ExitCode}}", id_}));
}

std::string RunningContainer::log() const {
  const Captured log = engine_.run({"logs", id_});
  return log.output + log.error;
}

void RunningContainer::wait_until_it_answers(const std::string& path) const {
  httplib::Client client("127.0.0.1", port());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < limit) {
    if (const auto answer = client.Get(path); answer && answer->status == 200) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  throw Error("the container does not answer: " + log());
}

void ImageTest::SetUp() {
  try {
    engine_ = Engine::find("", own_environment());
    engine_->ask({"version"});
  } catch (const Error& none) {
    GTEST_SKIP() << none.what();
  }
}

std::string ImageTest::image(const std::string& name, const Arguments& more) const {
  std::string tag = "mlpipe-test-" + name;
  for (const std::string& argument : more) {
    tag += argument.starts_with("DEVICE=") ? "-" + argument.substr(7) : "";
  }
  if (built().has(tag)) {
    return tag;
  }
  Arguments arguments = {"build",
                         "--file",
                         fmt::format(MLPIPE_REPOSITORY "/containers/{}.Dockerfile", name),
                         "--tag",
                         tag,
                         "--build-arg",
                         "REVISION=of-a-test",
                         "--build-arg",
                         "VERSION=0"};
  const Environment environment = own_environment();
  if (const auto base = environment.find("MLPIPE_TEST_BUILD_BASE"); base != environment.end()) {
    arguments.insert(arguments.end(), {"--build-arg", "BUILD_BASE=" + base->second, "--build-arg",
                                       "BASE_NAME=debian:bookworm-slim"});
  }
  if (engine().kind() == EngineKind::podman) {
    arguments.insert(arguments.end(), {"--format", "docker"});  // OCI's has no health check
  }
  for (const std::string& argument : more) {
    arguments.insert(arguments.end(), {"--build-arg", argument});
  }
  arguments.emplace_back(MLPIPE_REPOSITORY);
  const Captured made = engine().run(arguments);
  if (!made.ending.succeeded()) {
    throw Error(fmt::format("building {}:\n{}", name, last_lines(made.output + made.error, 40)));
  }
  built().add(tag, engine());
  return tag;
}

Json ImageTest::inspect(const std::string& image) const {
  return Json::parse(engine().ask({"image", "inspect", image})).at(0);
}

std::set<std::string> ImageTest::files(const std::string& image) const {
  const TemporaryDirectory folder;
  const std::string archive = (folder.path() / "root.tar").string();
  const std::string container = engine().ask({"create", image});
  const Captured exported = engine().run({"export", "--output", archive, container});
  engine().ask({"rm", container});
  if (!exported.ending.succeeded()) {
    throw Error("exporting: " + exported.error);
  }
  Command command;
  command.arguments = {"tar", "--list", "--file", archive};
  const std::vector<std::string> lines = lines_of(run_and_capture(command).output);
  return {lines.begin(), lines.end()};
}

std::vector<std::string> ImageTest::missing_libraries(const std::string& image,
                                                      const std::string& program) const {
  const Captured listed = run(image, {"--entrypoint=/lib64/ld-linux-x86-64.so.2"}, {"--list", program});
  EXPECT_TRUE(listed.output.find("libc.so.6") != std::string::npos) << listed.output << listed.error;
  std::vector<std::string> missing;
  for (const std::string& line : lines_of(listed.output + listed.error)) {
    if (line.find("not found") != std::string::npos || line.find("cannot open") != std::string::npos) {
      missing.push_back(line);
    }
  }
  return missing;
}

Captured ImageTest::run(const std::string& image, Arguments more, Arguments command) const {
  more.push_back(image);
  return engine().run(joined(joined({"run", "--rm"}, tight), more, command));
}

void ImageTest::expect_safe_configuration(const Json& config, const std::string& stop_signal) const {
  EXPECT_EQ(config.at("User"), "65532:65532");
  EXPECT_EQ(config.at("StopSignal"), stop_signal);
  const Json& labels = config.at("Labels");
  EXPECT_EQ(labels.at("org.opencontainers.image.revision"), "of-a-test");
  EXPECT_EQ(labels.at("org.opencontainers.image.version"), "0");
  EXPECT_EQ(labels.at("org.opencontainers.image.base.name"), "debian:bookworm-slim");
  for (const std::string label : {"title", "source", "base.digest", "licenses"}) {
    EXPECT_TRUE(labels.contains("org.opencontainers.image." + label)) << label;
  }
}

}  // namespace mlpipe
