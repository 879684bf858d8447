#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/open_files.hpp"
#include "pipeline/base/text.hpp"
#include "server/engine/engine.hpp"
#include "server/grpc_library.hpp"
#include "server/http/server.hpp"
#include "server/http/socket.hpp"
#include "server/log.hpp"
#include "server/model/load_model.hpp"
#include "server/options.hpp"
#include "server/port_secrets.hpp"
#include "server/ports.hpp"
#include "server/protocol/routes.hpp"
#include "server/protocol/v2/service.hpp"
#include "server/signals.hpp"
#include "trainer/network/runtime.hpp"

namespace mlpipe {
namespace {

constexpr unsigned admin_threads = 3;  // a load takes one of them for as long as it lasts

FileDescriptor socket_for(const std::optional<int>& inherited, const std::string& host, std::uint16_t port) {
  return inherited ? adopt_listening_socket(*inherited) : listen_on(host, port);
}

ReloadReport reload(Engine& engine, const PortSecrets& public_secrets, const PortSecrets& admin_secrets) {
  ReloadReport report;
  public_secrets.reload("public", report);
  admin_secrets.reload("admin", report);
  reload_models(engine, report);
  for (const ReloadReport::Part& part : report.parts) {
    if (part.error.empty()) {
      log_info("reload", {{"what", part.what}});
    } else {
      log_error("reload failed, the old one goes on", {{"what", part.what}, {"error", part.error}});
    }
  }
  return report;
}

// Load balancers need time to see that a server is not ready any more; on the loopback, and where somebody
// else keeps the socket, there are none.
std::chrono::milliseconds drain_delay(const ServeOptions& options, const SocketAddress& address) {
  const bool unseen = address.is_loopback() || options.listen_descriptor;
  return options.drain_delay.value_or(unseen ? std::chrono::seconds(0) : std::chrono::seconds(5));
}

std::filesystem::path full_path(const std::filesystem::path& path) {
  return path.empty() ? path : std::filesystem::absolute(path).lexically_normal();
}

// Loads all models that the command line names, and returns the default one.
std::shared_ptr<const ModelVersion> load_models(Engine& engine, const ServeOptions& options) {
  std::set<std::string> names;
  for (const std::filesystem::path& directory : options.models) {
    const auto version = engine.load(full_path(directory), options.version, Engine::Takeover::beside);
    if (!names.insert(version->model().name).second) {
      throw UsageError(fmt::format("--model {}: another --model is called '{}' too", directory.string(),
                                   printable(version->model().name)),
                       "give them different names in model.yaml");
    }
  }
  return engine.current();
}

std::unique_ptr<GrpcServer> grpc_server(InferenceService& service, CallObserver& observer,
                                        const ServeOptions& options, const SharedCredentials& credentials) {
  if (!options.grpc_port) {
    return nullptr;
  }
  GrpcOptions grpc;
  grpc.host = options.grpc_host;
  grpc.port = *options.grpc_port;
  grpc.message_limit = options.limits.body_bytes;
  grpc.certificate = options.tls.certificate;
  grpc.key = options.tls.key;
  grpc.observer = &observer;
  if (credentials) {
    grpc.allow = [credentials](std::string_view authorization) {
      return credentials->get()->allow(authorization);
    };
  }
  return start_grpc_server(service, grpc);
}

constexpr std::size_t remembered_bytes = std::size_t{32} << 20U;  // of examples that feedback may name

std::optional<FeedbackDesk> feedback_desk(const ServeOptions& options) {
  if (options.feedback.empty()) {
    return std::nullopt;
  }
  return FeedbackDesk(options.feedback, FeedbackLimits{}, remembered_bytes);
}

// The public port's threads, for the engine's forward calls, for as long as it lives.
class Transport : public Executor {
 public:
  Transport(HttpServer& server, Engine& engine) : server_(server), engine_(engine) {
    engine_.use_transport(*this);
  }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  ~Transport() override { engine_.leave_transport(); }
  void run_soon(Task task) override { server_.post(std::move(task)); }

