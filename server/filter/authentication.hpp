#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/filter/credentials.hpp"
#include "server/filter/filter.hpp"
#include "server/http/current.hpp"

namespace mlpipe {

// Lets requests pass that bring one of the credentials, and answers the others with 401. Everything is
// guarded but the paths in `open`, so that a new route is guarded unless somebody opens it.
Filter authentication(std::shared_ptr<const Current<const Credentials>> credentials,
                      std::vector<std::string> open);

// Liveness and readiness: whoever starts and watches the server knows no secrets.
std::vector<std::string> health_paths();

}  // namespace mlpipe
