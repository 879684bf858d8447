#include "server/protocol/failure.hpp"

#include <fmt/format.h>

#include "pipeline/base/text.hpp"
#include "server/engine/batcher.hpp"
#include "server/log.hpp"

namespace mlpipe {

Failure failure_of(const std::exception_ptr& failure, const std::string& place) {
  try {
    std::rethrow_exception(failure);
  } catch (const RequestError& error) {
    return {error.status(), error.what()};
  } catch (const QueueFull& error) {
    return {503, error.what()};
  } catch (const DeadlineExceeded& error) {
    return {504, error.what()};
  } catch (const RequestCancelled& error) {
    return {499, error.what()};  // as nginx has it: for the metrics, there is nobody to read it
  } catch (const std::exception& error) {
    log_error("request failed", {{"path", place}, {"error", error.what()}});
    return {500, error.what()};
  }
}

std::string reason_of(const std::exception& failure) {
  const auto* known = dynamic_cast<const Error*>(&failure);
  const std::string what(split(failure.what(), '\n').front());
  return known == nullptr || known->hint().empty() ? what : fmt::format("{} ({})", what, known->hint());
}

}  // namespace mlpipe