 private:
  HttpServer& server_;
  Engine& engine_;
};

void serve(const ServeOptions& options, Signals& signals) {
  keep_freed_memory();
  const ManyOpenFiles open_files;  // one for each connection
  // Each answering thread computes by itself: as many of them as there are cores keep all cores busy, and
  // more threads for each would only be in each other's way.
  set_compute_threads(1);

  const PortSecrets secrets(options.public_credentials, options.tls);
  PortSecrets admin_secrets(options.admin_credentials, options.admin_tls);
  admin_secrets.require_credentials();
  FileDescriptor socket = socket_for(options.listen_descriptor, options.host, options.port);
  FileDescriptor admin_socket =
      socket_for(options.admin_listen_descriptor, options.admin_host, options.admin_port);
  const SocketAddress address = address_of(socket);
  const SocketAddress admin_address = address_of(admin_socket);
  const std::string url = address.url(secrets.scheme());
  const std::string admin_url = admin_address.url(admin_secrets.scheme());
  if (!admin_address.is_loopback() && !admin_secrets.tls()) {
    log_info("the admin port is open to others without TLS", {{"address", admin_url}});
  }

  EngineOptions engine_options;
  engine_options.threads = options.threads;
  engine_options.limits.instances = options.threads;
  Engine engine(load_model, engine_options);
  Metrics metrics;
  const auto reload_all = [&] { return reload(engine, secrets, admin_secrets); };
  const std::optional<FeedbackDesk> feedback = feedback_desk(options);
  const Router public_routes = public_router(engine, metrics, feedback);
  const Router admin_routes = admin_router(
      engine, metrics, {Signals::request_stop, reload_all, full_path(options.repository), feedback});

  const HttpLimits admin_limits;
  HttpServer admin(std::move(admin_socket),
                   admin_handler(admin_routes, options, admin_limits, admin_secrets.credentials()),
                   admin_limits, admin_threads, admin_secrets.tls());
  const auto version = load_models(engine, options);
  HttpServer server(
      std::move(socket),
      public_handler(public_routes, options, secrets.credentials(), feedback ? feedback->recent : nullptr),
      options.limits, options.threads, secrets.tls());
  const Transport transport(server, engine);

  const std::unique_ptr<InferenceService> inference = make_inference_service(engine);
  const std::unique_ptr<CallObserver> observer =
      make_call_observer({options.access_log, log_line}, metrics, feedback ? feedback->recent : nullptr);
  const std::unique_ptr<GrpcServer> grpc = grpc_server(*inference, *observer, options, secrets.credentials());

  if (!options.address_file.empty()) {
    write_file_atomically(
        options.address_file,
        fmt::format("{{\"port\": {}, \"admin_port\": {}{}}}\n", address.port, admin_address.port,
                    grpc ? fmt::format(", \"grpc_port\": {}", grpc->port()) : ""));
  }
  fmt::print("{} version {} answers at {} (admin: {}{})\n", printable(version->model().name),
             printable(version->label()), url, admin_url,
             grpc ? fmt::format(", gRPC: {}:{}", grpc->host(), grpc->port()) : "");
  std::fflush(stdout);
  log_info("start", {{"model", version->model().name},
                     {"version", version->label()},
                     {"directory", version->directory().string()},
                     {"digest", version->digest().hex()},
                     {"address", url},
                     {"admin", admin_url}});

  while (signals.wait() == Signals::Event::reload) {
    reload_all();
  }
  const std::chrono::milliseconds delay = drain_delay(options, address);
  log_info("drain", {{"delay", format_duration(delay)}, {"grace", format_duration(options.grace)}});
  engine.begin_draining();
  if (grpc) {
    grpc->begin_draining();
  }
  std::this_thread::sleep_for(delay);
  engine.leave_transport();
  {
    const std::jthread beside([&] {
      if (grpc) {
        grpc->stop(options.grace);
      }
    });
    server.stop(options.grace);
  }
  engine.finish();
  if (feedback) {
    feedback->writer->finish();
  }
  admin.stop(std::min<std::chrono::milliseconds>(options.grace, std::chrono::seconds(1)));
  log_info("stopped");
}

// As serve(), without ports: until the input ends, or at a signal at once.
void serve_standard_streams(const ServeOptions& options, Signals& signals) {
  keep_freed_memory();
  set_compute_threads(static_cast<int>(options.threads));
  Engine engine(load_model);
  Metrics metrics;
  const Router routes = public_router(engine, metrics);
  load_models(engine, options);
  std::atomic<bool> ended{false};
  const std::jthread watching([&] {
    while (signals.wait() == Signals::Event::reload) {
    }
    if (!ended) {
      std::_Exit(0);
    }
  });
  std::exception_ptr failure;
  try {
    answer_standard_streams(routes, *options.standard_streams, options.limits.body_bytes, STDIN_FILENO,
                            STDOUT_FILENO);
  } catch (...) {
    failure = std::current_exception();
  }
  ended = true;
  Signals::request_stop();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

int run(int argc, char** argv) {
  try {
    Signals signals;
    const std::optional<ServeOptions> options =
        read_options(argc, argv,
                     {"mlpipe-serve", fmt::format("Serves one model over HTTP. {} with libtorch {}.",
                                                  MLPIPE_VERSION, libtorch_version())});
    if (options && options->standard_streams) {
      serve_standard_streams(*options, signals);
    } else if (options) {
      serve(*options, signals);
    }
    return 0;
  } catch (const UsageError& failure) {
    log_error("cannot serve", {{"error", failure.what()}, {"hint", failure.hint()}});
    return 2;
  } catch (const Error& failure) {
    log_error("cannot serve", {{"error", failure.what()}, {"hint", failure.hint()}});
  } catch (const std::exception& failure) {
    log_error("cannot serve", {{"error", failure.what()}});
  }
  return 1;
}

}  // namespace
}  // namespace mlpipe

int main(int argc, char** argv) {
  return mlpipe::run(argc, argv);
}
