#include "tests/oci/real_engine.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "pipeline/base/error.hpp"
#include "pipeline/oci/tar_writer.hpp"
#include "tests/oci/real_registry.hpp"

namespace mlpipe {

std::string RealEngine::missing(const std::string& name) {
  const std::string program = program_in_path(name);
  if (program.empty()) {
    return name + " is not installed";
  }
  Command command;
  command.arguments = {program, "info"};
  const Captured captured = run_and_capture(std::move(command));
  return captured.ending.succeeded() ? "" : name + " does not answer";
}

Captured RealEngine::run(std::vector<std::string> arguments) const {
  Command command;
  arguments.insert(arguments.begin(), name_);
  command.arguments = std::move(arguments);
  return run_and_capture(std::move(command));
}

RealEngine::~RealEngine() {
  for (const std::string& image : images_) {
    run({"rmi", "--force", image});
  }
}

std::string RealEngine::make_server() {
  const TemporaryDirectory folder;
  std::string tar;
  TarWriter writer([&](std::string_view bytes) { tar += bytes; });
  writer.file("mlpipe-serve", fmt::format("a server of test {}", ::getpid()), true);
  writer.finish();
  write_file_atomically(folder.path() / "image.tar", tar);
  std::string name = fmt::format("mlpipe-registry-test-{}-server:1", ::getpid());
  const Captured captured =
      run({"import", "--change", "ENTRYPOINT [\"/mlpipe-serve\"]", "--change", "EXPOSE 8080", "--change",
           "USER 65532", (folder.path() / "image.tar").string(), name});
  if (!captured.ending.succeeded()) {
    throw Error(name_ + " import: " + captured.error);
  }
  name = (name_ == "podman" ? "localhost/" : "") + name;
  owns(name);
  return name;
}

void RealEngine::talk_to_registry(const std::string& verb, const std::string& image) const {
  std::vector<std::string> arguments = {verb, "--quiet", image};
  if (name_ == "podman") {  // docker knows by itself which registries those are
    arguments.insert(arguments.begin() + 1, "--tls-verify=false");
  }
  const Captured captured = run(std::move(arguments));
  if (!captured.ending.succeeded()) {
    throw Error(name_ + " " + verb + ": " + captured.error);
  }
}

void RealEngine::pull(const std::string& image) {
  owns(image);
  talk_to_registry("pull", image);
}

void RealEngine::push(const std::string& image, const std::string& to) {
  owns(to);
  run({"tag", image, to});
  talk_to_registry("push", to);
}

std::string RealEngine::file_in(const std::string& image, const std::string& path) const {
  const Captured created = run({"create", image, "/mlpipe-serve"});
  if (!created.ending.succeeded()) {
    throw Error(name_ + " create: " + created.error);
  }
  const std::string container = created.output.substr(0, created.output.find('\n'));
  const TemporaryDirectory folder;
  const Captured copied = run({"cp", container + ":" + path, (folder.path() / "file").string()});
  run({"rm", container});
  if (!copied.ending.succeeded()) {
    throw Error(name_ + " cp: " + copied.error);
  }
  return read_file(folder.path() / "file");
}

}  // namespace mlpipe
