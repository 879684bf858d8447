#include "server/protocol/html.hpp"

#include <utility>

namespace mlpipe {

Response html_response(std::string page) {
  return {200,
          "text/html; charset=utf-8",
          std::move(page),
          {{"Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
            "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
           {"X-Content-Type-Options", "nosniff"},
           {"Cache-Control", "no-cache"}}};
}

}  // namespace mlpipe
