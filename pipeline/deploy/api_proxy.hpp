#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/cluster/kubectl.hpp"
#include "pipeline/deploy/http.hpp"

namespace mlpipe {

// The API server by `kubectl proxy` on a Unix socket that only this user can reach: for what is asked often,
// and for requests to pods. The child ends with this. One thread at a time.
class ApiProxy {
 public:
  // Throws Error when it does not start.
  explicit ApiProxy(const Kubectl& kubectl);
  ~ApiProxy();
  ApiProxy(const ApiProxy&) = delete;
  ApiProxy& operator=(const ApiProxy&) = delete;

  // "/api/v1/namespaces/…". Nothing when there is no answer in time.
  std::optional<HttpReply> get(const std::string& path, std::chrono::milliseconds timeout) const;
  std::optional<HttpReply> post(const std::string& path, std::string_view json,
                                std::chrono::milliseconds timeout) const;

 private:
  TemporaryDirectory folder_;
  Process process_;
};

}  // namespace mlpipe
