#pragma once

#include <cstddef>
#include <string_view>

#include "server/filter/filter.hpp"

namespace mlpipe {

// Unpacks requests whose Content-Encoding is gzip, to at most `body_limit` bytes (else 413), and packs
// answers that are large enough to gain for clients whose Accept-Encoding takes gzip. 415 for other
// encodings.
Filter compression(std::size_t body_limit);

// Whether an Accept-Encoding header takes gzip (RFC 9110, 12.5.3), and does not prefer the bytes as they are.
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace mlpipe
