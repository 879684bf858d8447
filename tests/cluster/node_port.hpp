#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace mlpipe {

// Where a client on the node may ask a Service that has a node port and mlpipe's servers behind it: on
// loopback, once the node leads there. It hears of new servers a moment after they are ready. A connection
// that is tried before is refused, and for ten seconds the kernel refuses whatever comes from the same port
// to the same address: so the waiting is done at one address of loopback, and another one is returned.
std::string node_port_url(const nlohmann::json& service);

}  // namespace mlpipe
