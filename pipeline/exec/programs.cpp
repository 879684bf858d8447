#include "pipeline/exec/programs.hpp"

#include <sched.h>
#include <sys/utsname.h>

#include "pipeline/base/build_id.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {

Programs Programs::beside_this_one() {
  const std::filesystem::path folder = path_of_own_executable().parent_path();
  return {folder / "mlpipe-agent", folder / "mlpipe-fetch", folder / "mlpipe-train", folder / "mlpipe-serve"};
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
