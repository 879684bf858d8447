#include "pipeline/exec/programs.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/utsname.h>

#include "pipeline/base/build_id.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {

Programs Programs::beside_this_one() {
  const std::filesystem::path folder = path_of_own_executable().parent_path();
  return {folder / "mlpipe-agent",     folder / "mlpipe-fetch", folder / "mlpipe-train",
          folder / "mlpipe-serve",     folder / "mlpipe-image", folder / "mlpipe-registry",
          folder / "mlpipe-kubernetes"};
}

std::filesystem::path image_sources() {
  return image_sources(path_of_own_executable().parent_path());
}

std::filesystem::path image_sources(const std::filesystem::path& programs) {
  const std::filesystem::path repository =
      programs.parent_path().parent_path().parent_path();  // of build/x/bin
  const std::filesystem::path places[] = {programs.parent_path() / "share" / "mlpipe" / "source", repository};
  for (const std::filesystem::path& place : places) {
    std::error_code error;
    if (std::filesystem::is_regular_file(place / "containers" / "server.Dockerfile", error)) {
      return place;
    }
  }
  throw Error(fmt::format("the sources of mlpipe's own images are missing: there is no {}",
                          (places[0] / "containers" / "server.Dockerfile").string()),
              "install mlpipe whole (make install PREFIX=DIR), or name a Dockerfile of your own");
}

int usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
}

std::string identity_of(const std::filesystem::path& program, FileHashes& hashes) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(program, error)) {
    return "";
  }
  const auto build_id = build_id_of(program);
  return build_id ? *build_id : hashes.digest(program).hex();
}

Tools find_tools(const Programs& programs, FileHashes& hashes) {
  Tools tools;
  utsname system{};
  uname(&system);
  tools.architecture = system.machine;
  tools.trainer = identity_of(programs.train, hashes);
  tools.fetcher = "1";
  tools.default_threads = usable_cores();
  return tools;
}

}  // namespace mlpipe
