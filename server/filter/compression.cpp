#include "server/filter/compression.hpp"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/base/text.hpp"
#include "server/filter/gzip.hpp"
#include "server/protocol/json.hpp"

namespace mlpipe {
namespace {

constexpr const char* content_encoding = "Content-Encoding";
constexpr std::size_t least_packed = 1024;  // below, what is saved does not pay for the work

bool is_same(std::string_view left, std::string_view right) {
  return left.size() == right.size() && ::strncasecmp(left.data(), right.data(), left.size()) == 0;
}

// The q of one part of Accept-Encoding: "gzip;q=0.5". What cannot be read is not wanted.
double quality_of(const std::vector<std::string>& parameters) {
  for (std::size_t i = 1; i < parameters.size(); ++i) {
    const std::string_view parameter = trim(parameters[i]);
    if (parameter.size() > 2 && is_same(parameter.substr(0, 2), "q=")) {
      double quality = 0;
      const auto [end, error] =
          std::from_chars(parameter.data() + 2, parameter.data() + parameter.size(), quality);
      return error == std::errc() && end == parameter.data() + parameter.size() ? quality : 0;
    }
  }
  return 1;
}

// Pictures are packed already, and errors are short and get logged.
bool gains_by_packing(const Response& response) {
  return response.status < 400 && response.body.size() >= least_packed &&
         (!response.content_type.starts_with("image/") || response.content_type.starts_with("image/svg")) &&
         std::none_of(response.headers.begin(), response.headers.end(),
                      [](const Header& header) { return is_same(header.name, content_encoding); });
}

void pack(Response& response) {
  if (!gains_by_packing(response)) {
    return;
  }
  std::string packed = pack_gzip(response.body);
  if (packed.size() < response.body.size()) {
    response.body = std::move(packed);
    response.headers.push_back({content_encoding, "gzip"});
  }
}

Response not_understood(const std::string& encoding) {
  Response response = error_response(
      415, fmt::format("Content-Encoding: {} is not understood here, send gzip or the body as it is",
                       printable(encoding.substr(0, 100))));
  response.headers.push_back({"Accept-Encoding", "gzip"});
  return response;
}

// Brings the body to what it is without its encoding, and drops the header that named it. Returns what is to
// be answered when that cannot be done.
std::optional<Response> unpack(Request& request, std::size_t body_limit) {
  const std::string encoding(trim(request.header(content_encoding)));
  if (encoding.empty()) {
    return std::nullopt;
  }
  const bool is_gzip = is_same(encoding, "gzip") || is_same(encoding, "x-gzip");
  const auto encodings =
      std::count_if(request.headers.begin(), request.headers.end(),
                    [](const Header& header) { return is_same(header.name, content_encoding); });
  if (encodings > 1 || (!is_gzip && !is_same(encoding, "identity"))) {
    return not_understood(encoding);
  }
  if (is_gzip && !request.body.empty()) {
    try {
      request.body = unpack_gzip(request.body, body_limit);
    } catch (const NotGzip& fault) {
      return error_response(400, fmt::format("body: Content-Encoding says gzip, but {}", fault.what()));
    } catch (const TooMuchInGzip&) {
      return error_response(413, fmt::format("body: it is larger than {} bytes when unpacked", body_limit));
    }
  }
  std::erase_if(request.headers, [](const Header& header) { return is_same(header.name, content_encoding); });
  return std::nullopt;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  std::optional<double> gzip;
  std::optional<double> any;
  double identity = 0;
  for (const std::string& part : split(accept_encoding, ',')) {
    const std::vector<std::string> parameters = split(part, ';');
    const std::string_view name = trim(parameters.front());
    if (is_same(name, "gzip") || is_same(name, "x-gzip")) {
      gzip = quality_of(parameters);
    } else if (name == "*") {
      any = quality_of(parameters);
    } else if (is_same(name, "identity")) {
      identity = quality_of(parameters);
    }
  }
  const double quality = gzip.value_or(any.value_or(0));
  return quality > 0 && quality >= identity;
}

Filter compression(std::size_t body_limit) {
  return [body_limit](Request request, Respond respond, const Answer& next) {
    const std::string_view accepted = request.header("Accept-Encoding");
    if (!accepted.empty() && accepts_gzip(accepted)) {
      respond = [respond = std::move(respond)](Response response) {
        pack(response);
        response.headers.push_back({"Vary", "Accept-Encoding"});
        respond(std::move(response));
      };
    }
    if (std::optional<Response> refusal = unpack(request, body_limit)) {
      respond(std::move(*refusal));
    } else {
      next(std::move(request), std::move(respond));
    }
  };
}

}  // namespace mlpipe
