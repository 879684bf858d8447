#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// The protocol's datatypes whose values FP32 can have, all or some of them.
enum class Datatype { fp32, fp64, int8, int16, int32, int64, uint8, uint16, uint32, uint64 };

struct DatatypeEntry {
  Datatype type;
  std::string_view name;
  std::size_t size;  // bytes of a value
  bool is_whole;
  double least;  // of what a whole number may be
  double end;    // the first one above
};

inline constexpr double two_to_63 = 9223372036854775808.0;
inline constexpr std::array datatypes = {
    DatatypeEntry{Datatype::fp32, "FP32", 4, false, 0, 0},
    DatatypeEntry{Datatype::fp64, "FP64", 8, false, 0, 0},
    DatatypeEntry{Datatype::int8, "INT8", 1, true, -128, 128},
    DatatypeEntry{Datatype::int16, "INT16", 2, true, -32768, 32768},
    DatatypeEntry{Datatype::int32, "INT32", 4, true, -2147483648.0, 2147483648.0},
    DatatypeEntry{Datatype::int64, "INT64", 8, true, -two_to_63, two_to_63},
    DatatypeEntry{Datatype::uint8, "UINT8", 1, true, 0, 256},
    DatatypeEntry{Datatype::uint16, "UINT16", 2, true, 0, 65536},
    DatatypeEntry{Datatype::uint32, "UINT32", 4, true, 0, 4294967296.0},
    DatatypeEntry{Datatype::uint64, "UINT64", 8, true, 0, 2 * two_to_63},
};

constexpr const DatatypeEntry& entry_of(Datatype type) {
  return datatypes[static_cast<std::size_t>(type)];
}

constexpr std::optional<Datatype> datatype_named(std::string_view name) {
  const auto* found = std::find_if(datatypes.begin(), datatypes.end(),
                                   [name](const auto& each) { return each.name == name; });
  return found == datatypes.end() ? std::nullopt : std::optional(found->type);
}

// Numbers as they lie in a message, at any address, in the byte order of the protocol.
struct RawNumbers {
  Datatype type = Datatype::fp32;
  std::string_view bytes;  // whole values
};
static_assert(std::endian::native == std::endian::little, "the protocol's bytes are taken as they lie");

// The numbers as FP32. Throws RequestError 400, naming `place` and the index, for one that is not finite or
// that FP32 does not have.
std::vector<float> fp32_values(const RawNumbers& numbers, const std::string& place);

// Throws RequestError 400 for the first value that the datatype does not have.
void require_datatype(const std::vector<float>& values, Datatype type, const std::string& place);

}  // namespace mlpipe
