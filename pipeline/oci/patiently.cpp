#include "pipeline/oci/patiently.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "pipeline/oci/http.hpp"

namespace mlpipe {

void patiently(std::chrono::seconds patience, const std::function<void()>& work) {
  using namespace std::chrono_literals;
  const auto give_up_at = std::chrono::steady_clock::now() + patience;
  for (auto pause = 1s;; pause = std::min(2 * pause, 30s)) {
    try {
      work();
      return;
    } catch (const Unavailable& error) {
      if (std::chrono::steady_clock::now() + pause >= give_up_at) {
        throw;
      }
      fmt::print(stderr, "mlpipe-registry: {}; trying again\n", error.what());
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace mlpipe
