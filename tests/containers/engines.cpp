#include "tests/containers/engines.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// Podman asks for more open files and processes than a machine may allow.
std::string limits_for_podman() {
  constexpr rlim_t enough = 1024;
  rlimit files{};
  rlimit processes{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  ::getrlimit(RLIMIT_NPROC, &processes);
  return fmt::format("[containers]\ndefault_ulimits = [\"nofile={0}:{0}\", \"nproc={1}:{1}\"]\n",
                     std::min(files.rlim_cur, enough), std::min(processes.rlim_cur, enough));
}

#ifdef MLPIPE_SANITIZED
constexpr bool agent_is_not_static = true;
#else
constexpr bool agent_is_not_static = false;
#endif

class JobsImage {
 public:
  explicit JobsImage(EngineKind kind) {
    if (agent_is_not_static) {
      found_.why_not = "the agent of this build, with sanitizers, runs in no other image than this machine";
      return;
    }
    try {
      found_.engine = Engine::find(name_of(kind), engine_environment());
      found_.engine->ask({"info"});
    } catch (const Error& error) {
      found_.why_not = error.what();
      return;
    }
    make_in(*found_.engine);
  }
  ~JobsImage() {
    if (!name_.empty()) {
      found_.engine->run({"rmi", "--force", name_});
    }
  }
  JobsImage(const JobsImage&) = delete;
  JobsImage& operator=(const JobsImage&) = delete;

  const FoundEngine& found() const { return found_; }

 private:
  void make_in(const Engine& engine) {
    pack_root(folder_.path() / "root", jobs_image_programs());
    pack_tar(folder_.path() / "root", folder_.path() / "root.tar");
    name_ = fmt::format("mlpipe-test-jobs:{}", ::getpid());
    engine.ask({"import", (folder_.path() / "root.tar").string(), name_});
    found_.image = engine.image_id(name_).value();
    found_.image_name = name_;
  }

  TemporaryDirectory folder_;
  std::string name_;
  FoundEngine found_;
};

}  // namespace

const FoundEngine& found_engine(EngineKind kind) {
  if (kind == EngineKind::docker) {
    static const JobsImage image(kind);
    return image.found();
  }
  static const JobsImage image(kind);
  return image.found();
}

std::string name_of(Place place) {
  return place == Place::here ? "Here" : place == Place::docker ? "Docker" : "Podman";
}

const FoundEngine& engine_of(Place place) {
  return found_engine(place == Place::docker ? EngineKind::docker : EngineKind::podman);
}

const Environment& engine_environment() {
  static const TemporaryDirectory folder;
  static const Environment environment = [] {
    Environment own = own_environment();
    if (!own.contains("CONTAINERS_CONF")) {
      const fs::path file = folder.path() / "containers.conf";
      write_file_atomically(file, limits_for_podman());
      own.emplace("CONTAINERS_CONF", file);
      ::setenv("CONTAINERS_CONF", file.c_str(), 1);  // agents take it from this process
    }
    return own;
  }();
  return environment;
}

}  // namespace mlpipe
