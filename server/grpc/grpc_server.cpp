#include "server/grpc/grpc_server.hpp"

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <limits>
#include <memory>
#include <thread>

#include "pipeline/base/error.hpp"
#include "server/grpc/inference_calls.hpp"

namespace mlpipe {
namespace {

// What clients have to hear that the server goes: what they have sent by then is answered.
constexpr std::chrono::milliseconds time_to_hear{250};
constexpr const char* service_name = "inference.GRPCInferenceService";

std::shared_ptr<grpc::ServerCredentials> credentials_of(const GrpcOptions& options) {
  if (options.certificate.empty()) {
    return grpc::InsecureServerCredentials();
  }
  constexpr unsigned seconds_between_looks = 10;
  grpc::experimental::TlsServerCredentialsOptions tls(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          options.key.string(), options.certificate.string(), seconds_between_looks));
  tls.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsServerCredentials(tls);
}

// gRPC's own threads, which inherit it, run at a lower priority than the engine's: else each call that
// arrives interrupts the forward call that the calls before it wait for. When that ends, they have the core,
// and all that came meanwhile is one batch. For a thread that ends then: who is not root cannot take it back.
void lower_own_priority() {
  constexpr int priority_of_transport = 10;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), priority_of_transport);  // of this thread alone
}

class RunningServer : public GrpcServer {
 public:
  RunningServer(InferenceService& service, const GrpcOptions& options)
      : calls_(service, options.allow, options.observer), host_(options.host) {
    // Debian builds it to look for deadlocks at each lock, which costs a hundredth of a server's throughput.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    const bool is_version_6 = host_.find(':') != std::string::npos;
    builder.AddListeningPort(
        fmt::format(fmt::runtime(is_version_6 ? "[{}]:{}" : "{}:{}"), host_, options.port),
        credentials_of(options), &port_);
    builder.RegisterService(&calls_);
    builder.SetMaxReceiveMessageSize(
        static_cast<int>(std::min<std::size_t>(options.message_limit, std::numeric_limits<int>::max())));
    builder.SetResourceQuota(grpc::ResourceQuota("mlpipe-serve").Resize(options.memory_limit));
    // Or a second server would share the port with this one, and take a part of its calls.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    server_ = std::async(std::launch::async, [&builder] {
                lower_own_priority();
                return builder.BuildAndStart();
              }).get();
    if (!server_ || port_ == 0) {
      throw Error(fmt::format("--grpc-port: cannot listen on {}, port {}", host_, options.port),
                  "is it in use already?");
    }
    set_serving(true);
  }

  ~RunningServer() override { stop(std::chrono::milliseconds(0)); }

  const std::string& host() const override { return host_; }
  std::uint16_t port() const override { return static_cast<std::uint16_t>(port_); }
  void begin_draining() override { set_serving(false); }

  void stop(std::chrono::milliseconds grace) override {
    const auto deadline = std::chrono::system_clock::now() + grace;
    // It tells all clients, and then would wait for those too that have nothing under way and do not listen.
    const std::jthread closing([this, deadline] { server_->Shutdown(deadline); });
    calls_.wait_until_idle(deadline);
    std::this_thread::sleep_for(std::min(grace, time_to_hear));
    calls_.wait_until_idle(deadline);
    grpc_server_cancel_all_calls(server_->c_server());
  }

 private:
  void set_serving(bool is_serving) {
    server_->GetHealthCheckService()->SetServingStatus(is_serving);
    server_->GetHealthCheckService()->SetServingStatus(service_name, is_serving);
  }

  InferenceCalls calls_;
  std::string host_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

GrpcServer* start_grpc(InferenceService& service, const GrpcOptions& options) {
  return new RunningServer(service, options);
}

}  // namespace mlpipe
