#include "tests/containers/serving_image.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "pipeline/base/file.hpp"
#include "tests/containers/packed_root.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// Podman asks for more open files and processes than a machine may allow.
void limit_podman(const fs::path& folder) {
  if (std::getenv("CONTAINERS_CONF") != nullptr) {
    return;
  }
  constexpr rlim_t enough = 1024;
  rlimit files{};
  rlimit processes{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  ::getrlimit(RLIMIT_NPROC, &processes);
  write_file_atomically(
      folder / "containers.conf",
      fmt::format("[containers]\ndefault_ulimits = [\"nofile={0}:{0}\", \"nproc={1}:{1}\"]\n",
                  std::min(files.rlim_cur, enough), std::min(processes.rlim_cur, enough)));
  ::setenv("CONTAINERS_CONF", (folder / "containers.conf").c_str(), 1);
}

class ServingImage {
 public:
  explicit ServingImage(EngineKind kind) {
    if (kind == EngineKind::podman) {
      limit_podman(folder_.path());
    }
    try {
      found_.engine = Engine::find(name_of(kind), own_environment());
      found_.engine->ask({"info"});
      make();
    } catch (const Error& error) {
      found_.why_not = error.what();
    }
  }
  ~ServingImage() {
    if (!found_.name.empty()) {
      found_.engine->run({"rmi", "--force", found_.name});
    }
  }
  ServingImage(const ServingImage&) = delete;
  ServingImage& operator=(const ServingImage&) = delete;

  const ServingEngine& found() const { return found_; }

 private:
  void make() {
    pack_root(folder_.path() / "root", {MLPIPE_PROGRAMS "/mlpipe-serve", "nginx"});
    pack_tar(folder_.path() / "root", folder_.path() / "root.tar");
    found_.name = fmt::format("mlpipe-target-test:{}", ::getpid());
    found_.engine->ask({"import", (folder_.path() / "root.tar").string(), found_.name});
    found_.image = found_.engine->image_id(found_.name).value();
    fs::remove_all(folder_.path() / "root");
    fs::remove(folder_.path() / "root.tar");
  }

  TemporaryDirectory folder_;
  ServingEngine found_;
};

}  // namespace

const ServingEngine& serving_engine(EngineKind kind) {
  if (kind == EngineKind::docker) {
    static const ServingImage image(kind);
    return image.found();
  }
  static const ServingImage image(kind);
  return image.found();
}

}  // namespace mlpipe
