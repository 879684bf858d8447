#pragma once

#include <exception>
#include <string>

#include "pipeline/base/error.hpp"

namespace mlpipe {

// A request that cannot be answered, and why, naming the field. The router turns it into {"error": …}.
class RequestError : public Error {
 public:
  RequestError(int status, const std::string& message) : Error(message), status_(status) {}
  int status() const { return status_; }

 private:
  int status_;
};

// Why a request was not answered, in HTTP's terms, which other protocols translate.
struct Failure {
  int status = 500;
  std::string message;
};

// RequestError with its status, what the engine has no room or no time for with 503 and 504, what
// nobody waits for with 499, anything else with 500, which is logged with `place`.
Failure failure_of(const std::exception_ptr& failure, const std::string& place);

// What a failure says in one line, with its hint: libtorch adds a stack trace to its own.
std::string reason_of(const std::exception& failure);

}  // namespace mlpipe
