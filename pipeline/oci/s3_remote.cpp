#include "pipeline/oci/s3_remote.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest_record = std::uint64_t{64} << 20U;

// Characters that stand for themselves in a URL, so that what is signed is what is sent.
bool is_plain_part(std::string_view part) {
  return !part.empty() && part != "." && part != ".." &&
         std::all_of(part.begin(), part.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

std::string first_of(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const auto found = environment.find(name); found != environment.end() && !found->second.empty()) {
      return found->second;
    }
  }
  return "";
}

// What stands in the elements of that name. S3's answers are XML; what is looked for in them (our own
// objects' names, codes, tokens) needs no entities.
std::vector<std::string> elements(const std::string& xml, const std::string& name) {
  const std::string begin = "<" + name + ">";
  const std::string end = "</" + name + ">";
  std::vector<std::string> found;
  for (std::size_t at = xml.find(begin); at != std::string::npos; at = xml.find(begin, at)) {
    at += begin.size();
    const std::size_t close = xml.find(end, at);
    if (close == std::string::npos) {
      break;
    }
    found.push_back(xml.substr(at, close - at));
  }
  return found;
}

std::string explanation(const HttpAnswer& answer) {
  const auto codes = elements(answer.body, "Code");
  const auto messages = elements(answer.body, "Message");
  return codes.empty()
             ? ""
             : printable(fmt::format(" ({}{})", codes[0], messages.empty() ? "" : ": " + messages[0]));
}

}  // namespace

