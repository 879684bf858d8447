#pragma once

#include <string_view>

namespace mlpipe {

// The page at "/": server/page/index.html with its style and scripts, put together when the server is built.
std::string_view page_html();

// The page at "/docs", which shows /openapi.json.
std::string_view docs_html();

}  // namespace mlpipe
