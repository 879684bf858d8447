#include "server/protocol/multipart.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/MessageHeader.h>
#include <Poco/Net/MultipartReader.h>
#include <Poco/Net/NameValueCollection.h>

#include <istream>
#include <iterator>
#include <optional>
#include <sstream>

#include "server/protocol/input.hpp"

namespace mlpipe {
namespace {

using Parameters = Poco::Net::NameValueCollection;

Parameters parameters_of(const std::string& header) {
  std::string value;
  Parameters parameters;
  Poco::Net::MessageHeader::splitParameters(header, value, parameters);
  return parameters;
}

std::string read_file_part(const std::string& boundary, const std::string& body) {
  constexpr int most_parts = 100;
  std::istringstream stream(body);
  Poco::Net::MultipartReader reader(stream, boundary);
  std::optional<std::string> file;
  std::optional<std::string> only;
  int parts = 0;
  while (reader.hasNextPart()) {
    if (++parts > most_parts) {
      throw RequestError(400, "body: the form has more than 100 parts");
    }
    Poco::Net::MessageHeader header;
    reader.nextPart(header);
    std::string content(std::istreambuf_iterator<char>(reader.stream()), {});
    if (parameters_of(header.get("Content-Disposition", "")).has("filename")) {
      if (file) {
        throw RequestError(400, "body: the form has several files, one is expected");
      }
      file = std::move(content);
    } else {
      only = std::move(content);
    }
  }
  if (!file && parts != 1) {
    throw RequestError(400, "body: the form has no file");
  }
  return file ? std::move(*file) : std::move(*only);
}

}  // namespace

std::string uploaded_file(std::string_view content_type, const std::string& body) {
  try {
    const std::string boundary = parameters_of(std::string(content_type)).get("boundary", "");
    if (boundary.empty() || boundary.size() > 70) {
      throw RequestError(400, "Content-Type: the form's boundary is missing or too long");
    }
    if (body.find("--" + boundary + "--") == std::string::npos) {
      throw RequestError(400, "body: the form does not end with its boundary");
    }
    return read_file_part(boundary, body);
  } catch (const Poco::Exception& failure) {
    throw RequestError(400, "body: it is no form: " + failure.displayText());
  }
}

}  // namespace mlpipe
