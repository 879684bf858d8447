// mlpipe-kubernetes: what mlpipe does with the Jobs of a cluster. A program of its own, so that mlpipe starts
// without an HTTP library. Exit status: 0 done, 1 failed, 2 asked wrongly; what went wrong is on standard
// error, with what can be done about it on lines of their own.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/kubernetes/jobs_command.hpp"

namespace {

// The message, and on lines of their own what can be done about it.
void print(const mlpipe::Error& error) {
  fmt::print(stderr, "{}\n{}", error.what(), error.hint().empty() ? "" : error.hint() + "\n");
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Steps as Jobs of a Kubernetes cluster.", "mlpipe-kubernetes");
  app.require_subcommand(1);
  auto* command = app.add_subcommand("jobs", "carry out jobs, as lines of JSON ask for");
  mlpipe::JobsRequest request;
  std::string store;
  command->add_option("--context", request.context, "of the kubeconfig; the current one when not given");
  command->add_option("--store", store, "whose jobs they are, for who looks at the list of processes");
  command->add_option("--remote", request.remote, "where what they work with and make travels")->required();
  command->add_option("--pod-remote", request.pod_remote, "the same, as pods reach it");
  command->add_option("--registry", request.registry, "HOST/REPOSITORY that nodes pull images from");
  command->add_option("--remote-secret", request.remote_secret, "a Secret that pods use for the remote");
  command->add_option("--secrets", request.secrets, "the Secret that holds steps' secrets");
  command->add_option("--keep", request.keep_seconds, "seconds that a Job which has ended stays there");
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    mlpipe::jobs_command(request);
    return 0;
  } catch (const mlpipe::UsageError& error) {
    print(error);
    return 2;
  } catch (const mlpipe::Error& error) {
    print(error);
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
