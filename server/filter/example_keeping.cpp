#include "server/filter/example_keeping.hpp"

#include <utility>

namespace mlpipe {

Filter example_keeping(std::shared_ptr<RecentExamples> recent) {
  return [recent = std::move(recent)](Request request, Respond respond, const Answer& next) {
    if (request.record) {
      request.keep = [recent, id = request.record->id](const std::string& model, const std::string& version,
                                                       std::span<const float> values) {
        recent->remember(id, {model, version, {values.begin(), values.end()}});
      };
    }
    next(std::move(request), std::move(respond));
  };
}

}  // namespace mlpipe
