#include "server/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "pipeline/base/error.hpp"
#include "trainer/network/runtime.hpp"

namespace mlpipe {

std::optional<ServeOptions> read_options(int argc, char** argv) {
  ServeOptions options;
  options.threads = static_cast<unsigned>(available_cores());
  double grace_seconds = 10;
  CLI::App app(
      fmt::format("Serves one model over HTTP. {} with libtorch {}.", MLPIPE_VERSION, libtorch_version()),
      "mlpipe-serve");
  app.add_option(
         "--model", options.models,
         "the model directory: model.yaml and weights.safetensors; further ones are served beside it, each "
         "under its own name")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--version", options.version, "the name of this version in answers")->capture_default_str();
  app.add_option("--repository", options.repository,
                 "a folder MODEL/VERSION/model.yaml that the admin port loads from by name")
      ->check(CLI::ExistingDirectory);
  app.add_option("--host", options.host, "the address to listen on")->capture_default_str();
  auto* port =
      app.add_option("--port", options.port, "the public port; 0 takes a free one")->capture_default_str();
  app.add_option("--admin-host", options.admin_host, "the address of the admin port")->capture_default_str();
  auto* admin_port = app.add_option("--admin-port", options.admin_port, "the admin port; 0 takes a free one")
                         ->capture_default_str();
  app.add_option("--grpc-host", options.grpc_host, "the address of the gRPC port")->capture_default_str();
  app.add_option("--grpc-port", options.grpc_port, "speak gRPC on this port too; 0 takes a free one");
  app.add_option("--listen-fd", options.listen_descriptor,
                 "take over this descriptor, which listens already, as the public port")
      ->excludes(port);
  app.add_option("--admin-listen-fd", options.admin_listen_descriptor, "the same for the admin port")
      ->excludes(admin_port);
  app.add_option("--admin-token-file", options.admin_token_file,
                 "holds the token that the admin port asks for; without it one is made and shown");
  app.add_option(
      "--address-file", options.address_file,
      R"(gets {"port": …, "admin_port": …} once the server answers, and "grpc_port" where there is one)");
  app.add_option("--threads", options.threads, "threads that answer; default: the cores it may use")
      ->check(CLI::Range(1, 1024));
  app.add_option("--body-limit", options.body_limit, "the largest request body, in bytes")
      ->check(CLI::Range(std::size_t{1024}, std::size_t{1} << 32U))
      ->capture_default_str();
  app.add_option("--grace", grace_seconds,
                 "seconds that requests have to finish when the server is told to end")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app.exit(asked);
    return std::nullopt;
  } catch (const CLI::ParseError& fault) {
    throw UsageError(fault.what(), "mlpipe-serve --help lists the options");
  }
  options.grace = std::chrono::milliseconds(static_cast<long>(grace_seconds * 1000));
  return options;
}

}  // namespace mlpipe
