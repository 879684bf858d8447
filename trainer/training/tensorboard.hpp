#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "trainer/training/history.hpp"

namespace mlpipe {

// The bytes of a TensorBoard event file with every value of the history: those of batches under "batch/",
// those of epochs under "epoch/". Instead of the time it carries the step, so that the same training gives
// the same bytes.
//
// The format: records of a length, its checksum, the bytes, their checksum (TensorFlow's
// tensorflow/core/lib/io/record_writer.cc); each is an Event (tensorflow/core/util/event.proto) in protobuf's
// wire format (protobuf.dev/programming-guides/encoding). The few fields that a scalar needs are written here
// by hand.
std::string tensorboard_events(const History& history);

// CRC-32C (Castagnoli), and the way records mask it.
std::uint32_t crc32c(std::string_view bytes);
std::uint32_t masked(std::uint32_t crc);

}  // namespace mlpipe
