#pragma once

#include <string>

#include "server/http/message.hpp"

namespace mlpipe {

// A page that is whole in itself: its policy lets it ask this server alone, and run and show nothing from
// elsewhere.
Response html_response(std::string page);

}  // namespace mlpipe
