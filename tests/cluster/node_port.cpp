#include "tests/cluster/node_port.hpp"

#include <fmt/format.h>
#include <httplib.h>

#include <nlohmann/json.hpp>

#include "tests/functional/project.hpp"

namespace mlpipe {

std::string node_port_url(const nlohmann::json& service) {
  const int port = service.at("spec").at("ports").at(0).at("nodePort");
  wait_until("the node leads to the servers", [port] {
    const httplib::Result result = httplib::Client("127.0.0.1", port).Get("/v2/health/ready");
    return result && result->status == 200;
  });
  return fmt::format("http://127.0.0.2:{}", port);
}

}  // namespace mlpipe
