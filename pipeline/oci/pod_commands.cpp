#include <fmt/format.h>
#include <unistd.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/claim_remote.hpp"
#include "pipeline/oci/commands.hpp"
#include "pipeline/oci/patiently.hpp"
#include "pipeline/oci/pipe_remote.hpp"
#include "pipeline/oci/pod_job.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

int own_index() {
  constexpr int most = 100'000;
  const Environment environment = own_environment();
  const auto variable = environment.find("JOB_COMPLETION_INDEX");
  if (variable == environment.end()) {
    return 0;
  }
  const auto index = parse_integer(variable->second);
  if (!index || *index < 0 || *index > most) {
    throw UsageError(
        fmt::format("JOB_COMPLETION_INDEX: '{}' is no pod's index", printable(variable->second)));
  }
  return static_cast<int>(*index);
}

}  // namespace

void pod_bring_command(const std::string& url, const std::string& job, const fs::path& directory) {
  const auto remote = open_remote(url, own_environment());
  patiently(2min, [&] { bring_job(*remote, job, directory, own_index()); });
}

int pod_record_command(const std::string& url, const std::string& job, const fs::path& directory) {
  return record_job(*open_remote(url, own_environment()), job, directory, own_index());
}

void serve_remote_command(const std::string& url) {
  const DirectoryRemote remote(url);  // or it names none
  wait_for_users_of_claim();
}

void pipe_remote_command(const std::string& url) {
  DirectoryRemote remote(url);
  const FileDescriptor use = lock_use_of_claim();
  serve_pipe(remote, STDIN_FILENO, STDOUT_FILENO);
}

}  // namespace mlpipe
