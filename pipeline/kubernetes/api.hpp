#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/base/process.hpp"
#include "pipeline/cluster/kubectl.hpp"
#include "pipeline/kubernetes/loop.hpp"

namespace mlpipe {

// `kubectl proxy` at a Unix socket: whatever login the kubeconfig needs is kubectl's to do. It ends with this
// process.
class ApiProxy {
 public:
  // Starts it and waits until it serves. Throws Error, with kubectl's words.
  ApiProxy(Kubectl kubectl, std::string socket);
  ~ApiProxy();
  ApiProxy(const ApiProxy&) = delete;
  ApiProxy& operator=(const ApiProxy&) = delete;

  // Comes to its end with it.
  int output() const { return output_.get(); }
  void start_again();
  void end();

 private:
  void start();

  Kubectl kubectl_;
  std::string socket_;
  FileDescriptor errors_;
  FileDescriptor output_;
  std::optional<Process> process_;
};

// How an answer is to be taken.
enum class Answered { yes, not_now };

// A cluster's API. What may pass (no answer, a server that starts, one that asks to wait) is tried again for
// as long as it takes, and one sentence says that the cluster is away, one that it is back.
class Api {
 public:
  // `tell` hears those sentences. `give_up` hears why when there was never an answer.
  Api(Loop& loop, std::function<void(const std::string&)> tell,
      std::function<void(const std::string&)> give_up)
      : loop_(loop), tell_(std::move(tell)), give_up_(std::move(give_up)) {}

  using Done = std::function<void(const ApiAnswer&)>;
  // Hears an answer that stands. The call goes on until then, or until `wanted` is gone.
  void call(ApiCall call, std::weak_ptr<void> wanted, Done done);

  // Of a call that its owner makes through http(): whether what came of it stands, or it is to be made again
  // after pause().
  Answered look_at(const ApiAnswer& answer);
  // Something has been heard from the API.
  void heard();
  std::chrono::milliseconds pause(int tries) const;
  Loop& loop() { return loop_; }

 private:
  void attempt(const std::shared_ptr<ApiCall>& call, std::weak_ptr<void> wanted, Done done, int tries);

  Loop& loop_;
  std::function<void(const std::string&)> tell_;
  std::function<void(const std::string&)> give_up_;
  bool ever_ = false;
  bool away_ = false;
  std::optional<std::chrono::steady_clock::time_point> away_since_;
};

// The words of an answer that is no success: those of the API's Status, or as they are.
std::string words_of(const ApiAnswer& answer);

}  // namespace mlpipe
