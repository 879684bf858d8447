#pragma once

#include <string>
#include <string_view>

namespace mlpipe {

// The one file in a form as browsers and `curl -F` send it (multipart/form-data, RFC 7578): the part that has
// a file name, or else the only part. Throws RequestError 400 that says what is wrong with the form.
std::string uploaded_file(std::string_view content_type, const std::string& body);

}  // namespace mlpipe
