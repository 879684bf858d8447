#pragma once

#include <string>
#include <string_view>

#include "trainer/data/array.hpp"

namespace mlpipe {

// A NumPy array file (.npy, format versions 1 to 3): C order, little-endian, of u1, i4, i8, f4 or f8. `name`
// is what messages call it. Throws UsageError for everything else, and for a header that does not agree with
// the number of bytes.
NumericArray parse_npy(std::string_view bytes, const std::string& name);

}  // namespace mlpipe
