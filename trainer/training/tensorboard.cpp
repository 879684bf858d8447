#include "trainer/training/tensorboard.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace mlpipe {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

// Fields of event.proto and summary.proto, by their numbers.
constexpr unsigned event_wall_time = 1;     // double
constexpr unsigned event_step = 2;          // int64
constexpr unsigned event_file_version = 3;  // string
constexpr unsigned event_summary = 5;       // Summary
constexpr unsigned summary_value = 1;       // Summary.Value
constexpr unsigned value_tag = 1;           // string
constexpr unsigned value_simple_value = 2;  // float

enum WireType : unsigned { varint = 0, eight_bytes = 1, counted = 2, four_bytes = 5 };

template <typename Number>
std::string as_bytes(Number number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

std::string varint_of(std::uint64_t number) {
  constexpr std::uint64_t more = 0x80;
  std::string bytes;
  for (; number >= more; number >>= 7U) {
    bytes += static_cast<char>(number % more | more);
  }
  return bytes + static_cast<char>(number);
}

std::string key(unsigned field, WireType type) {
  return varint_of(field << 3U | type);
}

std::string field(unsigned number, double value) {
  return key(number, eight_bytes) + as_bytes(value);
}
std::string field(unsigned number, float value) {
  return key(number, four_bytes) + as_bytes(value);
}
std::string field(unsigned number, std::int64_t value) {
  return key(number, varint) + varint_of(static_cast<std::uint64_t>(value));
}
std::string field(unsigned number, const std::string& bytes) {
  return key(number, counted) + varint_of(bytes.size()) + bytes;
}

std::string record(const std::string& event) {
  const std::string length = as_bytes(static_cast<std::uint64_t>(event.size()));
  return length + as_bytes(masked(crc32c(length))) + event + as_bytes(masked(crc32c(event)));
}

std::string event_of(const Observation& observation) {
  std::string summary;
  for (const auto& [name, value] : observation.values) {
    const std::string tag = (observation.epoch_ended ? "epoch/" : "batch/") + name;
    summary +=
        field(summary_value, field(value_tag, tag) + field(value_simple_value, static_cast<float>(value)));
  }
  return field(event_wall_time, static_cast<double>(observation.step)) + field(event_step, observation.step) +
         field(event_summary, summary);
}

constexpr std::array<std::uint32_t, 256> make_table() {
  constexpr std::uint32_t polynomial = 0x82f63b78;  // Castagnoli's, its bits reversed
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = crc >> 1U ^ (crc % 2 == 1 ? polynomial : 0);
    }
    table[byte] = crc;
  }
  return table;
}

}  // namespace

std::string tensorboard_events(const History& history) {
  std::string file =
      record(field(event_wall_time, 0.0) + field(event_file_version, std::string("brain.Event:2")));
  for (const Observation& observation : history) {
    file += record(event_of(observation));
  }
  return file;
}

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> table = make_table();
  std::uint32_t crc = ~std::uint32_t{0};
  for (const char byte : bytes) {
    crc = crc >> 8U ^ table[(crc ^ static_cast<unsigned char>(byte)) % table.size()];
  }
  return ~crc;
}

std::uint32_t masked(std::uint32_t crc) {
  constexpr std::uint32_t delta = 0xa282ead8;
  return std::rotr(crc, 15) + delta;
}

}  // namespace mlpipe
