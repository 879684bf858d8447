#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "server/engine/engine.hpp"
#include "server/grpc_library.hpp"
#include "server/http/server.hpp"
#include "server/http/socket.hpp"
#include "server/log.hpp"
#include "server/model/load_model.hpp"
#include "server/options.hpp"
#include "server/protocol/routes.hpp"
#include "server/protocol/v2/service.hpp"
#include "server/stop_signal.hpp"
#include "trainer/network/runtime.hpp"

namespace mlpipe {
namespace {

constexpr unsigned admin_threads = 3;  // a load takes one of them for as long as it lasts

std::string random_token() {
  std::array<unsigned char, 24> bytes{};
  if (::RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw Error("making an admin token: no random numbers can be had", "give one with --admin-token-file");
  }
  std::string text;
  for (const unsigned char byte : bytes) {
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

std::string admin_token(const std::filesystem::path& file) {
  if (file.empty()) {
    std::string token = random_token();
    fmt::print("admin token (made for this run): {}\n", token);
    return token;
  }
  const std::string bytes = read_file(file, 4096);
  std::string token(trim(bytes));
  if (token.empty()) {
    throw UsageError(fmt::format("{}: it holds no token", file.string()));
  }
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & (S_IRGRP | S_IROTH)) != 0) {
    log_info("admin token can be read by others", {{"file", file.string()}});
  }
  return token;
}

// As many connections as the system lets this process have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

FileDescriptor socket_for(const std::optional<int>& inherited, const std::string& host, std::uint16_t port) {
  return inherited ? adopt_listening_socket(*inherited) : listen_on(host, port);
}

HttpHandler handler_of(const Router& router) {
  return {[&router](const Request& request, const Respond& respond) { router.answer(request, respond); },
          [&router](int status, std::string_view why) { return router.refuse(status, why); }};
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

std::unique_ptr<GrpcServer> grpc_server(InferenceService& service, const ServeOptions& options) {
  if (!options.grpc_port) {
    return nullptr;
  }
  GrpcOptions grpc;
  grpc.host = options.grpc_host;
  grpc.port = *options.grpc_port;
  grpc.message_limit = options.body_limit;
  return start_grpc_server(service, grpc);
}

void stop_grpc(GrpcServer* server, std::chrono::milliseconds grace) {
  if (server != nullptr) {
    server->begin_draining();
    server->stop(grace);
  }
}

void serve(const ServeOptions& options, StopSignal& stop_signal) {
  keep_freed_memory();
  raise_descriptor_limit();
  // Each answering thread computes by itself: as many of them as there are cores keep all cores busy, and
  // more threads for each would only be in each other's way.
  set_compute_threads(1);

  FileDescriptor socket = socket_for(options.listen_descriptor, options.host, options.port);
  FileDescriptor admin_socket =
      socket_for(options.admin_listen_descriptor, options.admin_host, options.admin_port);
  const SocketAddress address = address_of(socket);
  const SocketAddress admin_address = address_of(admin_socket);

  EngineOptions engine_options;
  engine_options.threads = options.threads;
  engine_options.limits.instances = options.threads;
  Engine engine(load_model, engine_options);
  Metrics metrics;
  const Router public_routes = public_router(engine, metrics);
  const Router admin_routes = admin_router(
      engine, metrics,
      {admin_token(options.admin_token_file), StopSignal::request, full_path(options.repository)});

  HttpServer admin(std::move(admin_socket), handler_of(admin_routes), {}, admin_threads);
  const auto version = load_models(engine, options);
  HttpLimits limits;
  limits.body_bytes = options.body_limit;
  HttpServer server(std::move(socket), handler_of(public_routes), limits, options.threads);

  const std::unique_ptr<InferenceService> inference = make_inference_service(engine);
  const std::unique_ptr<GrpcServer> grpc = grpc_server(*inference, options);

  if (!options.address_file.empty()) {
    write_file_atomically(
        options.address_file,
        fmt::format("{{\"port\": {}, \"admin_port\": {}{}}}\n", address.port, admin_address.port,
                    grpc ? fmt::format(", \"grpc_port\": {}", grpc->port()) : ""));
  }
  fmt::print("{} version {} answers at {} (admin: {}{})\n", printable(version->model().name),
             printable(version->label()), address.url(), admin_address.url(),
             grpc ? fmt::format(", gRPC: {}:{}", grpc->host(), grpc->port()) : "");
  std::fflush(stdout);
  log_info("start", {{"model", version->model().name},
                     {"version", version->label()},
                     {"directory", version->directory().string()},
                     {"digest", version->digest().hex()},
                     {"address", address.url()},
                     {"admin", admin_address.url()}});

  stop_signal.wait();
  log_info("stop", {{"grace", format_duration(options.grace)}});
  engine.begin_draining();
  {
    const std::jthread beside([&] { stop_grpc(grpc.get(), options.grace); });
    server.stop(options.grace);
  }
  engine.finish();
  admin.stop(std::min<std::chrono::milliseconds>(options.grace, std::chrono::seconds(1)));
  log_info("stopped");
}

int run(int argc, char** argv) {
  try {
    StopSignal stop_signal;
    const std::optional<ServeOptions> options = read_options(argc, argv);
    if (options) {
      serve(*options, stop_signal);
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
