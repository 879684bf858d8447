#include "server/filter/authentication.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/text.hpp"
#include "server/protocol/json.hpp"

namespace mlpipe {
namespace {

Response refusal(const Credentials& credentials) {
  Response response =
      error_response(401, fmt::format("Authorization: what this path asks for ({}) is missing or wrong",
                                      join(credentials.schemes(), " or ")));
  for (const std::string& scheme : credentials.schemes()) {
    response.headers.push_back({"WWW-Authenticate", scheme + R"( realm="mlpipe")"});
  }
  return response;
}

}  // namespace

Filter authentication(std::shared_ptr<const Current<const Credentials>> credentials,
                      std::vector<std::string> open) {
  return [credentials = std::move(credentials), open = std::move(open)](Request request, Respond respond,
                                                                        const Answer& next) {
    if (std::find(open.begin(), open.end(), request.path) == open.end()) {
      const std::shared_ptr<const Credentials> current = credentials->get();
      if (!current->allow(request.header("Authorization"))) {
        respond(refusal(*current));
        return;
      }
    }
    next(std::move(request), std::move(respond));
  };
}

std::vector<std::string> health_paths() {
  return {"/v2/health/live", "/v2/health/ready"};
}

}  // namespace mlpipe
