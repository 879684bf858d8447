#pragma once

#include <string>

#include "trainer/data/array.hpp"

namespace mlpipe {

// A NumPy array file (.npy, format versions 1 to 3): C order, little-endian, of b1, u1, i1, i2, i4, i8, f4 or
// f8. The array shares the bytes. `name` is what messages call it. Throws UsageError for everything else, and
// for a header that does not agree with the number of bytes.
NumericArray parse_npy(const StoredBytes& stored, const std::string& name);

}  // namespace mlpipe