// A run waits for a remote, and goes on without it.
S3Remote::S3Remote(const std::string& url, const Environment& environment)
    : name_(url), http_(Patience{.retries = 2}) {
  const std::vector<std::string> parts = split(std::string_view(url).substr(s3_scheme.size()), '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    if (!is_plain_part(parts[i]) && !(last && i > 0 && parts[i].empty())) {
      throw UsageError(fmt::format("'{}' names no place in S3", printable(url)),
                       "write s3://BUCKET/PREFIX, of letters, digits, '-', '_' and '.'");
    }
    if (i > 0 && !parts[i].empty()) {
      prefix_ += parts[i] + "/";
    }
  }
  region_ = first_of(environment, {"AWS_REGION", "AWS_DEFAULT_REGION"});
  if (region_.empty()) {
    region_ = "us-east-1";
  }
  if (!is_plain_part(region_)) {
    throw UsageError(fmt::format("AWS_REGION: '{}' is no region", printable(region_)));
  }
  std::string endpoint = first_of(environment, {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
  if (endpoint.empty()) {
    endpoint = fmt::format("https://s3.{}.amazonaws.com", region_);
  }
  if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://")) {
    throw UsageError(fmt::format("AWS_ENDPOINT_URL: '{}' is no http or https URL", printable(endpoint)));
  }
  while (endpoint.ends_with('/')) {
    endpoint.pop_back();
  }
  bucket_ = endpoint + "/" + parts.front();
  login_ = {first_of(environment, {"AWS_ACCESS_KEY_ID"}), first_of(environment, {"AWS_SECRET_ACCESS_KEY"})};
  session_token_ = first_of(environment, {"AWS_SESSION_TOKEN"});
  if (login_.user.empty() || login_.password.empty()) {
    throw UsageError(fmt::format("{}: nobody said who you are there", name_),
                     "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
}

std::string S3Remote::object_of_record(const std::string& name) const {
  require_record_name(name);
  return fmt::format("{}records/{}", prefix_, name);
}

std::string S3Remote::object_of_blob(const Digest& digest) const {
  return fmt::format("{}blobs/sha256/{}", prefix_, digest.hex());
}

HttpRequest S3Remote::request(const std::string& method, const std::string& object,
                              const Digest& body) const {
  HttpRequest request;
  request.method = method;
  request.url = bucket_ + "/" + object;
  request.login = login_;
  request.aws_region = region_;
  request.headers.push_back("x-amz-content-sha256: " + body.hex());  // so that the body is signed too
  if (!session_token_.empty()) {
    request.headers.push_back("x-amz-security-token: " + session_token_);
  }
  return request;
}

HttpAnswer S3Remote::send(const HttpRequest& request, const std::string& doing) {
  try {
    return http_.send(request);
  } catch (const Unavailable& error) {
    throw Unavailable(fmt::format("{} in {}: {}", doing, name_, error.what()),
                      "AWS_ENDPOINT_URL names the server when it is not Amazon's");
  } catch (const Error& error) {
    throw Error(fmt::format("{} in {}: {}", doing, name_, error.what()), error.hint());
  }
}

void S3Remote::refuse(const HttpAnswer& answer, const std::string& doing) const {
  throw Error(fmt::format("{} in {}: the server answers with HTTP status {}{}", doing, name_, answer.status,
                          explanation(answer)),
              answer.status == 403 ? "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say who you are" : "");
}

Remote::Keys S3Remote::keys(std::size_t most) {
  const std::string doing = "listing the records";
  Keys keys;
  for (std::string token; true;) {
    HttpRequest list = request("GET", "");
    // Signed as it is written: in the order of the names.
    list.url = fmt::format("{}?{}list-type=2&max-keys=1000&prefix={}", bucket_,
                           token.empty() ? "" : fmt::format("continuation-token={}&", url_encoded(token)),
                           url_encoded(prefix_ + "records/" + std::string(result_record_begin)));
    const HttpAnswer answer = send(list, doing);
    if (!answer.succeeded()) {
      refuse(answer, doing);
    }
    for (const std::string& object : elements(answer.body, "Key")) {
      if (const auto key = key_of_result_record(object.substr(object.rfind('/') + 1))) {
        keys.keys.push_back(*key);
      }
    }
    const auto tokens = elements(answer.body, "NextContinuationToken");
    const auto truncated = elements(answer.body, "IsTruncated");
    if (truncated.empty() || truncated[0] != "true" || tokens.empty()) {
      return keys;
    }
    if (keys.keys.size() >= most) {
      keys.complete = false;
      return keys;
    }
    token = tokens[0];
  }
}

std::optional<RemoteRecord> S3Remote::get_record(const std::string& name) {
  const std::string doing = fmt::format("reading the record {}", printable(name));
  HttpRequest get = request("GET", object_of_record(name));
  get.most_bytes = largest_record;
  const HttpAnswer answer = send(get, doing);
  if (answer.status == 404) {
    return std::nullopt;
  }
  if (!answer.succeeded()) {
    refuse(answer, doing);
  }
  try {
    return parse_record(answer.body);
  } catch (const Error& error) {
    throw Error(fmt::format("{} in {}: {}", doing, name_, error.what()));
  }
}

void S3Remote::put_record(const std::string& name, const RemoteRecord& record) {
  const std::string doing = fmt::format("writing the record {}", printable(name));
  const std::string text = to_text(record);
  HttpRequest put = request("PUT", object_of_record(name), digest_of(text));
  put.body = text;
  put.headers.push_back("Content-Type: application/json");
  if (const HttpAnswer answer = send(put, doing); !answer.succeeded()) {
    refuse(answer, doing);
  }
}

void S3Remote::get_blob(const RemoteBlob& blob, const fs::path& to) {
  const std::string doing = fmt::format("reading {}", blob.digest.hex());
  const FileDescriptor file = open_file(to, O_WRONLY | O_CREAT | O_EXCL, 0644);
  try {
    HttpRequest get = request("GET", object_of_blob(blob.digest));
    get.most_bytes = blob.bytes;
    Hasher hasher;
    std::uint64_t got = 0;
    get.receive = [&](std::string_view bytes) {
      write_all(file.get(), bytes, to.string());
      hasher.update(bytes);
      got += bytes.size();
    };
    if (const HttpAnswer answer = send(get, doing); !answer.succeeded()) {
      refuse(answer, doing);
    }
    if (const Digest found = hasher.finish(); got != blob.bytes || found != blob.digest) {
      throw Error(fmt::format("{} in {}: there are other bytes, {} of them, sha256:{}", doing, name_, got,
                              found.hex()));
    }
  } catch (...) {
    ::unlink(to.c_str());
    throw;
  }
}

void S3Remote::put_blob(const RemoteBlob& blob, const fs::path& from) {
  const std::string doing = fmt::format("writing {}", blob.digest.hex());
  const HttpAnswer there = send(request("HEAD", object_of_blob(blob.digest)), doing);
  if (there.succeeded()) {
    return;
  }
  if (there.status != 404) {
    refuse(there, doing);
  }
  HttpRequest put = request("PUT", object_of_blob(blob.digest), blob.digest);
  put.file = HttpRequest::FilePart{from, 0, blob.bytes};
  put.headers.push_back("Content-Type: application/octet-stream");
  if (const HttpAnswer answer = send(put, doing); !answer.succeeded()) {
    refuse(answer, doing);
  }
}

}  // namespace mlpipe
