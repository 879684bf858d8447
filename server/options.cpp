#include "server/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>

#include "pipeline/base/cores.hpp"
#include "pipeline/base/error.hpp"

namespace mlpipe {

namespace {

// An option in seconds for a time.
CLI::Option* add_seconds(CLI::App& app, const std::string& name, std::chrono::milliseconds& time,
                         const std::string& help, double least) {
  constexpr double most = 86'400;
  const auto set = [&time](double seconds) {
    time = std::chrono::milliseconds(static_cast<long>(seconds * 1000));
  };
  return app.add_option_function<double>(name, set, help)
      ->check(CLI::Range(least, most))
      ->default_str(fmt::format("{}", static_cast<double>(time.count()) / 1000));
}

void add_security(CLI::App& app, ServeOptions& options) {
  app.add_option("--admin-token-file", options.admin_credentials.tokens,
                 "tokens for the admin port, one in a line; without it and without --admin-basic-file one is "
                 "made and shown");
  app.add_option("--admin-basic-file", options.admin_credentials.users,
                 "user:password in each line, for the admin port");
  app.add_option("--auth-token-file", options.public_credentials.tokens,
                 "tokens, one in a line, that the public port asks for too");
  app.add_option("--auth-basic-file", options.public_credentials.users,
                 "user:password in each line, for the public port");
  app.add_option(
         "--cors-origin", options.cors_origins,
         "an origin whose pages may ask, such as https://example.org, or *; may be given more than once")
      ->allow_extra_args(false);
  auto* certificate =
      app.add_option("--tls-cert", options.tls.certificate,
                     "speak TLS on the public port, with this certificate (PEM, with its chain)");
  auto* key = app.add_option("--tls-key", options.tls.key, "the certificate's key");
  certificate->needs(key);
  key->needs(certificate);
  auto* admin_certificate =
      app.add_option("--admin-tls-cert", options.admin_tls.certificate, "the same for the admin port");
  auto* admin_key = app.add_option("--admin-tls-key", options.admin_tls.key, "the certificate's key");
  admin_certificate->needs(admin_key);
  admin_key->needs(admin_certificate);
}

void add_limits(CLI::App& app, HttpLimits& limits) {
  app.add_option("--body-limit", limits.body_bytes, "the largest request body, in bytes, also unpacked")
      ->check(CLI::Range(std::size_t{1024}, std::size_t{1} << 32U))
      ->capture_default_str();
  app.add_option("--header-limit", limits.header_bytes, "the largest request head, in bytes")
      ->check(CLI::Range(std::size_t{256}, std::size_t{1} << 20U))
      ->capture_default_str();
  app.add_option("--header-count", limits.headers, "the most headers of a request")
      ->check(CLI::Range(std::size_t{1}, std::size_t{10'000}))
      ->capture_default_str();
  app.add_option("--connection-limit", limits.connections, "the most connections at a time")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}))
      ->capture_default_str();
  constexpr double least = 0.01;
  add_seconds(app, "--idle-timeout", limits.idle, "seconds that a connection may stay open without a request",
              least);
  add_seconds(app, "--receive-timeout", limits.receiving,
              "seconds that a request, or a TLS handshake, may take to arrive", least);
  add_seconds(app, "--answer-timeout", limits.answering,
              "seconds that a request which has arrived may wait for its answer", least);
  add_seconds(app, "--send-timeout", limits.sending, "seconds that a client may take to read its answer",
              least);
}

// Every option may be given by a variable too, --admin-port as MLPIPE_SERVE_OPTION_ADMIN_PORT: for
// containers, whose images set some and whose users set others. (Kubernetes itself sets MLPIPE_SERVE_PORT
// where a service has the name.)
void take_from_environment(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option == app.get_help_ptr()) {
      continue;
    }
    std::string variable = "MLPIPE_SERVE_OPTION_";
    for (const char letter : option->get_lnames().front()) {
      variable += letter == '-' ? '_' : static_cast<char>(letter - 'a' + 'A');
    }
    option->envname(variable);
  }
}

}  // namespace

std::optional<ServeOptions> read_options(int argc, char** argv, const ServeProgram& program) {
  ServeOptions options;
  options.threads = static_cast<unsigned>(available_cores());
  options.limits.answering = std::chrono::minutes(1);
  std::chrono::milliseconds drain_delay{0};
  CLI::App app(program.description, program.name);
  app.add_option(
         "--model", options.models,
         "the model directory: model.yaml and weights.safetensors; further ones are served beside it, each "
         "under its own name")
      ->required(program.needs_model)
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
  auto* grpc_port =
      app.add_option("--grpc-port", options.grpc_port, "speak gRPC on this port too; 0 takes a free one");
  app.add_option("--listen-fd", options.listen_descriptor,
                 "take over this descriptor, which listens already, as the public port")
      ->excludes(port);
  app.add_option("--admin-listen-fd", options.admin_listen_descriptor, "the same for the admin port")
      ->excludes(admin_port);
  const std::map<std::string, Framing> framings = {{"lines", Framing::lines}, {"frames", Framing::frames}};
  app.add_option(
         "--standard-streams", options.standard_streams,
         "answer on standard input and output and on no port: bodies of POST /predict, each in a line, or "
         "as frames, behind their length in four bytes")
      ->transform(CLI::CheckedTransformer(framings).description("lines|frames"))
      ->excludes(port)
      ->excludes(admin_port)
      ->excludes(grpc_port);
  app.add_option(
      "--address-file", options.address_file,
      R"(gets {"port": …, "admin_port": …} once the server answers, and "grpc_port" where there is one)");
  app.add_option("--feedback", options.feedback,
                 "take feedback at POST /feedback and append it to a file in this folder");
  app.add_option("--threads", options.threads, "threads that answer; default: the cores it may use")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--access-log", options.access_log, "write a line of JSON to stderr for each request");
  auto* drain =
      add_seconds(app, "--drain-delay", drain_delay,
                  "seconds that it goes on serving, not ready, when it is told to end, so that load "
                  "balancers see it",
                  0)
          ->default_str("0 on the loopback and with --listen-fd, else 5");
  add_seconds(app, "--grace", options.grace, "seconds that requests have to finish after that", 0);
  add_security(app, options);
  add_limits(app, options.limits);
  take_from_environment(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app.exit(asked);
    return std::nullopt;
  } catch (const CLI::ParseError& fault) {
    throw UsageError(fault.what(), program.name + " --help lists the options");
  }
  if (drain->count() > 0) {
    options.drain_delay = drain_delay;
  }
  return options;
}

}  // namespace mlpipe
