#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "server/http/message.hpp"

namespace mlpipe {

struct ObservationOptions {
  bool access_log = false;  // a line for every request, besides those for 5xx
  // Takes one line of JSON; called from several threads at once.
  std::function<void(std::string_view line)> write;
};

// How a request was answered.
struct ObservedAnswer {
  const RequestRecord& record;
  int status = 0;
  std::string_view code = {};  // what another protocol than HTTP calls the status
  std::size_t bytes = 0;       // of the answer
  std::string_view said = {};  // by the answer, for one that failed
};

// Writes lines about requests: all of them, or those that failed (5xx). An answer of 5xx is logged with what
// it says, but of those that only turn somebody away (503) not more than ten a second, so that an overload
// does not grow by its log. Neither bodies nor credentials are written. Thread-safe.
class RequestLog {
 public:
  explicit RequestLog(ObservationOptions options);
  ~RequestLog();

  void log(const ObservedAnswer& answer);

 private:
  class LineBudget;
  ObservationOptions options_;
  std::unique_ptr<LineBudget> budget_;
};

}  // namespace mlpipe
