#pragma once

#include <chrono>
#include <functional>

namespace mlpipe {

// Does something again while a remote does not answer, with growing pauses, and says so on standard error.
// Throws the last Unavailable once `patience` is over, and any other Error at once.
void patiently(std::chrono::seconds patience, const std::function<void()>& work);

}  // namespace mlpipe
