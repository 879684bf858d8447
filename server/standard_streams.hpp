#pragma once

#include <cstddef>

#include "server/protocol/router.hpp"

namespace mlpipe {

// How messages stand one behind the other: each in a line of its own, or behind its length in four bytes, the
// highest first.
enum class Framing { lines, frames };

// For programs that run the model as a child process: reads bodies of POST /predict from `input` and writes
// an answer to `output` for each, in their order, as POST /predict would answer, until the input ends. Throws
// Error when a message is longer than `limit` or cut off, and when the output cannot be written.
void answer_standard_streams(const Router& router, Framing framing, std::size_t limit, int input, int output);

}  // namespace mlpipe
