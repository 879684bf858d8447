#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>

#include "pipeline/base/error.hpp"
#include "server/http/ask.hpp"
#include "server/options.hpp"

// Whether the mlpipe-serve is ready that was started with the same options and variables of the environment:
// for containers without curl. A program of its own, because libtorch takes longer to load than this to ask.
int main(int argc, char** argv) {
  constexpr std::chrono::seconds time{4};
  try {
    const std::optional<mlpipe::ServeOptions> options = mlpipe::read_options(
        argc, argv,
        {"mlpipe-serve-health", "Asks whether the mlpipe-serve of the same options is ready.", false});
    if (!options) {
      return 0;
    }
    const int status =
        mlpipe::ask_status({options->host, options->port, options->tls.any()}, "/v2/health/ready", time);
    fmt::print("{}\n", status == 200 ? "ready" : fmt::format("not ready: it answers {}", status));
    return status == 200 ? 0 : 1;
  } catch (const mlpipe::UsageError& failure) {
    fmt::print(stderr, "mlpipe-serve-health: {}\n", failure.what());
    return 2;
  } catch (const std::exception& failure) {
    fmt::print("not ready: {}\n", failure.what());
  }
  return 1;
}
